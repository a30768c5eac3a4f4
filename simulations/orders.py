"""Which of two runs takes less energy or carbon, where the figures have ranges: settled, or open.

The order of two runs is open where either could take less than the other, each within its range.
Ranges are taken one by one: runs on the same devices share what is not known about these, so an
order that is said to be open may be settled all the same, but never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.units import grams_text, joules_text

Record = Mapping[str, Any]

_SHOWN: Final = 5  # notes for one figure; the column has all
_FIGURES: Final = {
    "energy_j": ("joules", joules_text),
    "carbon_g": ("grams", grams_text),
    "joules_to": ("joules", joules_text),
    "grams_to": ("grams", grams_text),
}
_TOTALS: Final = ("energy_j", "carbon_g")


@dataclass(frozen=True)
class _Taken:
    """What a run took, with its range; `place` is the run's in the comparison."""

    place: int
    run: str
    low: float
    base: float
    high: float


def rivals(records: Sequence[Record], figure: str) -> list[str | None]:
    """For each run the names of those with which its order is open; None where there are none."""
    found: list[list[str]] = [[] for _ in records]
    for one, other in _open_pairs(records, figure):
        found[one.place].append(other.run)
        found[other.place].append(one.run)
    return ["; ".join(names) or None for names in found]


def notes(records: Sequence[Record], figure: str) -> Iterator[str]:
    """A line for each open order in a figure, those of the cheapest runs first."""
    pairs = _open_pairs(records, figure)
    yield from (_note(figure, *pair) for pair in pairs[:_SHOWN])
    if len(pairs) > _SHOWN:
        what, more = _FIGURES[figure][0], len(pairs) - _SHOWN
        yield f"The order in {what} is open in {more} more pairs (--format csv: {figure}_open)"


def _open_pairs(records: Sequence[Record], figure: str) -> list[tuple[_Taken, _Taken]]:
    """The cheaper run first, the cheapest pair first.

    A run without the figure stands in no pair. Two exact figures are never open, equal or not.
    """
    pairs = (sorted(pair, key=_rank) for pair in _overlaps(_taken(records, figure)))
    return sorted(((one, other) for one, other in pairs), key=lambda pair: [*map(_rank, pair)])


def _rank(run: _Taken) -> tuple[float, int]:
    return run.base, run.place


def _taken(records: Sequence[Record], figure: str) -> Iterator[_Taken]:
    for place, record in enumerate(records):
        base = record.get(figure)
        if figure in _TOTALS and record.get("status", "finished") != "finished":
            base = None  # it will take more
        if base is not None:
            ends = (record.get(f"{figure}_{end}") for end in ("low", "high"))
            low, high = (base if value is None else value for value in ends)
            yield _Taken(place, record["run"], low, base, high)


def _overlaps(runs: Iterator[_Taken]) -> Iterator[tuple[_Taken, _Taken]]:
    """Pairs in which either may be the smaller one; ends that only touch leave no room for it."""
    # Of equal low ends the exact figure comes first: it can only touch what follows.
    ordered = sorted(runs, key=lambda run: (run.low, run.high))
    for number, one in enumerate(ordered, start=1):
        for other in ordered[number:]:
            if other.low >= one.high:
                break
            yield one, other


def _note(figure: str, one: _Taken, other: _Taken) -> str:
    what, text = _FIGURES[figure]

    def span(run: _Taken) -> str:
        return " to ".join(dict.fromkeys((text(run.low), text(run.high))))

    return (
        f"{one.run} and {other.run}: the order in {what} is open: {span(one)} against "
        f"{span(other)}{_at_the_ends(one, other)}"
    )


def _at_the_ends(one: _Taken, other: _Taken) -> str:
    """Who takes less where all that is not known is at the same end for both."""
    lower = [
        None if ends[0] == ends[1] else (one if ends[0] < ends[1] else other).run
        for ends in ((one.low, other.low), (one.high, other.high))
    ]
    if None in lower:
        return ""
    if lower[0] == lower[1]:
        return f"; {lower[0]} is lower at both ends"
    return f"; {lower[0]} is lower at the low ends, {lower[1]} at the high ends"
