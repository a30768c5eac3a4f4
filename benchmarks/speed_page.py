"""The tables of `docs/performance.md`; the text around them is written by hand."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.speed_cases import Case, Measured
from federation.errors import BadInput
from federation.results.environment import describe

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
AT_LEAST = 30

_HEAD = (
    *("what", "registered", "median", "medians of the turns", "fastest round", "mean"),
    *("at most", "holds?", "peak memory"),
)


def tables(found: Mapping[Case, Sequence[Measured]]) -> str:
    """What was measured, on what, and whether the targets hold."""
    turns = max(len(each) for each in found.values())
    lines = [_line(case, each) for case, each in found.items()]
    rows = [_HEAD, ["---"] * len(_HEAD), *lines]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{machine(turns)}\n\n{table}{_against_flower(found)}"


def _against_flower(found: Mapping[Case, Sequence[Measured]]) -> str:
    """Flower's time by that of Paceline on Ray, turn by turn, for as many clients a round."""
    for slow, fast in itertools.product(found, found):
        alike = slow.clients_per_round, slow.population, slow.schedule
        same = (fast.clients_per_round, fast.population, fast.schedule) == alike
        if (slow.runner, fast.runner) == ("flower", "ray") and same:
            pairs = zip(found[slow], found[fast], strict=True)
            ratio = median(one.median_ms / other.median_ms for one, other in pairs)
            holds = "holds" if ratio >= AT_LEAST else "**does not hold**"
            return (
                f"\n{slow.title} takes **{ratio:.0f} x** the time of {fast.title} "
                f"({slow.population:,} registered); at least {AT_LEAST} x: {holds}.\n"
            )
    return ""


def _line(case: Case, each: Sequence[Measured]) -> list[str]:
    medians = sorted(one.median_ms for one in each)
    ours = median(medians)
    target = case.target_ms
    return [
        case.title,
        f"{case.population:,}",
        f"**{_ms(ours)}**",
        f"{_ms(medians[0])} to {_ms(medians[-1])}",
        _ms(min(one.fastest_ms for one in each)),
        _ms(median(one.mean_ms for one in each)),
        "-" if target is None else f"{target:g}",
        "-" if target is None else "yes" if ours <= target else "**no**",
        f"{max(one.peak_mb for one in each):,.0f} MB",
    ]


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def machine(turns: int) -> str:
    """What was measured on, and when."""
    facts = describe()
    packages = facts["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in ("flwr", "ray", "torch", "numpy"))
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {facts['cpu']}, {facts['usable_cores']} cores, "
        f"Python {facts['python']}, {versions}; {turns} turns; load average at the end {load} "
        "(the measurement itself makes up to 2)."
    )


def update(page: Path, text: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Put the tables between the two marks of the page. Raises BadInput where they are missing."""
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise BadInput(f"{page}: has no lines {marks[0]!r} and {marks[1]!r} to write between")
    page.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")
