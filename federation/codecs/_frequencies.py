"""How often symbols occur, written down in few bytes: the table that a range coder goes by.

A table covers `span` symbols from `first` on. They stand in groups of 2**shift neighbours that are
taken as equally likely, and a group's frequency is rounded to a whole level: level 0 is "never",
level l stands for 2**((l - 1) / 4**resolution). Few levels make a small table and a worse fit;
`Table.fit` takes what is shortest altogether. Six bytes name the table; its levels are symbols
themselves (differences from the level before, zigzag), to be coded with `level_weights`.

Weights are whole numbers in float64 and come from additions, multiplications and square roots
alone, which IEEE 754 rounds in one way only: they are the same on every machine.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<HHBB")
HEADER_BYTES = _HEADER.size
_MOST_SHIFT = 10
_AT_ONCE = 1 << 16
_LEAST_PAIRED, _PAIRED_AT_ONCE = 1 << 17, 1 << 20
_MOST_RESOLUTION = 3
_OCTAVES = 31  # frequencies are below 2**31
_MEANS = 16  # mean differences of levels: 2**-4 to 2**11


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` is how often symbol `first + i` occurs; the first and last count are not 0."""

    first: int
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, symbols: NDArray[Any]) -> Histogram:
        """The counts of a non-empty array of symbols below 65536."""
        first, last = 0, 255
        if symbols.dtype != np.uint8:
            first, last = int(symbols.min()), int(symbols.max())
        if last - first < 256 and len(symbols) >= _LEAST_PAIRED:
            counts = _paired_counts(symbols, first)
        else:
            first, counts = 0, _counts(symbols, last)
        used = np.flatnonzero(counts)
        return cls(first + int(used[0]), counts[used[0] : used[-1] + 1])

    @classmethod
    def total(cls, parts: Sequence[Histogram]) -> Histogram:
        """All parts taken together."""
        first = min(part.first for part in parts)
        last = max(part.first + len(part.counts) for part in parts)
        counts = np.zeros(last - first, np.int64)
        for part in parts:
            counts[part.first - first :][: len(part.counts)] += part.counts
        return cls(first, counts)


def _counts(symbols: NDArray[Any], last: int) -> NDArray[np.int64]:
    """Some symbols at a time: numpy widens what it counts to eight bytes each."""
    counts = np.zeros(last + 1, np.int64)
    for start in range(0, len(symbols), _AT_ONCE):
        found = np.bincount(symbols[start : start + _AT_ONCE])
        counts[: len(found)] += found
    return counts


