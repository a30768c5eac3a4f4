"""Several symbols coded as one number: fewer steps of the range coder, and no more bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs._frequencies import Table

_AT_ONCE = 1 << 16  # symbols: what lies between is in the cache, and memory stays small
_MOST_NUMBERS, _MOST_JOINT = 256, 8


def symbol_dtype(alphabet: int) -> type[np.uint8] | type[np.uint16]:
    """The narrowest type of the symbols."""
    return np.uint8 if alphabet <= 256 else np.uint16


def categorical(weights: NDArray[np.float64]) -> Any:
    """The model with these weights, of which constriction makes 24-bit probabilities, none zero."""
    from constriction import stream

    return stream.model.Categorical(weights, perfect=False)


def next_numbers(coder: Any, categorical: Any, count: int) -> NDArray[np.int32]:
    """The next numbers of a stream. Raises ValueError where the stream is of no message."""
    try:
        numbers: NDArray[np.int32] = coder.decode(categorical, count)
    except AssertionError as error:  # what constriction raises
        raise ValueError(f"not a range-coded stream: {error}") from None
    return numbers


@dataclass(frozen=True, eq=False)
class Model:
    """A table as constriction takes it: `joint` symbols of `alphabet` are one of its numbers."""

    symbols: NDArray[np.int64]
    joint: int
    categorical: Any

    @classmethod
    def of(cls, table: Table) -> Model:
        symbols, weights = table.entries()
        count, joint = len(symbols), 1
        if count == 1:
            return cls(symbols, 1, None)
        while count ** (joint + 1) <= _MOST_NUMBERS and joint < _MOST_JOINT:
            joint += 1
        single = weights / weights.sum()
        together = single
        for _ in range(joint - 1):
            together = np.multiply.outer(together, single).reshape(-1)
        return cls(symbols, joint, categorical(together))

    @property
    def _batch(self) -> int:
        return _AT_ONCE // self.joint * self.joint

    def encode(self, symbols: NDArray[Any]) -> Iterator[NDArray[np.int32]]:
        """The numbers to code, some at a time."""
        if len(self.symbols) == 1:
            return
        ranks = _ranking(self.symbols, symbols)
        for start in range(0, len(symbols), self._batch):
            part = ranks(symbols[start : start + self._batch])
            yield self._joined(part).astype(np.int32)

    def _joined(self, ranks: NDArray[Any]) -> NDArray[Any]:
        """Each `joint` ranks as one number, the first the most significant."""
        if self.joint == 1:
            return ranks
        left, base = self.joint, len(self.symbols)
        numbers, over = ranks.astype(np.uint8, copy=False), -len(ranks) % left
        numbers = np.pad(numbers, (0, over)) if over else numbers
        while left % 2 == 0:  # a number of twice the bits holds two that become one
            bits = 8 * numbers.itemsize
            wide = numbers.view(f"<u{2 * numbers.itemsize}")
            numbers = wide & wide.dtype.type((1 << bits) - 1)
            numbers *= wide.dtype.type(base)
            numbers += wide >> wide.dtype.type(bits)
            left, base = left // 2, base * base
        columns = numbers.reshape(-1, left)
        joined = columns[:, 0].copy()
        for place in range(1, left):
            joined *= joined.dtype.type(base)
            joined += columns[:, place]
        return joined

    def decode(self, coder: Any, out: NDArray[Any]) -> None:
        """Fills `out` from the coder."""
        if len(self.symbols) == 1:
            out[:] = self.symbols[0]
            return
        apart = self._apart().astype(out.dtype)
        for start in range(0, len(out), self._batch):
            part = out[start : start + self._batch]
            numbers = next_numbers(coder, self.categorical, -(-len(part) // self.joint))
            part[:] = apart.take(numbers, axis=0).reshape(-1)[: len(part)]

    def _apart(self) -> NDArray[np.int64]:
        """The `joint` symbols of each number."""
        count = len(self.symbols)
        numbers = np.arange(count**self.joint)
        places = [numbers // count**place % count for place in reversed(range(self.joint))]
        apart: NDArray[np.int64] = self.symbols[np.stack(places, axis=1)]
        return apart


def _ranking(
    known: NDArray[np.int64], symbols: NDArray[Any]
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What maps parts of `symbols` to their places among those that are known, ascending."""
    first = symbols.dtype.type(known[0])
    if int(known[-1] - known[0]) == len(known) - 1:
        return lambda part: part - first
    if symbols.dtype == np.uint8 and len(symbols) > _AT_ONCE:
        single = np.zeros(256, np.uint16)
        single[known] = np.arange(len(known))
        double = ((single << np.uint16(8))[:, None] | single).reshape(-1)
        return lambda part: _two_by_two(double, part)
    ranks = np.zeros(int(known[-1]) + 1, symbols.dtype)
    ranks[known] = np.arange(len(known))
    return ranks.take


def _two_by_two(double: NDArray[np.uint16], symbols: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice as fast as one by one."""
    even = np.pad(symbols, (0, 1)) if len(symbols) % 2 else symbols
    found = double.astype("<u2", copy=False).take(even.view("<u2"))
    return found.view(np.uint8)[: len(symbols)]
