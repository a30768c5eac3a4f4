"""A set of positions in as few bytes as there are such sets: log2 C(length, count) bits.

Sender and receiver know `length` and `count`. The rarer of chosen and left-out positions is coded,
`rare` of them. Three forms, told apart by these numbers alone:

* rare = 0: no bytes.
* length <= 4096 and rare >= 512: the number of the set among all sets, big-endian
  (the combinatorial number system). Exact, but the time grows with the square of the length.
* otherwise: the gaps between neighbours, which are nearly geometric, range-coded. A gap is
  high * 2**low + rest. For every 16384 gaps come the high parts, from one table, and then the
  rests, all equally likely. The table's last symbol, the escape, adds its own number to the high
  part that follows. Words are big-endian, and zero bytes at the end are left out.

Size: at most 1.005 * log2 C(length, count) bits where rare >= 1000, and at most
log2 C + 0.023 * rare + 16 bits for fewer. Tables come from integer arithmetic, so they are the
same on every machine. There is one payload for each set: the receiver encodes what it decoded and
compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs._numbering import number_of, numbered

_ENUMERATED_LENGTH = 4096
_ENUMERATED_RARE = 512
_PRECISION = 24  # bits of a probability; counts up to 2**24 are exact in float32
_BATCH = 1 << 14  # gaps handled at once: what is held beside the positions stays small
_MOST_PARTS = 1024  # symbols of the table; few make many escapes, which a stranger can send
_FIXED = 62  # bits after the point of the table's arithmetic

Index = NDArray[Any]


def encode_positions(chosen: Index, length: int) -> bytes:
    """The code of `chosen`: ascending positions in [0, length), none twice, or a mask."""
    if chosen.dtype == bool or 2 * len(chosen) > length:
        left_out = np.ones(length, bool)
        left_out[chosen] = False
        many = 2 * int(np.count_nonzero(left_out)) < length
        rare = np.flatnonzero(left_out if many else ~left_out)
    else:
        rare = chosen
    if not len(rare):
        return b""
    if _is_enumerated(len(rare), length):
        return number_of(rare, length)
    return _encode_gaps(rare, _Gaps.of(len(rare), length))


def decode_positions(data: bytes, count: int, length: int) -> Index:
    """What picks the `count` chosen entries out of `length`, in ascending order.

    An array of positions (int64), or of `length` booleans where these take less memory: either
    serves as `values[index]`. Raises ValueError for bytes that `encode_positions` cannot make.
    """
    if not 0 <= count <= length:
        raise ValueError(f"{count} positions among {length}")
    many = 2 * count > length
    rare = _decode_rare(data, length - count if many else count, length)
    if 8 * count <= length:
        return rare
    chosen = np.full(length, many)
    chosen[rare] = not many
    return chosen


def most_bytes(count: int, length: int) -> int:
    """A bound on the length of a code; no set takes more."""
    rare = min(count, length - count)
    return rare * ((length // rare).bit_length() + 2) // 8 + 8 if rare else 0


def _decode_rare(data: bytes, rare: int, length: int) -> Index:
    if len(data) > most_bytes(rare, length):
        raise ValueError(f"{len(data)} bytes are too many for {rare} of {length} positions")
    if not rare:
        return np.empty(0, np.int64)
    if _is_enumerated(rare, length):
        return numbered(data, rare, length)
    gaps = _Gaps.of(rare, length)
    found = _decode_gaps(data, gaps)
    if _encode_gaps(found, gaps) != data:
        raise ValueError("the positions are not in their shortest form")
    return found


def _is_enumerated(rare: int, length: int) -> bool:
    return length <= _ENUMERATED_LENGTH and rare >= _ENUMERATED_RARE


@dataclass(frozen=True)
class _Gaps:
    """How the gaps of `count` positions among `length` are coded."""

    count: int
    length: int
    low: int
    escape: int

    @classmethod
    def of(cls, count: int, length: int) -> _Gaps:
        """Cut off so many low bits that 32 to 64 high parts stand for the mean gap.

        Over 1/32 of the mean the geometric law is nearly level: taking it as level costs 0.0001
        bits a gap, and 0.023 bits if every rest is 0.
        """
        low = min(max((length // (32 * count)).bit_length() - 1, 0), _PRECISION)
        return cls(count, length, low, min(64 * (1 + (length // count >> low)), _MOST_PARTS))

    def models(self) -> tuple[Any, Any]:
        """The models of the high part and of the rest."""
        from constriction import stream

        high = stream.model.Categorical(self._counts(), perfect=False)
        return high, stream.model.Uniform(1 << self.low) if self.low else None

    def _counts(self) -> NDArray[np.float32]:
        """The share of every high part, out of 2**24: r**high * (1 - r), the escape the rest.

        r = (1 - count / length)**(2**low). A share may be 0; the coder gives it the least one.
        """
        ratio = ((self.length - self.count) << _FIXED) // self.length
        for _ in range(self.low):
            ratio = ratio * ratio >> _FIXED
        tail, edges = 1 << _FIXED, []
        for _ in range(self.escape + 1):
            edges.append(tail >> (_FIXED - _PRECISION))
            tail = tail * ratio >> _FIXED
        return -np.diff([*edges, 0]).astype(np.float32)


def _encode_gaps(positions: Index, gaps: _Gaps) -> bytes:
    from constriction import stream

    high_model, rest_model = gaps.models()
    coder = stream.queue.RangeEncoder()
    before = -1
    for start in range(0, gaps.count, _BATCH):
        batch = positions[start : start + _BATCH]
        steps = np.diff(batch, prepend=before) - 1
        before = int(batch[-1])
        escapes, last = np.divmod(steps >> gaps.low, gaps.escape)
        coder.encode(_with_escapes(last.astype(np.int32), escapes, gaps.escape), high_model)
        if rest_model is not None:
            coder.encode((steps & ((1 << gaps.low) - 1)).astype(np.int32), rest_model)
    return _finished(coder)


def _with_escapes(last: NDArray[np.int32], escapes: Index, escape: int) -> NDArray[np.int32]:
    """Every symbol after its escapes."""
    if not escapes.any():
        return last
    ends = np.cumsum(escapes + 1)
    symbols = np.full(int(ends[-1]), escape, np.int32)
    symbols[ends - 1] = last
    return symbols


def _finished(coder: Any) -> bytes:
    """The coder's words, the last one rounded up to as few bytes as still name its interval."""
    words = coder.get_compressed()
    _, (lower, width) = coder.pos()
    last = int(words[-1])
    for bits in (32, 24, 16, 8):
        rounded = -(-last >> bits) << bits
        if rounded < 1 << 32 and ((rounded << 32) - lower) % (1 << 64) < width:
            words[-1] = rounded
            break
    data: bytes = words.astype(">u4").tobytes()
    return data.rstrip(b"\0")


