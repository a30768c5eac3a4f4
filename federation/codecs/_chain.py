"""Chains of stages, and the wire format PLN1.

A payload is one part (the model, a control variate) of one message. Little-endian, byte by byte:

| bytes | field    | meaning |
|-------|----------|---------|
| 4     | magic    | ASCII "PLN1"; the digit is the version |
| 4     | chain    | CRC-32 of the chain's repr: which codec this is |
| 4     | round    | unsigned round number |
| 4     | base     | 32 bits that name what the difference is taken from, 0: nothing |
| 8     | checksum | XXH3-64 of all that follows |
| E     | exact    | the fields that are not compressed (integers, batch statistics), end to end |
| S     | stages   | per stage: its output's length where that varies, the length of its side
                     information (both LEB128), the side information |
| rest  | stream   | the last stage's output: bytes as they are, values as float32, symbols packed |

E follows from the receiver's spec. What the stages hand on follows from spec and chain, so the
receiver knows or bounds every length before it reads one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from federation.codecs._pack import pack, packed_bytes, unpack
from federation.codecs._stage import Context, Memory, Shape, Stage, Vector
from federation.errors import ScenarioError

Buffer = bytes | memoryview
MAGIC = b"PLN1"
_HEADER = struct.Struct("<4sIIIQ")
HEADER_BYTES = _HEADER.size


_REMEDIES = {
    "values": "put it first, or behind a sparsifier such as topk(0.01)",
    "symbols": "put a quantiser before it, such as int8",
    "bytes": "put a coder before it, such as pack or range",
}


@dataclass(frozen=True)
class Label:
    """What binds a payload to its place: the round, and what the difference is taken from."""

    round: int
    base: int = 0


@dataclass(frozen=True)
class Packed:
    """A payload, and what the stages keep for the next one, by stage number."""

    payload: bytes
    memories: Mapping[int, Memory] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """Stages one after another."""

    stages: tuple[Stage, ...]

    @property
    def id(self) -> int:
        """32 bits that name the chain on the wire."""
        return zlib.crc32(repr(self.stages).encode())

    @property
    def remembers(self) -> bool:
        """Whether a stage keeps something for the next update of the same sender."""
        return any(stage.remembers for stage in self.stages)

    def shapes(self, tensors: Sequence[tuple[int, ...]]) -> list[Shape]:
        """The shape before each stage and after the last.

        Raises ScenarioError where two stages do not fit together.
        """
        length = sum(int(np.prod(tensor, dtype=np.int64)) for tensor in tensors)
        shape = Shape("values", length, tensors=tuple(tensors))
        shapes = [shape]
        for stage in self.stages:
            if stage.takes != shape.kind:
                raise ScenarioError(
                    f"codec stage {stage!r} takes {stage.takes}, but gets {shape.kind}; "
                    f"{_REMEDIES[stage.takes]}"
                )
            shape = stage.shape(shape)
            shapes.append(shape)
        return shapes

    def encode(
        self,
        values: Vector,
        exact: Buffer | list[Buffer],
        tensors: Sequence[tuple[int, ...]],
        label: Label,
        context: Context,
        memories: Mapping[int, Memory] | None = None,
    ) -> Packed:
        """Values (float32, all tensors end to end) and exact bytes to a payload."""
        sections: list[Buffer] = exact if isinstance(exact, list) else [exact]
        shape, sections, kept = self.shapes(tensors)[0], [*sections], {}
        for number, stage in enumerate(self.stages):
            here = self._context(context, number, (memories or {}).get(number, {}))
            done = stage.encode(values, shape, here)
            after = stage.shape(shape)
            if not after.exact:
                sections.append(_leb128(len(done.values)))
            sections += [_leb128(len(done.side)), done.side]
            shape, values = replace(after, length=len(done.values), exact=True), done.values
            if stage.remembers:
                kept[number] = done.memory
        sections.append(_to_bytes(values, shape))
        checksum = xxhash.xxh3_64()
        for section in sections:
            checksum.update(section)
        header = _HEADER.pack(MAGIC, self.id, label.round, label.base, checksum.intdigest())
        return Packed(b"".join([header, *sections]), kept)

    def decode(
        self,
        payload: bytes,
        exact_bytes: int,
        tensors: Sequence[tuple[int, ...]],
        label: Label,
        context: Context,
    ) -> tuple[Vector, memoryview]:
        """The values and the exact bytes of a payload, which may be views into it.

        Raises ValueError for anything that `encode` cannot have made for this label.
        """
        body = self._body(payload, label)
        if len(body) < exact_bytes:
            raise ValueError("the payload ends within the exact fields")
        exact, reader = body[:exact_bytes], _Reader(body[exact_bytes:])
        shape, given, sides = self.shapes(tensors)[0], [], []
        for stage in self.stages:
            given.append(shape)
            after = stage.shape(shape)
            length = after.length if after.exact else reader.number(after.length)
            shape = replace(after, length=length, exact=True)
            sides.append(reader.take(reader.number(_MOST_SIDE_BYTES)))
        values = _from_bytes(reader.rest(), shape)
        for number in reversed(range(len(self.stages))):
            here = self._context(context, number, {})
            values = self.stages[number].decode(values, sides[number], given[number], here)
            if len(values) != given[number].length:
                raise ValueError(f"stage {number} gave {len(values)} entries")
        return values, exact

    def _context(self, context: Context, number: int, memory: Memory) -> Context:
        return replace(context, purpose=f"{context.purpose} stage {number}", memory=memory)

    def _body(self, payload: bytes, label: Label) -> memoryview:
        if len(payload) < HEADER_BYTES:
            raise ValueError(f"a payload of {len(payload)} bytes is shorter than its header")
        magic, chain, round_number, base, checksum = _HEADER.unpack_from(payload)
        body = memoryview(payload)[HEADER_BYTES:]
        if magic != MAGIC:
            raise ValueError("the payload does not begin with PLN1")
        if chain != self.id:
            raise ValueError("the payload was made by another codec")
        if round_number != label.round:
            raise ValueError(f"the payload is of round {round_number}, not {label.round}")
        if base != label.base:
            raise ValueError("the payload is a difference from another model")
        if xxhash.xxh3_64_intdigest(body) != checksum:
            raise ValueError("the checksum is wrong")
        return body


_MOST_SIDE_BYTES = 2**31


@dataclass
class _Reader:
    """Reads sections front to back; running out raises ValueError."""

    data: memoryview
    place: int = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.place:
            raise ValueError("the payload ends within a section")
        self.place += count
        return bytes(self.data[self.place - count : self.place])

    def number(self, most: int) -> int:
        """A LEB128 number of at most `most`, in its shortest form."""
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if value > most or shift > 63:
                raise ValueError(f"a length is above {most}")
            if byte < 0x80:
                if byte == 0 and shift:
                    raise ValueError("a length is not in its shortest form")
                return value
            shift += 7

    def rest(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.data[self.place :], np.uint8)


def _leb128(number: int) -> bytes:
    digits = []
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _to_bytes(values: Vector, shape: Shape) -> memoryview:
    if shape.kind == "symbols":
        values = pack(values, shape.alphabet)
    kept = values.astype("<f4", copy=False) if shape.kind == "values" else values
    return np.ascontiguousarray(kept).view(np.uint8).data


def _from_bytes(data: NDArray[np.uint8], shape: Shape) -> NDArray[Any]:
    if shape.kind == "symbols":
        return unpack(data, shape.length, shape.alphabet)
    expected = shape.length * (4 if shape.kind == "values" else 1)
    if len(data) != expected:
        raise ValueError(f"a stream of {len(data)} bytes where {expected} were expected")
    return data.view("<f4") if shape.kind == "values" else data


def stream_bytes(shape: Shape) -> int:
    """The most bytes that a stream of this shape takes on the wire."""
    if shape.kind == "symbols":
        return packed_bytes(shape.length, shape.alphabet)
    return shape.length * (4 if shape.kind == "values" else 1)
