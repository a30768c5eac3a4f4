"""Linear quantisation: hand-made numbers, errors within half a step, unbiased where it says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._grid import _uniform, steps_above
from federation.codecs._stage import Shape
from federation.codecs._text import parse_chain
from federation.codecs.int import Int
from federation.errors import ScenarioError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(np.float32, st.integers(1, 70), elements=FINITE)
HEAVY = (np.random.default_rng(0).standard_normal(64) ** 3).astype("f4")
LARGEST = float(np.finfo("f4").max)


def worst(levels, width, others):
    """One entry of `levels` steps, all others of so many."""
    return np.array([levels, *[others] * (width - 1)], np.float32)


def test_three_levels_by_hand(trial):
    x = [3, -3, 1.4, -1.6, 0.5, 0]  # with 3 levels the step is 1; a half goes to the even side
    assert trial.symbols(Int(3), x) == [6, 0, 4, 1, 3, 3]
    assert trial.back(Int(3), x).tolist() == [3, -3, 1, -2, 0, 0]
    assert trial.side(Int(3), x) == [1]


@pytest.mark.parametrize("bits", range(2, 9))
def test_whole_multiples_of_the_step_are_exact(trial, bits):
    x = np.arange(-Int(bits).levels, Int(bits).levels + 1, dtype="f4") / 4
    np.testing.assert_array_equal(trial.back(Int(bits), x), x)
    assert trial.symbols(Int(bits), x) == list(range(2**bits - 1))


def test_every_tensor_channel_and_block_has_its_own_step(trial):
    tensors = ((2, 16), (3,))
    x = np.concatenate([np.full(16, 127), np.full(16, 254), [1270] * 3])
    assert trial.side(Int(8, "all"), x, tensors) == [10]
    assert trial.side(Int(8, "tensor"), x, tensors) == [2, 10]
    assert trial.side(Int(8, "channel"), x, tensors) == [1, 2, 10]
    assert trial.side(Int(8, "block", 8), x, tensors) == [1, 1, 2, 2, 10]


@given(x=VECTORS, bits=st.integers(2, 8), per=st.sampled_from(["tensor", "block"]))
def test_no_entry_is_off_by_more_than_half_a_step_and_zero_stays_zero(trial, x, bits, per):
    back = trial.back(Int(bits, per, 8), x).astype("f8")
    exact = x.astype("f8")
    half = np.abs(exact).max() / Int(bits).levels / 2
    assert (np.abs(back - exact) <= half * (1 + 1e-4) + 2e-45).all()
    assert (back[x == 0] == 0).all()


@given(x=VECTORS, rounding=st.sampled_from(["stochastic", "dither"]), draw=st.integers(0, 9))
def test_random_rounding_is_off_by_at_most_a_step_and_finite(trial, x, rounding, draw):
    back = trial.back(Int(4, rounding=rounding), x, draw=draw).astype("f8")
    step = np.abs(x.astype("f8")).max() / 7
    assert (np.abs(back - x) <= step * (1 + 1e-4) + 2e-45).all()


@pytest.mark.parametrize("value", [1e-45, 1e-40, 1e38, LARGEST, -LARGEST, -0.0])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "dither"])
def test_single_entries_of_any_size(trial, value, rounding):
    back = trial.back(Int(8, rounding=rounding), [value])
    assert back[0] == pytest.approx(value, rel=0.005, abs=2e-45)


@given(x=VECTORS.filter(lambda x: np.abs(x).max() > 1e-30), bits=st.integers(2, 8))
def test_nearest_rounding_contracts(trial, x, bits):
    trial.assert_contractive(Int(bits), x)
    trial.assert_contractive(Int(bits, "block", 8), x)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_constant_of_nearest_rounding_is_reached(trial, bits):
    stage, x = Int(bits), worst(Int(bits).levels, 64, 0.5)  # halves go to 0, the even side
    trial.assert_contractive(stage, x)
    levels = stage.levels
    assert trial.relative_error(stage, x) == pytest.approx(63 / (4 * levels**2 + 63))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("rounding", ["stochastic", "dither"])
@pytest.mark.parametrize("per", ["tensor", "block"])
def test_stochastic_rounding_and_dither_are_unbiased(trial, bits, rounding, per):
    trial.assert_unbiased(Int(bits, per, 16, rounding), HEAVY)


def test_the_constant_of_stochastic_rounding_is_reached(trial):
    # One level, 9 entries: the constant is (sqrt(9) - 1) / 2, reached with 1 / (sqrt(9) + 1).
    stage, x = Int(2, rounding="stochastic"), worst(1, 9, 0.25)
    trial.assert_unbiased(stage, x)
    assert trial.mean_error(stage, x, 2000) == pytest.approx(1, rel=0.05)


def test_the_error_of_dither_does_not_depend_on_the_values(trial):
    stage = Int(4, rounding="dither")
    for others in (0, 0.25, 0.5, 3):
        x = worst(7, 64, others)
        error = trial.mean_error(stage, x, 1000) * float(np.square(x).sum())
        assert error == pytest.approx(64 / 12, rel=0.03)


def test_the_constant_of_dither_is_reached_by_a_lone_entry(trial):
    stage, x = Int(4, rounding="dither"), worst(7, 64, 0)
    constant = stage.claim(Shape("values", 64)).constant
    assert trial.mean_error(stage, x, 1000) == pytest.approx(constant, rel=0.03)


def test_draws_are_midpoints_so_their_mean_is_exact():
    room = np.empty((2, 1001), "f4")
    draws = _uniform(np.random.Generator(np.random.Philox(1)), room[0], False)
    odd = draws * 2**17
    assert (odd % 2 == 1).all()
    assert 0 < draws.min() <= draws.max() < 1
    centred = _uniform(np.random.Generator(np.random.Philox(1)), room[1], True)
    np.testing.assert_array_equal(centred, draws - np.float32(0.5))


def test_int8_on_a_gaussian_has_the_published_error(trial):
    x = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    errors = [trial.relative_error(Int(8, "block", block), x) for block in (64, 256, 4096)]
    assert errors == pytest.approx([3.5e-5, 4.9e-5, 7.6e-5], rel=0.02)


@given(exact=st.floats(0, 1e39))
def test_steps_are_rounded_up_by_less_than_a_unit_of_the_last_place(exact):
    (step,) = steps_above(np.array([exact]))
    assert float(step) >= min(exact, LARGEST)
    assert step == 0 or float(np.nextafter(step, np.float32(0))) < exact


def test_a_symbol_that_there_is_not_is_refused(trial):
    side = np.float32([1]).tobytes()
    assert trial.decode(Int(2), [0, 2], side, 2).tolist() == [-1, 1]
    with pytest.raises(ValueError, match="a symbol is not in"):
        trial.decode(Int(2), [0, 3], side, 2)


@pytest.mark.parametrize("rounding", ["nearest", "dither"])
def test_an_absurd_step_cannot_make_infinity(trial, rounding):
    side = np.float32([LARGEST]).tobytes()
    back = trial.decode(Int(8, rounding=rounding), [0, 127, 254], side, 3)
    assert np.isfinite(back).all()


def test_one_bit_is_refused_with_the_way_out():
    with pytest.raises(ScenarioError, match="use sign"):
        parse_chain("int1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int9", "bits 9 is not a whole number from 2 to 8"),
        ("int('8')", "bits '8'"),
        ("int(True)", "bits"),
        ("int8('row')", "unknown per 'row'"),
        ("int8(block=4)", "block 4"),
        ("int8(rounding='up')", "unknown rounding 'up'"),
        ("int8(rounding=[])", "unknown rounding"),
    ],
)
def test_wrong_arguments_are_named(text, words):
    with pytest.raises(ScenarioError, match=words):
        parse_chain(text)
