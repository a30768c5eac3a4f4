"""zstandard frames that a stranger may have made: read without allocating more than expected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs._joint import symbol_dtype
from federation.codecs._pack import bits_for, pack, packed_bytes, unpack

_LEAST_WINDOW = 1 << 10


def compress(data: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    """One frame that says how long its content is, without a checksum."""
    import zstandard

    coder = zstandard.ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
    return np.frombuffer(coder.compress(np.ascontiguousarray(data).data), np.uint8)


def decompress(frame: NDArray[np.uint8], expected_bytes: int) -> NDArray[np.uint8]:
    """The content of a frame of that length.

    The frame's own word on its length is compared before anything is allocated: python-zstandard
    allocates what the frame says, whatever limit it is given. Raises ValueError.
    """
    import zstandard

    data = frame.tobytes()
    try:
        said = zstandard.get_frame_parameters(data)
        if said.content_size != expected_bytes or said.dict_id:
            raise ValueError(f"a frame of other than {expected_bytes} bytes")
        if said.window_size > max(2 * expected_bytes, _LEAST_WINDOW):
            raise ValueError(f"a frame with a window of {said.window_size} bytes")
        content = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"not a zstandard frame: {error}") from None
    if len(content) != expected_bytes:
        raise ValueError(f"a frame of other than {expected_bytes} bytes")
    return np.frombuffer(content, np.uint8)


def aligned_bytes(count: int, alphabet: int) -> int:
    """Bytes of `count` symbols as `align` lays them."""
    if alphabet == 3 or 8 % bits_for(alphabet) == 0:
        return packed_bytes(count, alphabet)
    return count if alphabet <= 256 else 2 * count


def align(symbols: NDArray[Any], alphabet: int) -> NDArray[np.uint8]:
    """Symbols so that none crosses a byte: what a byte coder can see patterns in.

    Packed where that is so anyway (1, 2, 4, 8 bits, three symbols), a byte each up to 8 bits;
    above, all low bytes and then all high bytes.
    """
    if alphabet == 3 or 8 % bits_for(alphabet) == 0:
        return pack(symbols, alphabet)
    if alphabet <= 256:
        return symbols.astype(np.uint8)
    halves = symbols.astype("<u2").view(np.uint8).reshape(-1, 2)
    return np.ascontiguousarray(halves.T).reshape(-1)


def unalign(data: NDArray[np.uint8], count: int, alphabet: int) -> NDArray[Any]:
    """The symbols back. Raises ValueError for a wrong length or a symbol outside the alphabet."""
    if alphabet == 3 or 8 % bits_for(alphabet) == 0:
        return unpack(data, count, alphabet)
    if len(data) != aligned_bytes(count, alphabet):
        expected = aligned_bytes(count, alphabet)
        raise ValueError(f"{len(data)} bytes of symbols where {expected} were expected")
    symbols: NDArray[Any] = data
    if alphabet > 256:
        halves = np.ascontiguousarray(data.reshape(2, -1).T)
        symbols = halves.reshape(-1).view("<u2").astype(symbol_dtype(alphabet), copy=False)
    if count and int(symbols.max()) >= alphabet:
        raise ValueError(f"a symbol is not below {alphabet}")
    return symbols
