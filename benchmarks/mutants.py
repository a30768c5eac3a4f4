"""Payloads as an attacker would forge them: near to real ones, and past the checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xxhash

from federation.codecs._chain import HEADER_BYTES

Mutation = Callable[[bytearray, bytes, np.random.Generator], bytearray]

_CHECKSUM = slice(HEADER_BYTES - 8, HEADER_BYTES)
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_ZSTD_FRAME = bytes.fromhex("28b52ffd") + b"\xe0" + (1 << 45).to_bytes(8, "little")
_SPECIAL = [np.float32(v).tobytes() for v in (np.nan, np.inf, -np.inf, -1.0, 3e38, 1e-45, -0.0)]


def mutants(payloads: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` mutants of payloads of one chain; 19 in 20 with a checksum that is right."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        mutant = bytearray(payloads[int(rng.integers(len(payloads)))])
        other = payloads[int(rng.integers(len(payloads)))]
        for _ in range(int(rng.integers(1, 4))):
            mutation = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
            mutant = mutation(mutant, other, rng)
        if rng.random() < 0.95 and len(mutant) >= HEADER_BYTES:
            mutant[_CHECKSUM] = checksum(mutant)
        yield bytes(mutant)


def checksum(payload: bytes | bytearray) -> bytes:
    """The checksum that a payload's header would have to hold."""
    return xxhash.xxh3_64_intdigest(bytes(payload[HEADER_BYTES:])).to_bytes(8, "little")


def _place(mutant: bytearray, rng: np.random.Generator) -> int:
    """A place behind the header; near its beginning as often as not: lengths stand there."""
    end = len(mutant) if rng.random() < 0.5 else min(len(mutant), HEADER_BYTES + 32)
    return int(rng.integers(HEADER_BYTES, end)) if end > HEADER_BYTES else len(mutant)


def _flip(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    if (place := _place(mutant, rng)) < len(mutant):
        mutant[place] ^= 1 << int(rng.integers(8))
    return mutant


def _byte(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    if (place := _place(mutant, rng)) < len(mutant):
        mutant[place] = (
            int(rng.integers(256)) if rng.random() < 0.5 else int(rng.choice(_INTERESTING))
        )
    return mutant


def _truncate(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    return mutant[: _place(mutant, rng)]


def _insert(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    place = _place(mutant, rng)
    return mutant[:place] + rng.bytes(int(rng.integers(1, 40))) + mutant[place:]


def _length(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    """A LEB128 number of up to ten bytes, such as a section's length, over what stands there."""
    place, digits = _place(mutant, rng), int(rng.integers(1, 11))
    number = bytes([0xFF] * (digits - 1) + [int(rng.integers(0, 128))])
    return mutant[:place] + number + mutant[place + 1 :]


def _special(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    """A float32 that should not be there: NaN, infinite, negative, absurd."""
    place = _place(mutant, rng)
    mutant[place : place + 4] = _SPECIAL[int(rng.integers(len(_SPECIAL)))]
    return mutant


def _graft(mutant: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    """The end of another payload of the same chain."""
    place = _place(mutant, rng)
    return mutant[:place] + bytearray(other[min(_place(bytearray(other), rng), len(other)) :])


def _repeat(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    """A stretch twice."""
    place, length = _place(mutant, rng), int(rng.integers(1, 65))
    return mutant[: place + length] + mutant[place:]


def _frame(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    """A zstandard frame that says it holds 32 TiB."""
    place = _place(mutant, rng)
    mutant[place : place + len(_ZSTD_FRAME)] = _ZSTD_FRAME
    return mutant


def _header(mutant: bytearray, _: bytes, rng: np.random.Generator) -> bytearray:
    if rng.random() < 0.3 and len(mutant) >= HEADER_BYTES:
        mutant[int(rng.integers(HEADER_BYTES))] ^= 1 << int(rng.integers(8))
    return mutant


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _byte, _truncate, _insert, _length, _special, _graft, _repeat, _frame, _header),
)
