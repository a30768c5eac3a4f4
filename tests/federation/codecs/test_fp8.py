"""Floating point in 8 bits: scaled to the format's range, tensor by tensor or block by block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._text import parse_chain
from federation.codecs.fp8 import FP8
from federation.errors import ScenarioError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(np.float32, st.integers(1, 70), elements=FINITE)
each_format = pytest.mark.parametrize("name", ["e4m3fn", "e5m2"])


def test_numbers_of_the_format_are_exact(trial):
    x = [448, -416, 1.125, 2**-9, 0]
    assert trial.back(FP8(), x).tolist() == x
    assert trial.symbols(FP8(), x) == [0x7E, 0xFD, 0x39, 0x01, 0x00]
    y = [57344, -1.25, 2**-16, 0]
    assert trial.back(FP8("e5m2"), y).tolist() == y
    assert trial.symbols(FP8("e5m2"), y) == [0x7B, 0xBD, 0x01, 0x00]


def test_every_tensor_or_block_has_its_own_scale(trial):
    x, tensors = [448] * 8 + [-896] * 8 + [44.8, -4480], ((16,), (2,))
    assert trial.side(FP8(), x, tensors) == [2, 10]
    assert trial.side(FP8("e4m3fn", "all"), x, tensors) == [10]
    assert trial.side(FP8("e4m3fn", "block", 8), x, tensors) == [1, 2, 10]


@each_format
@given(x=VECTORS)
def test_the_largest_entry_stays_and_no_other_grows_beyond_it(trial, name, x):
    back, largest = trial.back(FP8(name), x), np.abs(x).max()
    assert np.isfinite(back).all()
    assert np.abs(back).max() == pytest.approx(largest, rel=1e-6, abs=1e-42)


@each_format
@given(x=VECTORS.filter(lambda x: np.abs(x).max() > 1e-30))
def test_it_contracts(trial, name, x):
    trial.assert_contractive(FP8(name), x)
    trial.assert_contractive(FP8(name, "block", 8), x)


@each_format
def test_it_contracts_at_its_worst(trial, name):
    largest, digit, least = (448, 2**-4, 2**-9) if name == "e4m3fn" else (57344, 2**-3, 2**-16)
    trial.assert_contractive(FP8(name), np.float32([largest, *[1 + digit] * 5000]))
    trial.assert_contractive(FP8(name), np.float32([largest, *[least / 2] * 5000]))


@pytest.mark.parametrize(("name", "error"), [("e4m3fn", 7.1e-4), ("e5m2", 2.8e-3)])
def test_on_a_gaussian_it_has_the_published_error(trial, name, error):
    x = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    assert trial.relative_error(FP8(name), x) == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize(("name", "code"), [("e4m3fn", 0x7F), ("e4m3fn", 0xFF), ("e5m2", 0x7C)])
def test_a_forged_nan_or_infinity_is_refused(trial, name, code):
    with pytest.raises(ValueError, match="NaN or infinite"):
        trial.decode(FP8(name), [0, code], np.float32([1]).tobytes(), 2)


def test_an_absurd_scale_cannot_make_infinity(trial):
    side = np.float32([3.4e38]).tobytes()
    assert np.isfinite(trial.decode(FP8(), [0x7E, 0xFE], side, 2)).all()


@pytest.mark.parametrize("length", [1, 3])
def test_other_lengths_are_refused(trial, length):
    with pytest.raises(ValueError, match="bytes for 2 entries"):
        trial.decode(FP8(), [0] * length, np.float32([1]).tobytes(), 2)


@pytest.mark.parametrize("text", ["fp8('e3m4')", "fp8(4)", "fp8(per='x')", "fp8(block=0)"])
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec fp8: "):
        parse_chain(text)
