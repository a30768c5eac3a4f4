"""The shortest lossless form, whatever the symbols are like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.codecs._pack import packed_bytes
from federation.codecs._stage import Context, Shape
from federation.codecs.range import Range
from federation.codecs.smallest import Smallest

CONTEXT, SMALLEST = Context(1, "smallest", 1, 1), Smallest()


def coded(symbols, alphabet, stage=SMALLEST):
    given_ = Shape("symbols", len(symbols), alphabet=alphabet)
    found = stage.encode(symbols, given_, CONTEXT)
    back = stage.decode(found.values, found.side, given_, CONTEXT)
    np.testing.assert_array_equal(back, symbols)
    return found, len(found.values) + len(found.side)


@pytest.mark.parametrize(
    ("symbols", "alphabet", "form"),
    [
        (np.random.default_rng(0).integers(0, 16, 4000), 16, 0),
        (np.random.default_rng(0).binomial(15, 0.5, 4000), 16, 1),
        (np.tile(np.random.default_rng(0).integers(0, 200, 300), 20), 200, 3),
        (np.tile(np.random.default_rng(0).integers(0, 5000, 300), 20), 5000, 3),
    ],
    ids=["uniform: packed", "independent: range", "repeated: zstd", "repeated words: zstd"],
)
def test_the_form_fits_the_symbols(symbols, alphabet, form):
    found, size = coded(symbols.astype(np.uint16), alphabet)
    assert found.side[0] == form
    assert size <= packed_bytes(len(symbols), alphabet) + 1


@settings(max_examples=150)
@given(data=st.data())
def test_it_is_never_longer_than_packed_or_range_and_a_byte(data):
    alphabet = data.draw(st.sampled_from([2, 3, 5, 16, 100, 256, 300, 65536]))
    few = data.draw(st.lists(st.integers(0, alphabet - 1), max_size=30))
    symbols = np.array(few * data.draw(st.integers(1, 20)), np.uint16)
    _, size = coded(symbols, alphabet)
    assert size <= packed_bytes(len(symbols), alphabet) + 1
    assert size <= coded(symbols, alphabet, Range())[1]


def test_an_unknown_form_is_refused():
    given_ = Shape("symbols", 3, alphabet=4)
    with pytest.raises(ValueError, match="unknown form"):
        Smallest().decode(np.zeros(4, np.uint8), b"\x09", given_, CONTEXT)
    with pytest.raises(ValueError, match="not a zstandard frame"):
        Smallest().decode(np.zeros(4, np.uint8), b"\x03", given_, CONTEXT)
