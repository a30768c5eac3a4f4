"""Makes the golden files: `python tests/federation/codecs/golden/recipe.py`.

One payload for each chain. A file changes only where the wire format changes, which breaks every
device that has not been updated; then raise the digit of the magic, and say so in CHANGELOG.md.

The values are squares of whole numbers over 2**12, so sums of them are exact in float64 and come
out alike in any order. No random numbers of a library are in them.
"""

import re
from pathlib import Path

import numpy as np

from benchmarks.chains import chains
from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context
from federation.codecs._text import parse_chain

HERE = Path(__file__).parent
TENSORS = ((12, 25), (3, 4, 5), (40,), ())
LENGTH = 300 + 60 + 40 + 1
EXACT = bytes(range(16))
LABEL = Label(round=7, base=0x1234ABCD)
CONTEXT = Context(seed=11, purpose="uplink model", round=7, client=3)


def values():
    """Whole numbers from -510 to 510 in no order, squared with their sign: a heavy tail."""
    whole = (np.arange(LENGTH) * 7919 + 104729) % 1021 - 510
    return (whole * np.abs(whole) / 2**12).astype(np.float32)


def path_of(text):
    """`topk(0.1) | int8 | range` -> `topk-0.1-int8-range.pln1`."""
    return HERE / (re.sub(r"[^a-z0-9.=]+", "-", text).strip("-") + ".pln1")


def payload(text):
    """What a chain makes of the values."""
    return Chain(parse_chain(text)).encode(values(), EXACT, TENSORS, LABEL, CONTEXT).payload


def decoded(text, data):
    """Values and exact bytes in a payload."""
    return Chain(parse_chain(text)).decode(data, len(EXACT), TENSORS, LABEL, CONTEXT)


def all_chains():
    """Every registered codec, and typical long chains."""
    return ["none", *chains(), "topk(0.01) | int8 | range", "stc(0.01)", "eden(4) | range"]


if __name__ == "__main__":
    for old in HERE.glob("*.pln1"):
        old.unlink()
    for chain in all_chains():
        path_of(chain).write_bytes(payload(chain))
