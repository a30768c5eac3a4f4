"""Symbols in as few whole bits as their alphabet needs; three symbols take 1.6 bits (5 a byte).

Bits of a symbol lie in the bytes from the lowest up; the first symbol lies lowest. Five ternary
digits make a byte, the first one lowest. Padding is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8192  # groups of 64 symbols that are worked on at a time, so that they stay in cache
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
    if bits == 16:
        return np.ascontiguousarray(symbols, "<u2").view(np.uint8)
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
    if bits == 16:
        return data.view("<u2").astype(np.uint16, copy=False)
    single = np.unpackbits(data, bitorder="little")
    whole = len(single) // bits * bits
    if single[whole:].any():
        raise ValueError("padding is not zero")
    planes = single[:whole].reshape(-1, bits).astype(np.uint16)
    symbols: NDArray[np.uint16] = (planes << np.arange(bits, dtype=np.uint16)).sum(1, np.uint16)
    return symbols


def _pack_within_bytes(symbols: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """2 or 4 bits: the symbols of a byte, read as one number, move together in its lowest byte."""
    per_byte = 8 // bits
    words = _padded(symbols, per_byte).view(f"<u{per_byte}")
    joined: NDArray[Any] = words >> words.dtype.type(8 - bits)
    joined |= words
    if bits == 2:
        joined |= joined >> np.uint32(12)
    return joined.astype(np.uint8)


def _unpack_within_bytes(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    words = data.astype(f"<u{8 // bits}")
    if bits == 2:
        words |= words << np.uint32(12)
        words &= np.uint32(0x000F000F)
    words |= words << words.dtype.type(8 - bits)
    words &= words.dtype.type(0x0F0F if bits == 4 else 0x03030303)
    return words.view(np.uint8)


def _pack_across_bytes(symbols: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """3, 5, 6 or 7 bits: 64 symbols are eight words of 64 bits, and become `bits` words."""
    groups = _padded(symbols, 64).view("<u8").reshape(-1, 8)
    packed = np.empty((len(groups), bits), "<u8")
    for start in range(0, len(groups), _BLOCK):
        narrow = _squeezed(groups[start : start + _BLOCK], bits)
        words = packed[start : start + _BLOCK]
        for place in range(8):
            word, used = divmod(place * 8 * bits, 64)
            if used:
                words[:, word] |= narrow[:, place] << np.uint64(used)
            else:
                words[:, word] = narrow[:, place]
            if used + 8 * bits > 64:
                words[:, word + 1] = narrow[:, place] >> np.uint64(64 - used)
    return packed.view(np.uint8).reshape(-1)[: -(-len(symbols) * bits // 8)]


def _unpack_across_bytes(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    groups = _padded(data, 8 * bits).view("<u8").reshape(-1, bits)
    symbols = np.empty((len(groups), 8), "<u8")
    for start in range(0, len(groups), _BLOCK):
        words, narrow = groups[start : start + _BLOCK], symbols[start : start + _BLOCK]
        for place in range(8):
            word, used = divmod(place * 8 * bits, 64)
            narrow[:, place] = words[:, word] >> np.uint64(used)
            if used + 8 * bits > 64:
                narrow[:, place] |= words[:, word + 1] << np.uint64(64 - used)
        narrow[:] = _spread(narrow, bits)
    return symbols.view(np.uint8).reshape(-1)


def _squeezed(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    """The lowest `bits` of each of a word's eight bytes, end to end; then zeros.

    Neighbours move together, first bytes, then pairs of them, then fours.
    """
    for width in (8, 16, 32):
        taken = bits * width // 8
        moved = words >> np.uint64(width - taken)
        moved &= _every(2 * width, taken) << np.uint64(taken)
        words = words & _every(2 * width, taken)
        words |= moved
    return words


def _spread(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    """What `_squeezed` was given. Bits above the eighth symbol are of no account."""
    for width in (32, 16, 8):
        taken = bits * width // 8
        moved = words & (_every(2 * width, taken) << np.uint64(taken))
        moved <<= np.uint64(width - taken)
        words = words & _every(2 * width, taken)
        words |= moved
    return words


def _every(period: int, count: int) -> np.uint64:
    """A word whose lowest `count` bits of every `period` are set."""
    return np.uint64(sum(((1 << count) - 1) << start for start in range(0, 64, period)))


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
    places = 3 ** np.arange(_DIGITS)
    digits = (np.arange(256)[:, None] // places % 3).astype(np.uint8)
    return digits.take(data, axis=0).reshape(-1)


def _padded(symbols: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    missing = -len(symbols) % multiple
    return np.pad(symbols, (0, missing)) if missing else symbols
