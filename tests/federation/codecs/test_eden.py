"""EDEN: its published error, its claims, its tables, and forged factors."""

from itertools import pairwise
from math import erf, exp, inf, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs import _hadamard
from federation.codecs._lloyd_max import DISTORTION, LEVELS, Quantiser
from federation.codecs._stage import Context, Shape
from federation.codecs.eden import Eden
from federation.errors import ScenarioError


def through(stage, values, round_=1):
    given_, context = Shape("values", len(values)), Context(1, "eden", round_, 1)
    coded = stage.encode(values, given_, context)
    return stage.decode(coded.values, coded.side, given_, context), coded


def error_of(stage, values, round_=1):
    wide = values.astype("f8")
    return np.square(through(stage, values, round_)[0] - wide).sum() / np.square(wide).sum()


def lloyd_max(bits):
    """Levels above zero and distortion of the optimal quantiser of N(0, 1)."""

    def density(t):
        return exp(-t * t / 2) / sqrt(2 * pi) if t < inf else 0.0

    def below(t):
        return (1 + erf(t / sqrt(2))) / 2

    count = 2 ** (bits - 1)
    levels = [3 * (i + 0.5) / count for i in range(count)]
    for _ in range(1500):
        ends = [0, *((a + b) / 2 for a, b in pairwise(levels)), inf]
        cells = list(pairwise(ends))
        levels = [(density(a) - density(b)) / (below(b) - below(a)) for a, b in cells]
    kept = sum(2 * (below(b) - below(a)) * c * c for (a, b), c in zip(cells, levels, strict=True))
    return levels, 1 - kept


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_the_tables_are_those_of_lloyd_and_max(bits):
    levels, distortion = lloyd_max(bits)
    assert LEVELS[bits] == pytest.approx(levels, abs=1e-6)
    assert DISTORTION[bits] == pytest.approx(distortion, abs=1e-9)


@pytest.mark.parametrize(
    ("bits", "unbiased", "biased"),
    [(1, 0.5708, 0.3634), (2, 0.1331, 0.1175), (3, 0.0358, 0.0345), (4, 0.0096, 0.0095)],
)
@pytest.mark.parametrize("source", ["normal", "lognormal"])
def test_the_error_is_within_one_percent_of_the_published(bits, unbiased, biased, source):
    values = getattr(np.random.default_rng(0), source)(size=1 << 18).astype("f4")
    assert error_of(Eden(bits), values) == pytest.approx(unbiased, rel=0.01)
    assert error_of(Eden(bits, biased=True), values) == pytest.approx(biased, rel=0.01)


@pytest.mark.parametrize("length", [147_146, 1 << 20, 1_000_000, 1_199_882])
@pytest.mark.parametrize("bits", [1, 4])
def test_blocks_cost_at_most_one_percent(length, bits):
    symbols = Eden(bits).shape(Shape("values", length)).length
    bits_sent = symbols * bits + 32 * _hadamard.block_count(length)
    assert bits_sent <= 1.01 * length * bits


