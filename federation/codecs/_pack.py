"""Symbols in as few whole bits as their alphabet needs; three symbols take 1.6 bits (5 a byte)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TRITS = np.array([1, 3, 9, 27, 81], np.uint8)


def bits_for(alphabet: int) -> int:
    """Bits of one symbol."""
    return max(1, (alphabet - 1).bit_length())


def packed_bytes(count: int, alphabet: int) -> int:
    """Bytes of `count` packed symbols."""
    if alphabet == 3:
        return -(-count // 5)
    return -(-count * bits_for(alphabet) // 8)


def pack(symbols: NDArray[Any], alphabet: int) -> NDArray[np.uint8]:
    """Symbols in [0, alphabet), alphabet <= 65536, to bytes; padding is zero."""
    if alphabet == 3:
        padded = _padded(symbols.astype(np.uint8), 5).reshape(-1, 5)
        packed: NDArray[np.uint8] = (padded * _TRITS).sum(1, dtype=np.uint8)
        return packed
    bits = bits_for(alphabet)
    if bits == 8:
        return symbols.astype(np.uint8)
    if bits in (1, 2, 4):
        per_byte = 8 // bits
        if bits == 1:
            return np.packbits(symbols.astype(np.uint8), bitorder="little")
        columns = _padded(symbols.astype(np.uint8), per_byte).reshape(-1, per_byte)
        joined = columns[:, 0].copy()
        for place in range(1, per_byte):
            joined |= columns[:, place] << (place * bits)
        return joined
    planes = (symbols.astype(np.uint16)[:, None] >> np.arange(bits, dtype=np.uint16)) & 1
    return np.packbits(planes.astype(np.uint8).reshape(-1), bitorder="little")


def unpack(data: NDArray[np.uint8], count: int, alphabet: int) -> NDArray[Any]:
    """The symbols back, as uint8 or uint16.

    Raises ValueError for a wrong length, a symbol outside the alphabet or padding that is not 0.
    """
    if len(data) != packed_bytes(count, alphabet):
        expected = packed_bytes(count, alphabet)
        raise ValueError(f"{len(data)} packed bytes where {expected} were expected")
    symbols = _unpacked(data, alphabet)
    if symbols[count:].any():
        raise ValueError("padding is not zero")
    symbols = symbols[:count]
    if count and int(symbols.max()) >= alphabet:
        raise ValueError(f"a symbol is not below {alphabet}")
    return symbols


def _unpacked(data: NDArray[np.uint8], alphabet: int) -> NDArray[Any]:
    if alphabet == 3:
        if len(data) and int(data.max()) > 242:
            raise ValueError("a byte is not five ternary digits")
        return ((data[:, None] // _TRITS) % 3).reshape(-1)
    bits = bits_for(alphabet)
    if bits == 8:
        return data
    if bits == 1:
        return np.unpackbits(data, bitorder="little")
    if bits in (2, 4):
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        return ((data[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)
    single = np.unpackbits(data, bitorder="little")
    whole = len(single) // bits * bits
    if single[whole:].any():
        raise ValueError("padding is not zero")
    planes = single[:whole].reshape(-1, bits).astype(np.uint16)
    symbols: NDArray[np.uint16] = (planes << np.arange(bits, dtype=np.uint16)).sum(1, np.uint16)
    return symbols


def _padded(symbols: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    missing = -len(symbols) % multiple
    return np.pad(symbols, (0, missing)) if missing else symbols
