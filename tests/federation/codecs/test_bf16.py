"""bfloat16: float32's range, 8 bits of precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._stage import Shape
from federation.codecs.bf16 import BF16

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(np.float32, st.integers(1, 70), elements=FINITE)


def test_one_third_by_hand(trial):
    assert trial.back(BF16(), [1 / 3]).tolist() == [0.333984375]
    assert trial.symbols(BF16(), [1.0, -2.0]) == [0x80, 0x3F, 0x00, 0xC0]  # little-endian


def test_ties_go_to_the_even_side(trial):
    assert trial.back(BF16(), [1 + 2**-8, 1 + 3 * 2**-8]).tolist() == [1, 1 + 2**-6]


def test_the_largest_numbers_are_clipped(trial):
    largest = float(np.finfo("f4").max)
    expected = (2 - 2**-7) * 2.0**127
    assert trial.back(BF16(), [largest, -largest]).tolist() == [expected, -expected]


@given(x=VECTORS)
def test_it_is_the_cast_of_torch(trial, x):
    bound = (2 - 2**-7) * 2.0**127
    cast = torch.from_numpy(np.clip(x, -bound, bound)).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(trial.back(BF16(), x).view("u4"), cast.view("u4"))


@given(x=VECTORS.filter(lambda x: np.abs(x).max() > 1e-30))
def test_it_contracts(trial, x):
    trial.assert_contractive(BF16(), x)


def test_an_entry_just_above_a_power_of_two_is_nearly_as_bad_as_claimed(trial):
    x = np.float32([1 + 2**-8])
    trial.assert_contractive(BF16(), x)
    assert trial.relative_error(BF16(), x) == pytest.approx(2**-16, rel=0.01)


def test_on_a_gaussian_it_has_the_published_error(trial):
    x = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    assert trial.relative_error(BF16(), x) == pytest.approx(2.8e-6, rel=0.02)


def test_it_takes_two_bytes_an_entry():
    assert BF16().shape(Shape("values", 7, exact=False)) == Shape("bytes", 14, exact=False)


@pytest.mark.parametrize("half", [0x7F80, 0xFF80, 0x7FC1])
def test_a_forged_nan_or_infinity_is_refused(trial, half):
    coded = np.array([0, half], "<u2").view(np.uint8)
    with pytest.raises(ValueError, match="NaN or infinite"):
        trial.decode(BF16(), coded, b"", 2)


@pytest.mark.parametrize(("coded", "side"), [([0], b""), ([0] * 4, b""), ([0] * 2, b"\0")])
def test_other_lengths_are_refused(trial, coded, side):
    with pytest.raises(ValueError, match="bytes for 1 halves"):
        trial.decode(BF16(), coded, side, 1)
