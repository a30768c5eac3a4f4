"""Several symbols coded as one number: fewer steps of the range coder, and no more bytes."""

from __future__ import annotations

from collections.abc import Iterator
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
        index = np.zeros(int(self.symbols[-1]) + 1, np.int32)
        index[self.symbols] = np.arange(len(self.symbols))
        for start in range(0, len(symbols), self._batch):
            dense = index.take(symbols[start : start + self._batch])
            yield self._joined(dense)

    def _joined(self, dense: NDArray[np.int32]) -> NDArray[np.int32]:
        if self.joint == 1:
            return dense
        if len(dense) % self.joint:
            dense = np.pad(dense, (0, -len(dense) % self.joint))
        columns = dense.reshape(-1, self.joint)
        numbers = columns[:, 0].copy()
        for place in range(1, self.joint):
            numbers *= len(self.symbols)
            numbers += columns[:, place]
        return numbers

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
