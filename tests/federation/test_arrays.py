"""Named arrays travel and come back bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.arrays import cast_like, digest, is_within, pack, raw_bytes, spec_of, unpack

DTYPES = ["<f4", ">f4", "<f8", "<f2", "<i8", ">i4", "<i2", "|i1", "|u1", "|b1"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.dictionaries(
    st.text(max_size=6), st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, SHAPES))
)


def bits(arrays):
    return {
        name: value.astype(value.dtype.newbyteorder("<")).tobytes()
        for name, value in arrays.items()
    }


@settings(max_examples=50)
@given(ARRAYS)
def test_what_is_packed_is_unpacked_bit_for_bit(arrays):
    back = unpack(pack(arrays), spec_of(arrays))
    assert list(back) == list(arrays)
    assert [value.shape for value in back.values()] == [value.shape for value in arrays.values()]
    assert [value.dtype.kind for value in back.values()] == [v.dtype.kind for v in arrays.values()]
    assert bits(back) == bits(arrays)


@settings(max_examples=50)
@given(ARRAYS)
def test_a_payload_is_as_long_as_its_values(arrays):
    size = sum(field.size_bytes for field in spec_of(arrays))
    assert len(pack(arrays)) == raw_bytes(arrays) == size


@settings(max_examples=50)
@given(ARRAYS, st.integers(1, 9))
def test_a_payload_of_another_length_is_refused(arrays, extra):
    data = pack(arrays)
    with pytest.raises(ValueError, match=f"{len(data) + extra} bytes where {len(data)} were"):
        unpack(data + bytes(extra), spec_of(arrays))
    if data:
        with pytest.raises(ValueError, match="were expected"):
            unpack(data[:-1], spec_of(arrays))


def test_the_layout_in_memory_does_not_matter():
    value = np.arange(12, dtype="f4").reshape(3, 4)
    assert pack({"w": np.asfortranarray(value)}) == pack({"w": value})
    assert pack({"w": value[:, ::2]}) == pack({"w": value[:, ::2].copy()})


def test_unpacked_arrays_are_views_that_nobody_may_change():
    (value,) = unpack(bytes(8), spec_of({"w": np.zeros(2, "f4")})).values()
    assert not value.flags.writeable
    assert not value.flags.owndata


def test_the_digest_is_that_of_the_bits():
    parts = {"model": {"w": np.zeros((2, 3), "f4")}, "control": {"w": np.ones(2)}}
    same = {"control": {"w": np.ones(2)}, "model": {"w": np.zeros((2, 3), "f4", order="F")}}
    assert digest(parts) == digest(same)


@pytest.mark.parametrize(
    "other",
    [
        {"model": {"w": np.zeros((3, 2), "f4")}},
        {"model": {"w": np.zeros((2, 3), "i4")}},
        {"model": {"v": np.zeros((2, 3), "f4")}},
        {"other": {"w": np.zeros((2, 3), "f4")}},
        {"model": {"w": -np.zeros((2, 3), "f4")}},
        {"model": {"w": np.zeros((2, 3), "f4"), "v": np.zeros(0)}},
    ],
    ids=["shape", "dtype", "name", "part", "negative zero", "an empty array more"],
)
def test_the_digest_tells_apart(other):
    assert digest({"model": {"w": np.zeros((2, 3), "f4")}}) != digest(other)


def test_casting_to_integers_rounds_to_the_nearest_and_ties_to_even():
    means = {"steps": np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6])}
    cast = cast_like(means, {"steps": np.zeros(7, "i8")})
    assert cast["steps"].dtype == "i8"
    assert cast["steps"].tolist() == [0, 2, 2, 0, -2, 2, 3]


def test_casting_to_float32_rounds_once():
    value = np.array([1 + 2**-24 + 2**-50])
    assert cast_like({"w": value}, {"w": np.zeros(1, "f4")})["w"] == np.float32(1 + 2**-23)


def test_casting_gives_arrays_even_of_no_dimension():
    mean = np.array(2.5) + np.array(0.2)  # a scalar of numpy's, no array any more
    cast = cast_like({"steps": mean}, {"steps": np.array(3)})
    assert isinstance(cast["steps"], np.ndarray)
    assert cast["steps"].shape == ()
    assert cast["steps"] == 3


def test_casting_a_mean_of_flags_is_a_majority():
    cast = cast_like({"mask": np.array([0.2, 0.8])}, {"mask": np.zeros(2, bool)})
    assert cast["mask"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("value", "within"),
    [(np.nan, 0), (np.inf, 0), (-np.inf, 0), (3e38, 0), (-1.1e15, 0), (1e15, 1), (0.0, 1)],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_value_decides_whether_arrays_are_within_bounds(value, within, dtype):
    arrays = {"w": np.array([[1e14, 2], [3, value]], dtype), "none": np.zeros(0), "f2": HALF}
    assert is_within({"steps": np.arange(3), **arrays}, 1e15) is bool(within)


HALF = np.full(9, 6e4, "f2")  # their squares are infinite


@pytest.mark.parametrize("value", [2**62, -(2**63)])
def test_integers_have_the_same_bounds(value):
    assert is_within({"flags": np.ones(3, bool), "steps": np.array(7)}, 1e15)
    assert not is_within({"steps": np.array([1, value])}, 1e15)
