"""Symbols in as few whole bits as their alphabet needs; three symbols take 1.6 bits (5 a byte).

Bits of a symbol lie in the bytes from the lowest up; the first symbol lies lowest. Five ternary
digits make a byte, the first one lowest. Padding is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096  # groups of eight symbols that are worked on at a time, so that they stay in cache
_DIGITS = 5


def bits_for(alphabet: int) -> int:
    """Bits of one symbol."""
    return max(1, (alphabet - 1).bit_length())


def packed_bytes(count: int, alphabet: int) -> int:
    """Bytes of `count` packed symbols."""
    if alphabet == 3:
        return -(-count // _DIGITS)
    return -(-count * bits_for(alphabet) // 8)


def pack(symbols: NDArray[Any], alphabet: int) -> NDArray[np.uint8]:
    """Symbols in [0, alphabet), alphabet <= 65536, to bytes."""
    bits = bits_for(alphabet)
    if alphabet == 3:
        return _pack_ternary(symbols.astype(np.uint8, copy=False))
    if bits == 8:
        return symbols.astype(np.uint8, copy=False)
    if bits == 1:
        return np.packbits(symbols.astype(np.uint8, copy=False), bitorder="little")
    if bits in (2, 4):
        return _pack_within_bytes(symbols.astype(np.uint8, copy=False), bits)
    if bits < 8:
        return _pack_across_bytes(symbols.astype(np.uint8, copy=False), bits)
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
    if count and alphabet != 1 << bits_for(alphabet) and int(symbols.max()) >= alphabet:
        raise ValueError(f"a symbol is not below {alphabet}")
    return symbols


def _unpacked(data: NDArray[np.uint8], alphabet: int) -> NDArray[Any]:
    bits = bits_for(alphabet)
    if alphabet == 3:
        return _unpack_ternary(data)
    if bits == 8:
        return data
    if bits == 1:
        return np.unpackbits(data, bitorder="little")
    if bits in (2, 4):
        return _unpack_within_bytes(data, bits)
    if bits < 8:
        return _unpack_across_bytes(data, bits)
    single = np.unpackbits(data, bitorder="little")
    whole = len(single) // bits * bits
    if single[whole:].any():
        raise ValueError("padding is not zero")
    planes = single[:whole].reshape(-1, bits).astype(np.uint16)
    symbols: NDArray[np.uint16] = (planes << np.arange(bits, dtype=np.uint16)).sum(1, np.uint16)
    return symbols


def _pack_within_bytes(symbols: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    per_byte = 8 // bits
    columns = _padded(symbols, per_byte).reshape(-1, per_byte)
    joined = columns[:, 0].copy()
    for place in range(1, per_byte):
        joined |= columns[:, place] << (place * bits)
    return joined


def _unpack_within_bytes(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    per_byte = 8 // bits
    columns = np.empty((len(data), per_byte), np.uint8)
    for place in range(per_byte):
        columns[:, place] = (data >> (place * bits)) & ((1 << bits) - 1)
    return columns.reshape(-1)


def _pack_across_bytes(symbols: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Eight symbols of 3, 5, 6 or 7 bits fill as many bytes, by way of one 64-bit word."""
    groups = _padded(symbols, 8).reshape(-1, 8)
    packed = np.empty((len(groups), bits), np.uint8)
    for start in range(0, len(groups), _BLOCK):
        block = groups[start : start + _BLOCK]
        words = block[:, 0].astype("<u8")
        for place in range(1, 8):
            words |= block[:, place].astype(np.uint64) << np.uint64(bits * place)
        packed[start : start + _BLOCK] = words.view(np.uint8).reshape(-1, 8)[:, :bits]
    return packed.reshape(-1)[: -(-len(symbols) * bits // 8)]


def _unpack_across_bytes(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    groups = _padded(data, bits).reshape(-1, bits)
    symbols = np.empty((len(groups), 8), np.uint8)
    mask = np.uint64((1 << bits) - 1)
    wide = np.zeros((_BLOCK, 8), np.uint8)
    for start in range(0, len(groups), _BLOCK):
        block = groups[start : start + _BLOCK]
        wide[: len(block), :bits] = block
        words = wide.view("<u8")[: len(block), 0]
        for place in range(8):
            column = (words >> np.uint64(bits * place)) & mask
            np.copyto(symbols[start : start + _BLOCK, place], column, casting="unsafe")
    return symbols.reshape(-1)


def _pack_ternary(symbols: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows = _padded(symbols, _DIGITS).reshape(-1, _DIGITS)
    packed = rows[:, _DIGITS - 1].copy()
    for place in reversed(range(_DIGITS - 1)):
        packed *= 3
        packed += rows[:, place]
    return packed


def _unpack_ternary(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if len(data) and int(data.max()) >= 3**_DIGITS:
        raise ValueError("a byte is not five ternary digits")
    codes = np.arange(256, dtype=np.uint8)
    digits = np.empty((len(data), _DIGITS), np.uint8)
    for place in range(_DIGITS):
        digits[:, place] = ((codes // 3**place) % 3)[data]
    return digits.reshape(-1)


def _padded(symbols: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    missing = -len(symbols) % multiple
    return np.pad(symbols, (0, missing)) if missing else symbols
