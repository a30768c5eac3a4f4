"""Symbols in whole bits: hand-worked bytes, and every symbol comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.codecs._pack import pack, packed_bytes, unpack

ALPHABETS = [2, 3, 4, 5, 8, 13, 16, 17, 32, 64, 100, 128, 200, 256, 300, 4096, 65536]


@pytest.mark.parametrize(
    ("symbols", "alphabet", "data"),
    [
        ([1, 0, 1], 2, [0b101]),
        ([1, 2, 0, 0, 1, 2], 3, [1 + 2 * 3 + 81, 2]),
        ([3, 0, 1, 2, 1], 4, [0b10_01_00_11, 0b01]),
        ([5, 7, 1], 8, [0b01_111_101, 0b0]),
        ([9, 4, 15], 16, [0x49, 0x0F]),
        ([31, 1], 32, [0b001_11111, 0b00]),
        ([255, 7], 256, [255, 7]),
        ([0x1FF, 0], 512, [0xFF, 0x01, 0x00]),
    ],
)
def test_bytes_worked_out_by_hand(symbols, alphabet, data):
    packed = pack(np.array(symbols), alphabet)
    assert packed.tolist() == data
    assert unpack(packed, len(symbols), alphabet).tolist() == symbols


@given(st.sampled_from(ALPHABETS), st.integers(0, 200), st.integers(0, 2**32))
def test_every_symbol_comes_back(alphabet, count, seed):
    symbols = np.random.default_rng(seed).integers(0, alphabet, count)
    packed = pack(symbols, alphabet)
    assert len(packed) == packed_bytes(count, alphabet)
    np.testing.assert_array_equal(unpack(packed, count, alphabet), symbols)


@pytest.mark.parametrize("alphabet", [8, 64, 128])
def test_blocks_of_the_kernel_join(alphabet):
    symbols = np.random.default_rng(1).integers(0, alphabet, 64 * 4096 * 2 + 11)
    np.testing.assert_array_equal(unpack(pack(symbols, alphabet), len(symbols), alphabet), symbols)


@pytest.mark.parametrize("alphabet", [a for a in ALPHABETS if a & (a - 1)])
def test_a_symbol_outside_the_alphabet_is_refused(alphabet):
    top = 243 if alphabet == 3 else 255
    data = np.full(packed_bytes(40, alphabet), top, np.uint8)
    with pytest.raises(ValueError, match=r"not below|not five"):
        unpack(data, 40, alphabet)


@pytest.mark.parametrize("alphabet", [2, 3, 4, 8, 16, 32, 64, 128, 512])
def test_padding_must_be_zero(alphabet):
    data = pack(np.zeros(1, np.int64), alphabet)
    data[-1] |= 0x80 if alphabet != 3 else 0x09
    with pytest.raises(ValueError, match="padding"):
        unpack(data, 1, alphabet)


def test_a_wrong_length_is_refused():
    with pytest.raises(ValueError, match="2 packed bytes where 1 were expected"):
        unpack(np.zeros(2, np.uint8), 8, 2)
