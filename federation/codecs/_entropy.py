"""Symbols to bytes at their empirical entropy, by range coding; the code of several stages.

`code` gives a stream of 32-bit words, little-endian, and a head that belongs to it:

* head: byte 0 is 1 (one table) or 2 (tables of tensors). With 2 there follows a bit for each
  tensor, lowest bit first, set where it has its own table. Then the tables' headers, six bytes
  each: the shared table, where a tensor uses it, and the own ones in the order of the tensors.
* stream: the levels of each table that spans more than one symbol, in the same order, and then
  the symbols, tensor by tensor. Neighbours with the same table are one run. A run of k symbols is
  coded m at a time, the first the most significant, m being the most (up to 8) with k**m <= 256;
  a run's end is filled with its table's first symbol. Nothing is coded for a run of one symbol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs._frequencies import HEADER_BYTES, Histogram, Table
from federation.codecs._joint import Model, categorical, next_numbers, symbol_dtype
from federation.codecs._stage import Shape

_ONE_TABLE, _TABLES = 1, 2
_LEAST_FOR_OWN = 1024  # symbols of a tensor that may have its own table


@dataclass(frozen=True)
class Coded:
    """A head and a stream of whole words."""

    head: bytes
    stream: NDArray[np.uint8]

    @property
    def size_bytes(self) -> int:
        """Bytes of both."""
        return len(self.head) + len(self.stream)


def code(symbols: NDArray[Any], given: Shape) -> Coded:
    """Range-coded symbols; there is at least one, and all are below `given.alphabet`."""
    from constriction import stream

    narrow = symbols.astype(symbol_dtype(given.alphabet), copy=False)
    lengths = _lengths(given)
    choice = _choose(narrow, lengths)
    coder = stream.queue.RangeEncoder()
    for table in choice.tables:
        if table.span > 1:
            coder.encode(table.differences(), categorical(table.level_weights()))
    models = [Model.of(table) for table in choice.tables]
    start = 0
    for number, length in _runs(choice.users, lengths):
        for numbers in models[number].encode(narrow[start : start + length]):
            coder.encode(numbers, models[number].categorical)
        start += length
    words = coder.get_compressed().astype("<u4", copy=False)
    return Coded(choice.head(), words.view(np.uint8))


def decode(head: bytes, data: NDArray[np.uint8], given: Shape) -> NDArray[Any]:
    """The symbols back. Raises ValueError for what `code` cannot have made for that shape."""
    from constriction import stream

    if len(data) % 4:
        raise ValueError(f"{len(data)} range-coded bytes are not whole words")
    lengths = _lengths(given)
    tables, users = _read_head(head, lengths, given.alphabet)
    words = np.frombuffer(data.tobytes(), "<u4").astype(np.uint32, copy=False)
    coder = stream.queue.RangeDecoder(words)
    for place, table in enumerate(tables):
        numbers = np.zeros(len(table.levels), np.int32)
        if table.span > 1:
            numbers = next_numbers(coder, categorical(table.level_weights()), len(table.levels))
        else:
            numbers[0] = 2  # one step up
        tables[place] = table.with_differences(numbers)
    models = [Model.of(table) for table in tables]
    symbols = np.empty(given.length, symbol_dtype(given.alphabet))
    start = 0
    for number, length in _runs(users, lengths):
        models[number].decode(coder, symbols[start : start + length])
        start += length
    if not coder.maybe_exhausted():
        raise ValueError("range-coded bytes are left over")
    return symbols


def _lengths(given: Shape) -> list[int]:
    """Entries of each tensor; all in one where the entries are no tensors' any more."""
    if given.tensors is None:
        return [given.length]
    lengths = [int(np.prod(tensor, dtype=np.int64)) for tensor in given.tensors]
    return lengths if sum(lengths) == given.length else [given.length]


@dataclass(frozen=True)
class _Choice:
    """Tables, and which of them each tensor uses; the shared one, if any, is the first."""

    tables: list[Table]
    users: list[int]
    own: tuple[bool, ...] = ()

    def head(self) -> bytes:
        headers = b"".join(table.header() for table in self.tables)
        if not any(self.own):
            return bytes([_ONE_TABLE]) + headers
        flags = np.packbits(np.array(self.own), bitorder="little").tobytes()
        return bytes([_TABLES]) + flags + headers


def _choose(symbols: NDArray[Any], lengths: Sequence[int]) -> _Choice:
    """A tensor has a table of its own where that saves more than it costs."""
    ends = np.cumsum(lengths)
    parts = [
        Histogram.of(symbols[end - length : end]) if length else None
        for end, length in zip(ends, lengths, strict=True)
    ]
    everything = Histogram.total([part for part in parts if part])
    shared, _ = Table.fit(everything)
    own: dict[int, Table] = {}
    for number, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        if part and len(lengths) > 1 and length >= _LEAST_FOR_OWN:
            table, bits = Table.fit(part)
            if bits < shared.bits_of(part):
                own[number] = table
    if not own:
        return _Choice([shared], [0] * len(lengths))
    rest = [part for number, part in enumerate(parts) if part and number not in own]
    tables = [Table.fit(Histogram.total(rest))[0]] if rest else []
    users = _users([number in own for number in range(len(lengths))], bool(rest))
    return _Choice(tables + list(own.values()), users, tuple(n in own for n in range(len(lengths))))


def _users(own: Sequence[bool], shared: bool) -> list[int]:
    numbers = np.cumsum(own) - 1 + int(shared)
    return [int(number) if alone else 0 for number, alone in zip(numbers, own, strict=True)]


def _read_head(head: bytes, lengths: Sequence[int], alphabet: int) -> tuple[list[Table], list[int]]:
    form, rest, own = head[:1], head[1:], [False] * len(lengths)
    if form == bytes([_TABLES]):
        flag_bytes = -(-len(lengths) // 8)
        if len(rest) < flag_bytes:
            raise ValueError("the head of a range-coded stream is cut off")
        flags = np.unpackbits(np.frombuffer(rest[:flag_bytes], np.uint8), bitorder="little")
        if flags[len(lengths) :].any():
            raise ValueError("a table for a tensor that there is not")
        own, rest = [bool(flag) for flag in flags[: len(lengths)]], rest[flag_bytes:]
    elif form != bytes([_ONE_TABLE]):
        raise ValueError("a range-coded stream of an unknown form")
    shared = any(length and not alone for length, alone in zip(lengths, own, strict=True))
    if len(rest) != (sum(own) + shared) * HEADER_BYTES:
        raise ValueError("the frequency tables are not of the right number")
    starts = range(0, len(rest), HEADER_BYTES)
    tables = [Table.read(rest[start : start + HEADER_BYTES], alphabet) for start in starts]
    return tables, _users(own, shared)


def _runs(users: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Number of the table and length of each run; empty tensors are in no run."""
    used = [pair for pair in zip(users, lengths, strict=True) if pair[1]]
    for number, run in groupby(used, key=lambda pair: pair[0]):
        yield number, sum(length for _, length in run)