def _paired_counts(symbols: NDArray[Any], first: int) -> NDArray[np.int64]:
    """Counts from symbol `first` on, of at most 256 different ones.

    Two are counted as one: half the work, and no waiting on the same counter.
    """
    pairs, single = np.zeros(1 << 16, np.int64), np.zeros(256, np.int64)
    for start in range(0, len(symbols), _PAIRED_AT_ONCE):
        part = symbols[start : start + _PAIRED_AT_ONCE]
        if symbols.dtype != np.uint8:
            part = (part - part.dtype.type(first)).astype(np.uint8)
        if len(part) % 2:
            single[part[-1]] += 1
        pairs += np.bincount(part[: len(part) // 2 * 2].view(np.uint16), minlength=1 << 16)
    table = pairs.reshape(256, 256)
    counts: NDArray[np.int64] = single + table.sum(0) + table.sum(1)
    return counts


@dataclass(frozen=True, eq=False)
class Table:
    """Frequencies of symbols, rounded. `mean` names the model of the levels' differences."""

    first: int
    span: int
    shift: int
    resolution: int
    mean: int
    levels: NDArray[np.int64]

    @classmethod
    def fit(cls, histogram: Histogram) -> tuple[Table, float]:
        """The table that makes table and symbols together shortest, and their bits."""
        best = cls._rounded(histogram, 0, 1)
        for shift in range(1, _MOST_SHIFT + 1):
            tried = cls._rounded(histogram, shift, 1)
            if tried[1] >= best[1]:
                break
            best = tried
        shift = best[0].shift
        others = (cls._rounded(histogram, shift, resolution) for resolution in (0, 2, 3))
        return min((best, *others), key=lambda found: found[1])

    @classmethod
    def _rounded(cls, histogram: Histogram, shift: int, resolution: int) -> tuple[Table, float]:
        counts = histogram.counts
        groups = np.add.reduceat(counts, np.arange(0, len(counts), 1 << shift))
        parts = 4**resolution
        with np.errstate(divide="ignore"):
            levels = np.rint(np.maximum(np.log2(groups) * parts, -1)).astype(np.int64) + 1
        mean = _mean_of(_zigzag(levels))
        table = cls(histogram.first, len(counts), shift, resolution, mean, levels)
        bits = table._bits(groups) + _level_bits(levels, mean) + 8 * HEADER_BYTES
        return table, bits

    def _bits(self, groups: NDArray[np.int64]) -> float:
        octaves = (self.levels - 1) / 4.0**self.resolution
        weights = np.where(self.levels > 0, np.exp2(octaves), 0.0)
        counted = float((groups * octaves)[self.levels > 0].sum())
        return float(groups.sum()) * (float(np.log2(weights.sum())) + self.shift) - counted

    def bits_of(self, histogram: Histogram) -> float:
        """Bits that symbols outside of what the table was fitted to take; all are in the table."""
        start = histogram.first - self.first
        weights = self._all_weights()
        own = weights[start : start + len(histogram.counts)]
        used = histogram.counts > 0
        counts = histogram.counts[used]
        return float(counts.sum() * np.log2(weights.sum()) - (counts * np.log2(own[used])).sum())

    def header(self) -> bytes:
        """Everything but the levels."""
        places = self.shift | self.resolution << 4
        return _HEADER.pack(self.first, self.span - 1, places, self.mean)

    @classmethod
    def read(cls, header: bytes, alphabet: int) -> Table:
        """A table whose levels are still to come (all are 0).

        Raises ValueError for what `header` cannot have made for that alphabet.
        """
        first, last, places, mean = _HEADER.unpack(header)
        shift, resolution = places & 15, places >> 4
        if first + last >= alphabet:
            raise ValueError(f"a frequency table reaches beyond the alphabet of {alphabet}")
        if shift > _MOST_SHIFT or resolution > _MOST_RESOLUTION or mean >= _MEANS:
            raise ValueError("a frequency table of an unknown form")
        groups = -(-(last + 1) >> shift)
        return cls(first, last + 1, shift, resolution, mean, np.zeros(groups, np.int64))

    def with_differences(self, differences: NDArray[Any]) -> Table:
        """The table with the levels that `differences()` gave.

        Raises ValueError for levels out of range, or where the ends of the span never occur.
        """
        numbers = differences.astype(np.int64)
        levels = np.cumsum((numbers >> 1) ^ -(numbers & 1))
        if int(levels.min()) < 0 or int(levels.max()) > self._most_level:
            raise ValueError("a frequency is out of range")
        if levels[0] == 0 or levels[-1] == 0:
            raise ValueError("a frequency table is longer than it need be")
        return replace(self, levels=levels)

    def differences(self) -> NDArray[np.int32]:
        """The levels as symbols for `level_weights`."""
        return _zigzag(self.levels).astype(np.int32)

    @property
    def _most_level(self) -> int:
        return _OCTAVES * int(4**self.resolution) + 1

    def level_weights(self) -> NDArray[np.float64]:
        """Weights of the levels' differences: they fall geometrically, none below one."""
        mean = 2.0 ** (self.mean - 4)
        ratios = np.full(2 * self._most_level + 1, mean / (mean + 1))
        ratios[0] = 2.0**40
        return np.maximum(np.floor(np.cumprod(ratios)), 1)

    def _all_weights(self) -> NDArray[np.float64]:
        parts = 4**self.resolution
        octaves, part = np.divmod(self.levels - 1, parts)
        fractions = _powers_of_two(parts)
        weights = np.floor(np.ldexp(fractions[part], octaves + 1 + _MOST_SHIFT - self.shift))
        weights[self.levels == 0] = 0
        return np.repeat(weights, 1 << self.shift)[: self.span]

    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The symbols that can occur, ascending, and their weights, at least one each."""
        weights = self._all_weights()
        used = np.flatnonzero(weights)
        return used + self.first, weights[used]


def _zigzag(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    steps = np.diff(levels, prepend=0)
    return (steps << 1) ^ (steps >> 63)


def _mean_of(numbers: NDArray[np.int64]) -> int:
    mean = max(float(numbers.mean()), 2.0**-4)
    return min(round(float(np.log2(mean))) + 4, _MEANS - 1)


def _level_bits(levels: NDArray[np.int64], mean_index: int) -> float:
    """Bits of the levels under the geometric model, its floor of 40 bits left out."""
    if len(levels) == 1:
        return 0.0
    mean = 2.0 ** (mean_index - 4)
    fall = float(np.log2((mean + 1) / mean))
    return float(_zigzag(levels).sum()) * fall + len(levels) * float(np.log2(mean + 1))


def _powers_of_two(parts: int) -> NDArray[np.float64]:
    """2**(i / parts) for i < parts, a power of two, by square roots and products only."""
    powers, root = np.ones(1), np.float64(2.0)
    while len(powers) < parts:
        root = np.sqrt(root)
        powers = np.stack([powers, powers * root], axis=1).reshape(-1)
    return powers
