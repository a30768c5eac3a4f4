"""No codec takes more than twice the update to encode or decode, beside small work space."""

import numpy as np
import pytest

from benchmarks.chains import chains
from benchmarks.memory import peak_bytes
from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context
from federation.codecs._text import parse_chain

TENSORS = ((2000, 400), (64, 32, 5, 5), (148_800,))
LENGTH = 1_000_000
WORK_SPACE = 1 << 20  # EDEN's blocks and the coder's tables, whatever the update's size
LIMIT = 2 * 4 * LENGTH + WORK_SPACE
PLACE = (TENSORS, Label(3, 17), Context(1, "uplink model", 3, 4))


@pytest.mark.parametrize("text", [*chains(), "topk(1.0)", "topk(0.5)", "eden(4)", "int8 | range"])
def test_encoding_and_decoding_take_twice_the_update_at_most(text):
    values = np.random.default_rng(0).standard_normal(LENGTH).astype("f4")
    chain, made = Chain(parse_chain(text)), []
    encoding = peak_bytes(lambda: made.append(chain.encode(values, b"", *PLACE)))
    (packed,) = made
    kept = sum(value.nbytes for memory in packed.memories.values() for value in memory.values())
    assert encoding <= LIMIT + kept  # what the client keeps is its state, not work space
    assert peak_bytes(lambda: chain.decode(packed.payload, 0, *PLACE)) <= LIMIT
