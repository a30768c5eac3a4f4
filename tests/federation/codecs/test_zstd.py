"""zstandard frames: bytes back, and frames that lie."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from federation.codecs._stage import Context, Shape
from federation.codecs.zstd import Zstd
from federation.errors import ScenarioError

CONTEXT = Context(1, "zstd", 1, 1)


def as_bytes(data):
    return np.frombuffer(data, np.uint8)


def decode(frame, length, side=b"\x01"):
    return Zstd().decode(as_bytes(frame), side, Shape("bytes", length), CONTEXT)


@given(data=st.binary(max_size=300), times=st.integers(1, 50), level=st.sampled_from([1, 3, 19]))
def test_any_bytes_come_back_and_take_at_most_a_byte_more(data, times, level):
    values, given_ = as_bytes(data * times), Shape("bytes", len(data) * times)
    coded = Zstd(level).encode(values, given_, CONTEXT)
    assert len(coded.values) + len(coded.side) <= len(values) + 1
    back = Zstd(level).decode(coded.values, coded.side, given_, CONTEXT)
    np.testing.assert_array_equal(back, values)


def test_what_repeats_itself_gets_short():
    values = as_bytes(bytes(range(256)) * 1000)
    assert len(Zstd().encode(values, Shape("bytes", len(values)), CONTEXT).values) < 1000


def frame(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (frame(bytes(10**6)), 1000),
        (frame(bytes(999)), 1000),
        (frame(bytes(1000), write_content_size=False), 1000),
        (frame(bytes(1000)) + b"x", 1000),
        (frame(bytes(1000))[:-1], 1000),
        (b"", 1000),
        (b"", 0),
        (bytes(20), 1000),
    ],
    ids=["more", "less", "unsaid", "trailing", "cut off", "nothing", "empty", "no frame"],
)
def test_a_frame_of_another_length_or_none_at_all_is_refused(data, length):
    with pytest.raises(ValueError, match=r"."):
        decode(data, length)


def test_a_frame_that_says_32_tebibytes_is_refused_before_anything_is_allocated():
    header = bytes.fromhex("28b52ffd") + bytes([0b11100000]) + (2**45).to_bytes(8, "little")
    with pytest.raises(ValueError, match="other than 1000 bytes"):
        decode(header + bytes([1, 0, 0]), 1000)


def test_a_frame_whose_blocks_hold_more_than_it_says_is_refused():
    said = bytes.fromhex("28b52ffd") + bytes([0b01100000]) + (1000 - 256).to_bytes(2, "little")
    run = (2 | (100_000 << 3)).to_bytes(3, "little") + b"\x00"  # one byte, repeated
    last = (3 | (100_000 << 3)).to_bytes(3, "little") + b"\x00"
    with pytest.raises(ValueError, match=r"."):
        decode(said + run * 1000 + last, 1000)


@pytest.mark.parametrize("side", [b"", b"\x00", b"\x02", b"\x01\x01"])
def test_other_side_information_is_refused(side):
    with pytest.raises(ValueError, match="neither a zstandard frame"):
        decode(frame(bytes(1000)), 1000, side)


@pytest.mark.parametrize("level", [0, 20, 1.5, True, "fast"])
def test_a_level_that_there_is_not_is_refused(level):
    with pytest.raises(ScenarioError, match="level"):
        Zstd(level)
