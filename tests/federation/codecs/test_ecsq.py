"""The entropy-coded uniform quantiser: rate and distortion, its claims, and forged steps."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.ecsq import Ecsq
from federation.errors import ScenarioError

LABEL, CONTEXT = Label(1), Context(1, "ecsq", 1, 1)
N = 1_000_000


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(5).standard_normal(N).astype("f4") * np.float32(3e-3)


def error_of(decoded, values):
    wide = values.astype("f8")
    return float(np.square(decoded - wide).sum() / np.square(wide).sum())


def through(stage, values, context=CONTEXT):
    given_ = Shape("values", len(values))
    coded = stage.encode(values, given_, context)
    return stage.decode(coded.values, coded.side, given_, context), coded


def through_chain(text, values):
    chain, tensors = Chain(parse_chain(text)), [(len(values),)]
    payload = chain.encode(values, b"", tensors, LABEL, CONTEXT).payload
    return chain.decode(payload, 0, tensors, LABEL, CONTEXT)[0], len(payload)


@pytest.mark.parametrize("rate", [2, 3, 4, 5, 6, 7, 8])
def test_normal_values_stay_within_0_26_bit_of_the_bound_with_all_bytes_counted(normal, rate):
    decoded, payload_bytes = through_chain(f"ecsq({rate}) | range", normal)
    bits = 8 * payload_bytes / N
    bound = 0.5 * np.log2(1 / error_of(decoded, normal))
    assert bits <= bound + 0.26
    assert bits == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize(
    ("rate", "dither"), [(0.3, False), (1, False), (1, True), (3, False), (3, True)]
)
def test_a_rate_is_met_on_heavy_tails_too(rate, dither):
    values = np.random.default_rng(6).standard_t(3, 200_000).astype("f4")
    symbols = through(Ecsq(rate=rate, dither=dither), values)[1].values
    counts = np.unique(symbols, return_counts=True)[1] / len(symbols)
    assert -(counts * np.log2(counts)).sum() == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize("error", [0.5, 0.1, 0.01, 1e-4])
def test_an_error_is_met_and_not_by_much(normal, error):
    values = normal[:200_000]
    assert 0.97 * error <= error_of(through(Ecsq(error=error), values)[0], values) <= error


@pytest.mark.parametrize("step", [0.1, 0.5, 1])
def test_dithered_errors_are_uniform_whatever_the_values_are(step):
    values = np.linspace(1, 2, 100_000, dtype="f4")
    decoded, _ = through(Ecsq(step=step, dither=True), values)
    rms = np.sqrt(np.square(values.astype("f8")).mean())
    errors = (decoded - values) / (step * rms)
    assert np.abs(errors).max() <= 0.5 + 1e-5
    assert np.square(errors).mean() == pytest.approx(1 / 12, rel=0.02)
    assert np.corrcoef(errors, values)[0, 1] == pytest.approx(0, abs=4 / np.sqrt(len(values)))


def test_multiples_of_the_step_are_exact():
    values = np.array([1, -2, 3, 0, 1, -1, 0, 2], "f4")
    rms = float(np.sqrt(np.square(values).mean()))
    decoded, coded = through(Ecsq(step=1 / rms), values)
    assert (coded.values.astype(int) - 32768).tolist() == [1, -2, 3, 0, 1, -1, 0, 2]
    np.testing.assert_allclose(decoded, values, rtol=1e-6)


def test_levels_lie_at_the_mean_of_what_they_stand_for():
    values = np.array([0.6, 0.8, -0.7, -0.7, 0.1, -0.1], "f4")
    rms = float(np.sqrt(np.square(values).mean()))
    decoded, _ = through(Ecsq(step=1 / rms), values)
    np.testing.assert_allclose(decoded, [0.7, 0.7, -0.7, -0.7, 0, 0], rtol=1e-6)


STAGES = [
    Ecsq(step=0.5),
    Ecsq(step=1.5),
    Ecsq(error=0.2),
    Ecsq(error=0.9),
    Ecsq(rate=0.5),
    Ecsq(rate=8),
    Ecsq(step=1, dither=True),
    Ecsq(rate=2, dither=True),
    Ecsq(error=0.1, dither=True),
]
FLOATS = hnp.arrays(
    "f4",
    st.integers(0, 40),
    elements={"allow_nan": False, "allow_infinity": False},
)


@pytest.mark.parametrize("stage", STAGES, ids=repr)
@settings(max_examples=40)
@given(values=FLOATS)
def test_any_values_survive_and_claims_of_contraction_hold(stage, values):
    decoded, coded = through(stage, values)
    assert np.isfinite(decoded).all()
    assert coded.values.dtype == np.uint16
    claim = stage.claim(Shape("values", len(values)))
    if claim.kind == "contractive":
        wide = values.astype("f8")
        error, square = np.square(decoded - wide).sum(), np.square(wide).sum()
        ulp = 1e-45 * len(values)  # of denormals
        assert np.sqrt(error) <= np.sqrt((1 - claim.constant) * square) * (1 + 1e-6) + ulp


@pytest.mark.parametrize("stage", [s for s in STAGES if s.dither], ids=repr)
def test_with_dither_the_mean_of_many_draws_is_the_value(stage):
    values = np.array([1, 0.5, -3, 1e-3, 0, 0.7, 7, -2], "f4")
    draws = 4000
    decoded = np.stack(
        [through(stage, values, Context(1, "ecsq", r, 0))[0] for r in range(draws)]
    ).astype("f8")
    off = np.abs(decoded.mean(0) - values)
    assert (off <= 4 * decoded.std(0) / np.sqrt(draws) + 1e-6).all()
    square = np.square(decoded - values).sum(1).mean()
    claim = stage.claim(Shape("values", len(values)))
    assert claim.kind == "unbiased"
    assert square <= 1.02 * claim.constant * np.square(values.astype("f8")).sum()


def test_claims_by_hand():
    shape = Shape("values", 1000)
    assert Ecsq(step=1).claim(shape).constant == pytest.approx(0.75, abs=1e-3)
    assert Ecsq(error=0.1).claim(shape).constant == pytest.approx(0.9, abs=1e-3)
    assert Ecsq(step=1, dither=True).claim(shape).constant == pytest.approx(1 / 12, rel=1e-2)
    assert Ecsq(step=2).claim(shape).kind == Ecsq(rate=2).claim(shape).kind == "none"


PLAIN = struct.Struct("<fff")


@pytest.mark.parametrize(
    "side",
    [
        b"",
        PLAIN.pack(1, 1, 0) + b"x",
        PLAIN.pack(-1, 1, 0),
        PLAIN.pack(np.nan, 1, 0),
        PLAIN.pack(np.inf, 1, 0),
        PLAIN.pack(1, np.nan, 0),
        PLAIN.pack(1, 2, 0),
        PLAIN.pack(1, 1, -5),
    ],
)
def test_a_forged_step_is_refused(side):
    with pytest.raises(ValueError, match=r"step|beside"):
        Ecsq(step=1).decode(np.zeros(3, np.uint16), side, Shape("values", 3), CONTEXT)


def test_the_largest_step_and_symbol_still_give_finite_values():
    side = PLAIN.pack(np.finfo("f4").max, 1.5, 1)
    symbols = np.array([0, 65535], np.uint16)
    decoded = Ecsq(step=1).decode(symbols, side, Shape("values", 2), CONTEXT)
    assert decoded.tolist() == [-np.finfo("f4").max, np.finfo("f4").max]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"rate": 2, "step": 1},
        {"rate": 0},
        {"rate": 15},
        {"error": 1},
        {"error": -0.1},
        {"step": "a"},
        {"step": float("nan")},
        {"rate": 2, "dither": 1},
    ],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ScenarioError, match="codec"):
        Ecsq(**arguments)
