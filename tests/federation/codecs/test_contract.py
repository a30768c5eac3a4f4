"""What every codec promises, run over all that are registered."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation import codecs as package
from federation.arrays import digest, spec_of
from federation.codecs._catalogue import build_codec, codecs
from federation.seeds import generator

# How to write a codec that cannot be built from its name alone, and the settings worth testing.
WRITTEN = {}
TEXTS = [text for name in codecs().names() for text in WRITTEN.get(name, [name])]
every_codec = pytest.mark.parametrize("codec", [build_codec(text) for text in TEXTS], ids=TEXTS)

DTYPES = ["<f4", "<f8", "<f2", "<i8", "|u1"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


def finite(dtype):
    return hnp.arrays(dtype, SHAPES, elements={"allow_nan": False, "allow_infinity": False})


def integers(dtype):
    return hnp.arrays(dtype, SHAPES)


ARRAYS = st.dictionaries(
    st.text(max_size=4),
    st.sampled_from(DTYPES).flatmap(lambda d: (integers if d[1] in "iu" else finite)(d)),
    max_size=3,
)
MODEL = {
    "0.weight": np.linspace(-1, 1, 60, dtype="f4").reshape(5, 12),
    "0.bias": np.zeros(5, "f4"),
    "1.num_batches_tracked": np.array(3),
}


def rng():
    return generator(1, "codec contract")


def shapes(arrays):
    return [(name, value.shape, value.dtype) for name, value in arrays.items()]


def test_every_file_of_the_package_is_a_codec_and_is_tested_here():
    files = {path.stem for path in Path(package.__path__[0]).glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in codecs().names()} == files
    assert set(WRITTEN) <= set(codecs().names()), "a codec that is gone"
    assert TEXTS


@every_codec
@settings(max_examples=60)
@given(arrays=ARRAYS)
def test_what_is_decoded_has_the_names_shapes_and_dtypes_that_were_asked_for(codec, arrays):
    data = codec.encode(arrays, rng())
    assert isinstance(data, bytes)
    back = codec.decode(data, spec_of(arrays))
    assert shapes(back) == shapes(arrays)
    assert all(np.isfinite(value).all() for value in back.values())
    if codec.lossless:
        assert digest({"model": back}) == digest({"model": arrays})


@every_codec
def test_zeros_stay_zeros(codec):
    zeros = {"w": np.zeros((4, 5), "f4"), "none": np.zeros((0, 3), "f4"), "n": np.zeros((), "f4")}
    back = codec.decode(codec.encode(zeros, rng()), spec_of(zeros))
    assert digest({"model": back}) == digest({"model": zeros})


@every_codec
@pytest.mark.parametrize("arrays", [{}, {"w": np.zeros((0, 3), "f4")}], ids=["none", "empty"])
def test_nothing_at_all_can_be_sent(codec, arrays):
    assert shapes(codec.decode(codec.encode(arrays, rng()), spec_of(arrays))) == shapes(arrays)


@every_codec
def test_the_same_draws_give_the_same_bytes(codec):
    assert codec.encode(MODEL, rng()) == codec.encode(MODEL, rng())


@every_codec
def test_what_is_given_is_not_changed(codec):
    before = digest({"model": MODEL})
    codec.encode(MODEL, rng())
    assert digest({"model": MODEL}) == before


@every_codec
@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_payload_is_a_value_error_and_nothing_else(codec, data):
    payload = codec.encode(MODEL, rng())
    start, stop = sorted(data.draw(st.integers(0, len(payload))) for _ in range(2))
    damaged = payload[:start] + data.draw(st.binary(max_size=20)) + payload[stop:]
    try:
        back = codec.decode(damaged, spec_of(MODEL))
    except ValueError:
        return
    assert shapes(back) == shapes(MODEL)


@every_codec
@pytest.mark.parametrize("change", [b"", None], ids=["nothing", "a byte less"])
def test_a_payload_that_is_cut_off_is_refused(codec, change):
    payload = codec.encode(MODEL, rng())
    with pytest.raises(ValueError, match=r"."):
        codec.decode(payload[:-1] if change is None else change, spec_of(MODEL))


@every_codec
def test_a_payload_for_a_larger_model_is_refused(codec):
    larger = {**MODEL, "0.weight": np.zeros((50, 12), "f4")}
    with pytest.raises(ValueError, match=r"."):
        codec.decode(codec.encode(MODEL, rng()), spec_of(larger))


@every_codec
def test_its_repr_builds_it_anew(codec):
    names = {kind.__name__: kind for kind in map(codecs().get, codecs().names())}
    assert eval(repr(codec), names) == codec  # noqa: S307 - our own text
