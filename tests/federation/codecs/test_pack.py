"""Symbols as bytes that a byte coder can see through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.codecs._stage import Context, Shape
from federation.codecs.pack import Pack

CONTEXT = Context(1, "pack", 1, 1)


@pytest.mark.parametrize(
    ("symbols", "alphabet", "data"),
    [
        ([1, 0, 1], 2, [0b101]),
        ([1, 2, 0, 0, 1], 3, [1 + 2 * 3 + 81]),
        ([1, 15, 2], 16, [0xF1, 0x02]),
        ([1, 63, 2], 64, [1, 63, 2]),
        ([0x0102, 0x0304], 65536, [2, 4, 1, 3]),
    ],
)
def test_no_symbol_crosses_a_byte(symbols, alphabet, data):
    given_ = Shape("symbols", len(symbols), alphabet=alphabet)
    coded = Pack().encode(np.array(symbols, np.uint16), given_, CONTEXT)
    assert coded.values.tolist() == data
    assert Pack().shape(given_).length == len(data)


@given(data=st.data())
def test_any_symbols_come_back(data):
    alphabet = data.draw(st.sampled_from([1, 2, 3, 4, 9, 16, 100, 256, 257, 65536]))
    symbols = data.draw(st.lists(st.integers(0, alphabet - 1), max_size=40))
    given_ = Shape("symbols", len(symbols), alphabet=alphabet)
    coded = Pack().encode(np.array(symbols, np.uint16), given_, CONTEXT)
    assert Pack().decode(coded.values, b"", given_, CONTEXT).tolist() == symbols


@pytest.mark.parametrize(
    ("data", "alphabet", "side"),
    [([64, 0, 0], 64, b""), ([0, 0], 64, b""), ([0, 0, 0, 0], 64, b""), ([0, 0, 0], 64, b"x")],
    ids=["outside the alphabet", "short", "long", "side"],
)
def test_bytes_that_are_no_symbols_are_refused(data, alphabet, side):
    given_ = Shape("symbols", 3, alphabet=alphabet)
    with pytest.raises(ValueError, match=r"."):
        Pack().decode(np.array(data, np.uint8), side, given_, CONTEXT)


def test_words_outside_the_alphabet_are_refused():
    with pytest.raises(ValueError, match="not below 300"):
        Pack().decode(np.array([44, 1], np.uint8), b"", Shape("symbols", 1, alphabet=300), CONTEXT)
