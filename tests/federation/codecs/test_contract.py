"""What every codec owes: a new file in the package is under this contract at once."""

import ast
import pkgutil
import zlib

import numpy as np
import pytest

import federation.codecs
from benchmarks.chains import chains
from benchmarks.mutants import mutants
from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context, Shape, Stage
from federation.codecs._text import parse_chain, stages
from federation.errors import ScenarioError

TENSORS = ((5, 7), (7,), (3, 2, 2), (1,))
LENGTH = 35 + 7 + 12 + 1
LABEL = Label(3, 17)
CONTEXT = Context(1, "uplink model", 3, 4)
CHAINS = chains()


@pytest.fixture(params=CHAINS)
def chain(request):
    return Chain(parse_chain(request.param))


def vectors():
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(LENGTH).astype("f4")
    return {
        "normal": normal,
        "heavy tails": (normal**5).astype("f4"),
        "zeros": np.zeros(LENGTH, "f4"),
        "minus zeros": -np.zeros(LENGTH, "f4"),
        "all equal": np.full(LENGTH, -2.5, "f4"),
        "one large": np.eye(1, LENGTH, 8, dtype="f4")[0] * 1e30,
        "denormal": (normal * 1e-42).astype("f4"),
    }


def round_trip(chain, values, tensors=TENSORS):
    payload = chain.encode(values, b"exact", tensors, LABEL, CONTEXT).payload
    return chain.decode(payload, 5, tensors, LABEL, CONTEXT), payload


@pytest.mark.parametrize("kind", vectors())
def test_what_arrives_has_the_length_of_what_was_sent_and_is_finite(chain, kind):
    values = vectors()[kind]
    (decoded, exact), _ = round_trip(chain, values)
    assert decoded.shape == (LENGTH,)
    assert np.isfinite(decoded).all()
    assert exact == b"exact"


@pytest.mark.parametrize("length", [0, 1, 2])
def test_tiny_updates_survive(chain, length):
    values = np.arange(1, length + 1, dtype="f4")
    (decoded, _), _ = round_trip(chain, values, ((length,),))
    assert len(decoded) == length


def test_the_input_is_left_alone(chain):
    values = vectors()["normal"]
    before = values.copy()
    round_trip(chain, values)
    np.testing.assert_array_equal(values, before)


def test_the_same_place_draws_the_same_bytes(chain):
    values = vectors()["normal"]
    assert round_trip(chain, values)[1] == round_trip(chain, values)[1]


def test_decoding_is_a_function_of_the_payload(chain):
    values = vectors()["normal"]
    (first, _), payload = round_trip(chain, values)
    second, _ = chain.decode(payload, 5, TENSORS, LABEL, CONTEXT)
    np.testing.assert_array_equal(first, second)


def test_every_truncation_is_refused(chain):
    _, payload = round_trip(chain, vectors()["normal"])
    for length in range(len(payload)):
        with pytest.raises(ValueError):  # noqa: PT011 - each stage has its own words
            chain.decode(payload[:length], 5, TENSORS, LABEL, CONTEXT)


def test_mutated_payloads_raise_nothing_but_value_errors(chain):
    """1,000 mutants; `make fuzz` tries 50,000."""
    payloads = [round_trip(chain, values)[1] for values in vectors().values()]
    for mutant in mutants(payloads, 1000, zlib.crc32(repr(chain).encode())):
        try:
            decoded, _ = chain.decode(mutant, 5, TENSORS, LABEL, CONTEXT)
        except ValueError:
            continue
        assert decoded.shape == (LENGTH,)


@pytest.mark.parametrize(
    ("label", "words"),
    [(Label(4, 17), "round 3, not 4"), (Label(3, 18), "difference from another model")],
)
def test_a_payload_of_another_place_is_refused(chain, label, words):
    _, payload = round_trip(chain, vectors()["normal"])
    with pytest.raises(ValueError, match=words):
        chain.decode(payload, 5, TENSORS, label, CONTEXT)


def test_nan_and_infinity_are_not_encoded(chain):
    for bad in (np.nan, np.inf):
        values = vectors()["normal"]
        values[7] = bad
        with pytest.raises(ValueError, match="NaN"):
            chain.encode(values, b"", TENSORS, LABEL, CONTEXT)


def test_the_repr_of_a_stage_rebuilds_it(chain):
    names = {kind.__name__: kind for kind in map(stages().get, stages().names())}
    for stage in chain.stages:
        call = ast.parse(repr(stage), mode="eval").body
        words = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        assert names[call.func.id](**words) == stage


def test_every_stage_makes_a_claim(chain):
    shape = Shape("values", LENGTH, tensors=TENSORS)
    for stage in chain.stages:
        assert stage.claim(shape).kind in ("exact", "unbiased", "contractive", "bounded", "none")
        shape = stage.shape(shape)


def test_every_file_of_the_package_is_a_codec_under_this_contract():
    files = {
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(federation.codecs.__path__)
        if not module.name.startswith("_")
    }
    assert set(stages().names()) == files
    tested = {type(stage) for text in CHAINS for stage in parse_chain(text)}
    assert tested == {stages().get(name) for name in files}
    assert all(issubclass(kind, Stage) for kind in tested)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topkk(0.1)", "did you mean 'topk'"),
        ("topk", "needs its arguments"),
        ("topk(0.1, 2, 3, 4)", "does not take 4 arguments"),
        ("topk(0.1, sccope='all')", "does not take argument 'sccope'"),
        ("topk(0.1", "is not of the form"),
        ("topk(open('x'))", "must be numbers or quoted words"),
        ("none | topk(0.1)", "stands alone"),
        ("", "is not of the form"),
        ("topk(0.1) || stc(0.1)", "is not of the form"),
        ("topk(7.5)", "7.5"),
    ],
)
def test_a_chain_that_cannot_be_is_an_error_of_one_line(text, words):
    with pytest.raises(ScenarioError) as caught:
        parse_chain(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_stages_that_do_not_fit_together_are_refused():
    with pytest.raises(ScenarioError, match="takes values, but gets symbols"):
        Chain(parse_chain("stc(0.1) | topk(0.1)")).shapes(TENSORS)
