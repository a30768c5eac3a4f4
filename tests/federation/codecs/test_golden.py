"""The bytes of PLN1 are pinned: files made once are still read, and made again are the same.

A failure here means that devices of two versions no longer understand each other. If that is
meant: see `golden/recipe.py`.
"""

import runpy
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xxhash

from federation.codecs._text import parse_chain

RECIPE = Path(__file__).parent / "golden" / "recipe.py"
golden = SimpleNamespace(**runpy.run_path(str(RECIPE)))

# Products of matrices in float32: their last bits depend on the processor. A payload made elsewhere
# is decoded all the same.
FLOATING = ("eden", "powersgd")
CHAINS = golden.all_chains()


def stored(chain):
    path = golden.path_of(chain)
    assert path.exists(), f"no golden file for {chain!r}: run python {RECIPE.name} in golden/"
    return path.read_bytes()


@pytest.mark.parametrize("chain", CHAINS)
def test_the_same_values_give_the_same_bytes(chain):
    made, kept = golden.payload(chain), stored(chain)
    if not chain.startswith(FLOATING):
        assert made == kept
        return
    ours, theirs = golden.decoded(chain, made)[0], golden.decoded(chain, kept)[0]
    assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_stored_payload_is_still_read(chain):
    """What it says is as near to the values as what is encoded now."""
    decoded, exact = golden.decoded(chain, stored(chain))
    again, _ = golden.decoded(chain, golden.payload(chain))
    assert exact == golden.EXACT
    np.testing.assert_allclose(decoded, again, rtol=1e-3, atol=1e-3 * np.abs(again).max())


@pytest.mark.parametrize("chain", CHAINS)
def test_the_header_is_as_specified(chain):
    """Read with nothing but the table in `_chain.py`."""
    data = stored(chain)
    assert data[:4] == b"PLN1"
    chain_id, round_number, base, checksum = struct.unpack("<IIIQ", data[4:24])
    assert chain_id == zlib.crc32(repr(parse_chain(chain)).encode())
    assert (round_number, base) == (7, 0x1234ABCD)
    assert checksum == xxhash.xxh3_64_intdigest(data[24:])
    assert data[24:40] == golden.EXACT


def test_plain_values_follow_the_header_as_little_endian_float32():
    data = stored("none")
    assert np.array_equal(np.frombuffer(data[40:], "<f4"), golden.values())


def test_a_sparse_payload_byte_by_byte():
    """topk(3): no length (it follows from the chain), side information, three float32."""
    data = stored("topk(3)")
    side_bytes, values = data[40], np.frombuffer(data[-12:], "<f4")
    assert len(data) == 40 + 1 + side_bytes + 12
    largest = np.sort(np.argsort(-np.abs(golden.values()), kind="stable")[:3])
    np.testing.assert_array_equal(values, golden.values()[largest])


def test_no_golden_file_is_left_over():
    files = {path.name for path in RECIPE.parent.glob("*.pln1")}
    assert files == {golden.path_of(chain).name for chain in CHAINS}
