"""Static quantisation: round, clip, and nothing beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._text import parse_chain
from federation.codecs.static import Static
from federation.errors import ScenarioError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_three_levels_by_hand(trial):
    x = [0.1, -0.26, 0.24, 9, -9]  # times 10: 1, -2.6, 2.4, beyond, beyond
    assert trial.symbols(Static(10, 3), x) == [4, 0, 5, 6, 0]
    np.testing.assert_allclose(trial.back(Static(10, 3), x), [0.1, -0.3, 0.2, 0.3, -0.3])
    assert trial.side(Static(10, 3), x) == []


@given(
    x=hnp.arrays(np.float32, st.integers(0, 70), elements=FINITE),
    multiplier=st.floats(1e-30, 1e30),
    bits=st.integers(2, 8),
)
def test_entries_within_the_levels_are_off_by_half_a_step_and_others_clipped(
    trial, x, multiplier, bits
):
    stage = Static(multiplier, bits)
    back, bound = trial.back(stage, x).astype("f8"), stage.levels / multiplier
    nearest = np.clip(x.astype("f8"), -bound, bound)
    assert (np.abs(back - nearest) <= (0.5 / multiplier) * (1 + 1e-3)).all()
    assert (np.abs(back) <= np.abs(x.astype("f8")) * 2 * (1 + 1e-6)).all()  # 0.5 may become 1


@pytest.mark.parametrize(("coded", "side"), [([0, 255], b""), ([0, 1], b"\0")])
def test_forged_symbols_and_side_information_are_refused(trial, coded, side):
    with pytest.raises(ValueError, match=r"a symbol is not in|side information"):
        trial.decode(Static(1), coded, side, 2)


@pytest.mark.parametrize(
    "text",
    ["static(0)", "static(-1)", "static(1e99)", "static('1')", "static(1, 1)", "static(1, 9)"],
)
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec static: "):
        parse_chain(text)


def test_the_multiplier_has_no_default():
    with pytest.raises(ScenarioError, match="needs its arguments: multiplier"):
        parse_chain("static")