def _decode_gaps(data: bytes, gaps: _Gaps) -> Index:
    from constriction import stream

    words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)
    coder = stream.queue.RangeDecoder(words)
    high_model, rest_model = gaps.models()
    positions = np.empty(gaps.count, np.int64)
    before = -1
    for start in range(0, gaps.count, _BATCH):
        batch = positions[start : start + _BATCH]
        try:
            _high_parts(coder, high_model, gaps, batch)
            batch <<= gaps.low
            if rest_model is not None:
                batch += coder.decode(rest_model, len(batch))
        except AssertionError as error:  # constriction's word for bytes outside the code
            raise ValueError("the positions are not a code of this length") from error
        batch += 1
        batch[0] += before
        np.cumsum(batch, out=batch)
        before = int(batch[-1])
        if before >= gaps.length:
            raise ValueError(f"a position is not below {gaps.length}")
    return positions


def _high_parts(coder: Any, model: Any, gaps: _Gaps, parts: Index) -> None:
    """Fills in the high part of every gap: a symbol and the escapes before it."""
    done, escapes, pending = 0, 0, 0
    most_escapes = (gaps.length >> gaps.low) // gaps.escape
    while done < len(parts):
        symbols = coder.decode(model, len(parts) - done).astype(np.int64)
        ends = np.flatnonzero(symbols != gaps.escape)
        escapes += len(symbols) - len(ends)
        if escapes > most_escapes:
            raise ValueError("the gaps between positions add up to more than there is")
        if not len(ends):
            pending += len(symbols)
            continue
        before = np.diff(ends, prepend=-1) - 1
        before[0] += pending
        pending = len(symbols) - 1 - int(ends[-1])
        parts[done : done + len(ends)] = symbols[ends] + before * gaps.escape
        done += len(ends)
