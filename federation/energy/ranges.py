"""Figures that rest on a range: a lower end, a base and an upper end.

A wattage that a source gives as 5 to 7 W, or a training rate that is known to 40 %, is carried
through every formula to the joules in the tables. Nothing here is a probability: the ends are what
the inputs' ends lead to, taken all together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Range:
    """A figure that is not negative, with its ends; all three are equal where it is exact.

    Raises ValueError unless 0 <= low <= base <= high < infinity.
    """

    low: float
    base: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.base <= self.high < math.inf:
            raise ValueError(
                f"low {self.low}, base {self.base}, high {self.high}: "
                "must be finite, not negative and in this order"
            )

    @classmethod
    def exact(cls, value: float) -> Range:
        """A figure without a range."""
        return cls(value, value, value)

    @classmethod
    def between(cls, low: float, high: float) -> Range:
        """A range of which no more is known: its base is the midpoint."""
        return cls(low, (low + high) / 2, high)

    @property
    def is_exact(self) -> bool:
        """Whether it rests on no range."""
        return self.low == self.high

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.base + other.base, self.high + other.high)

    def __mul__(self, other: Range | float) -> Range:
        if isinstance(other, Range):
            return Range(self.low * other.low, self.base * other.base, self.high * other.high)
        return Range(self.low * other, self.base * other, self.high * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Range | float) -> Range:
        """Raises ZeroDivisionError where the divisor may be 0."""
        by = as_range(other)
        return Range(self.low / by.high, self.base / by.base, self.high / by.low)

    def capped(self, limit: Range) -> Range:
        """No more than `limit`, end by end."""
        return Range(
            min(self.low, limit.low), min(self.base, limit.base), min(self.high, limit.high)
        )

    def columns(self, name: str) -> dict[str, float | None]:
        """The three cells of a table; `_low` and `_high` are None where it is exact."""
        low, high = (None, None) if self.is_exact else (self.low, self.high)
        return {name: self.base, f"{name}_low": low, f"{name}_high": high}


def as_range(value: Range | float) -> Range:
    """A plain number as an exact range. Raises ValueError for a negative one."""
    return value if isinstance(value, Range) else Range.exact(value)


def total(ranges: Iterable[Range]) -> Range:
    """Their sum, rounded once, so that it does not depend on their order."""
    parts = list(ranges)
    return Range(
        math.fsum(part.low for part in parts),
        math.fsum(part.base for part in parts),
        math.fsum(part.high for part in parts),
    )


def total_if_known(figures: Sequence[Range | None]) -> Range | None:
    """Their sum, 0 of none; None where one is not known."""
    known = [figure for figure in figures if figure is not None]
    return total(known) if len(known) == len(figures) else None


NOTHING: Final = Range.exact(0.0)