@given(length=st.integers(0, 100_000))
def test_every_entry_is_in_one_block(length):
    padded = _hadamard.padded_length(length)
    assert length <= padded <= length + max(63, length // 500)
    seen = np.zeros(padded, int)
    for strip in _hadamard.strips(length):
        strip.of(seen)[:] += 1
    assert (seen == 1).all()
    blocks = sum(strip.columns for strip in _hadamard.strips(length))
    assert blocks == _hadamard.block_count(length)


def test_a_strip_of_a_shorter_vector_is_refused():
    (strip,) = _hadamard.strips(64)
    with pytest.raises(ValueError, match="ends at entry 64 of a vector of 63"):
        strip.of(np.zeros(63))


@pytest.mark.parametrize("rows", [64, 128, 2048, 4096])
def test_rotations_keep_lengths_and_can_be_undone(rows):
    columns = np.random.default_rng(1).standard_normal((rows, 3)).astype("f4")
    drawn = _hadamard.signs(np.random.default_rng(2), rows)
    spare, scale = np.empty_like(columns), np.float32(_hadamard.scale(rows))
    rotated = _hadamard.rotate(columns * drawn[0], drawn, spare) / scale
    np.testing.assert_allclose(np.square(rotated).sum(0), np.square(columns).sum(0), rtol=1e-4)
    back = _hadamard.rotate_back(rotated, drawn, spare) * drawn[0] / scale
    np.testing.assert_allclose(back, columns, atol=1e-5)


VECTORS = {
    "two entries": np.r_[1, 0.5, np.zeros(62)],
    "one": np.r_[np.zeros(40), -2, np.zeros(30)],
    "ramp": np.linspace(-1, 2, 100),
    "geometric": 0.8 ** np.arange(128),
}


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", VECTORS)
def test_the_mean_of_many_draws_is_the_value_and_the_error_is_as_claimed(bits, name):
    values, draws = VECTORS[name].astype("f4"), 800
    stage = Eden(bits)
    decoded = np.stack([through(stage, values, r)[0] for r in range(draws)]).astype("f8")
    spread = decoded.std(0) / np.sqrt(draws)
    bias = np.abs(decoded.mean(0) - values)
    assert (bias <= 4.5 * spread + 0.015 * np.abs(values).max()).all()
    claim = stage.claim(Shape("values", len(values)))
    assert claim.kind == "unbiased"
    assert np.square(decoded - values).sum(1).mean() <= claim.constant * np.square(values).sum()


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", VECTORS)
def test_the_biased_scale_contracts_as_claimed(bits, name):
    values = VECTORS[name].astype("f4")
    stage = Eden(bits, biased=True)
    errors = [error_of(stage, values, r) for r in range(100)]
    assert np.mean(errors) <= 1 - stage.claim(Shape("values", len(values))).constant


def test_large_blocks_are_unbiased_within_the_noise_of_many_draws():
    values = np.random.default_rng(3).standard_t(2, 4096).astype("f4")
    decoded = np.mean([through(Eden(2), values, r)[0].astype("f8") for r in range(500)], 0)
    off = np.square(decoded - values).sum() / np.square(values.astype("f8")).sum()
    assert off == pytest.approx(0.1331 / 500, rel=0.15)


@pytest.mark.parametrize("stage", [Eden(1), Eden(2), Eden(4), Eden(3, biased=True)], ids=repr)
@settings(max_examples=30)
@given(
    values=hnp.arrays(
        "f4", st.integers(0, 150), elements={"allow_nan": False, "allow_infinity": False}
    )
)
def test_any_values_survive(stage, values):
    decoded, coded = through(stage, values)
    assert np.isfinite(decoded).all()
    assert len(decoded) == len(values)
    assert len(coded.side) == 4 * _hadamard.block_count(len(values))
    if not values.any():
        assert not decoded.any()


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e38])
def test_the_scale_of_the_values_does_not_matter(scale):
    values = (np.random.default_rng(1).standard_normal(4096) * scale).clip(-3e38, 3e38).astype("f4")
    assert error_of(Eden(2), values) == pytest.approx(0.1331, rel=0.1)


@pytest.mark.parametrize(
    "side",
    [b"", bytes(3), bytes(8), b"\0\0\xc0\x7f", b"\0\0\x80\x7f", np.float32(-1).tobytes()],
    ids=["none", "odd", "two", "nan", "inf", "negative"],
)
def test_forged_factors_are_refused(side):
    with pytest.raises(ValueError, match="factor"):
        Eden(1).decode(np.zeros(64, np.uint8), side, Shape("values", 60), Context(1, "eden", 1, 1))


def test_a_symbol_beyond_the_levels_is_refused():
    symbols, side = np.full(64, 4, np.uint8), np.ones(1, "<f4").tobytes()
    with pytest.raises(ValueError, match="not below 4"):
        Eden(2).decode(symbols, side, Shape("values", 64), Context(1, "eden", 1, 1))


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_every_entry_gets_the_nearest_level(bits):
    columns = np.random.default_rng(4).standard_normal((4096, 3)).astype("f4")
    columns *= np.float32([1, 0.1, 30])
    rms = np.sqrt(np.square(columns.astype("f8")).mean(0))
    quantiser = Quantiser.of(bits)
    symbols = quantiser.nearest(columns, rms, np.empty_like(columns))
    off = np.abs(columns[..., None] / rms[:, None] - quantiser.levels)
    np.testing.assert_allclose(
        np.take_along_axis(off, symbols[..., None].astype(int), 2)[..., 0], off.min(2), atol=0.017
    )
    levels = quantiser.restore(symbols, np.empty_like(columns))
    np.testing.assert_array_equal(levels, quantiser.levels[symbols])


def test_the_largest_factor_still_gives_finite_values():
    side = np.full(1, np.finfo("f4").max, "<f4").tobytes()
    symbols = np.full(64, 3, np.uint8)
    decoded = Eden(2).decode(symbols, side, Shape("values", 64), Context(1, "eden", 1, 1))
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize("arguments", [(0,), (5,), (1.5,), (True,), (2, 1)])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ScenarioError, match="codec eden"):
        Eden(*arguments)
