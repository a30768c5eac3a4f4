"""A comparison as a table for people: human units, and narrow enough for the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from federation.units import (
    NOTHING,
    bytes_text,
    grams_text,
    joules_text,
    percent_text,
    seconds_text,
)
from simulations.orders import notes

if TYPE_CHECKING:
    from rich.table import Table

Record = Mapping[str, Any]

_OPEN: Final = "_open"
_FOLDED: Final = 22  # the width to which a run's name or a codec chain may be folded; never cut


@dataclass(frozen=True)
class _Column:
    """How the table shows a column: heading, unit, which end is best, what goes first if narrow."""

    heading: str
    text: Callable[[Any], str] = str
    best: Callable[[Sequence[Any]], Any] | None = None
    rank: int = 0  # 0: always shown; else the highest goes first where the width is too small
    setting: bool = False  # said once, above the table, where it is the same in all runs


_COLUMNS: Final[Mapping[str, _Column]] = {
    "run": _Column("run"),
    "schedule": _Column("schedule", setting=True),
    "algorithm": _Column("algorithm", setting=True),
    "uplink_codec": _Column("uplink", setting=True),
    "downlink_codec": _Column("downlink", rank=5, setting=True),
    "status": _Column("status"),
    "rounds": _Column("rounds", rank=2, setting=True),
    "stopped": _Column("stopped", rank=5, setting=True),
    "final_accuracy": _Column("accuracy", percent_text, max),
    "best_accuracy": _Column("best", percent_text, max, 9),
    "client_accuracy": _Column("clients' own", percent_text, max),
    "final_metric": _Column("metric", "{:.4g}".format),
    "loss": _Column("loss", "{:.4f}".format, min, 8),
    "virtual_time_s": _Column("time", seconds_text, min),
    "wall_time_s": _Column("wall time", seconds_text, min, 12),
    "uplink_bytes": _Column("up", bytes_text, min, 7),
    "downlink_bytes": _Column("down", bytes_text, min, 7),
    "peer_bytes": _Column("peer", bytes_text, min, 7),
    "total_bytes": _Column("total", bytes_text, min),
    "energy_j": _Column("energy", joules_text, min, 1),
    "energy_j_low": _Column("energy low", joules_text, min, 11),
    "energy_j_high": _Column("energy high", joules_text, min, 11),
    "carbon_g": _Column("CO2e", grams_text, min, 6),
    "carbon_g_low": _Column("CO2e low", grams_text, min, 10),
    "carbon_g_high": _Column("CO2e high", grams_text, min, 10),
    "rounds_to": _Column("rounds to", str, min, 4),
    "bytes_to": _Column("bytes to", bytes_text, min),
    "seconds_to": _Column("time to", seconds_text, min),
    "joules_to": _Column("energy to", joules_text, min, 1),
    "joules_to_low": _Column("energy to low", joules_text, min, 11),
    "joules_to_high": _Column("energy to high", joules_text, min, 11),
    "grams_to": _Column("CO2e to", grams_text, min, 3),
    "grams_to_low": _Column("CO2e to low", grams_text, min, 10),
    "grams_to_high": _Column("CO2e to high", grams_text, min, 10),
}

_TOTALS: Final = ("virtual_time_s", "total_bytes", "energy_j", "carbon_g")
_TOTALS_RANK: Final = 6  # where what it took to an accuracy is asked for


def table(
    names: Sequence[str],
    records: Sequence[Record],
    *,
    terminal: bool,
    width: int,
    to_accuracy: float | None,
) -> str:
    """The columns `names` of `records` in at most `width` characters where that is possible.

    Values of one setting for all runs are said once above the table; below it, which columns do
    not fit and which runs could change places. On a terminal the best value of each column among
    finished runs is bold.
    """
    from rich.console import Console

    common = [name for name in names if _column(name).setting and _is_common(name, records)]
    uncertain = [name.removesuffix(_OPEN) for name in names if name.endswith(_OPEN)]
    shown = [name for name in names if name not in common and not name.endswith(_OPEN)]
    left_out = _too_many(shown, records, width, _TOTALS if to_accuracy is not None else ())
    shown = [name for name in shown if name not in left_out]
    text = io.StringIO()
    console = Console(
        file=text,
        width=max(width, _width(shown, records)),
        force_terminal=terminal,
        force_jupyter=False,
        highlight=False,
    )
    if common:
        said = (f"{_column(name).heading} {records[0][name]}" for name in common)
        console.print(f"All runs: {', '.join(said)}", markup=False)
    if to_accuracy is not None:
        reached = percent_text(to_accuracy)
        console.print(f"to: until an accuracy of {reached} was first reached ({NOTHING}: never)")
    console.print(_grid(shown, records))
    if left_out:
        headings = ", ".join(_column(name).heading for name in names if name in left_out)
        console.print(f"Not shown for lack of width: {headings} (--format csv has all)")
    for figure in uncertain:
        for note in notes(records, figure):
            console.print(note, markup=False)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _column(name: str) -> _Column:
    return _COLUMNS.get(name, _Column(name))


def _is_common(name: str, records: Sequence[Record]) -> bool:
    values = {record[name] for record in records}
    return len(values) == 1 and None not in values


def _too_many(
    names: Sequence[str], records: Sequence[Record], width: int, lowered: Sequence[str]
) -> set[str]:
    """The columns to leave out so that the rest fits: the least important first."""
    ranks = {name: _TOTALS_RANK if name in lowered else _column(name).rank for name in names}
    left_out: set[str] = set()
    for rank in sorted({*ranks.values()} - {0}, reverse=True):
        if _width([name for name in names if name not in left_out], records) <= width:
            break
        left_out |= {name for name in names if ranks[name] == rank}
    return left_out


def _width(names: Sequence[str], records: Sequence[Record]) -> int:
    """The least width of the table: two spaces after each cell."""
    return sum(_least_width(name, records) + 2 for name in names)


def _least_width(name: str, records: Sequence[Record]) -> int:
    cells = [_cell(name, record) for record in records]
    widest = max(map(len, cells), default=0)
    folded = widest if is_numeric(name, records) else min(widest, _FOLDED)
    return max(folded, len(_column(name).heading))


def _cell(name: str, record: Record) -> str:
    value = record[name]
    return NOTHING if value is None else _column(name).text(value)


def _grid(names: Sequence[str], records: Sequence[Record]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        numeric = is_numeric(name, records)
        grid.add_column(
            _column(name).heading,
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=_least_width(name, records),
        )
    best = {name: _best(name, records) for name in names}
    for record in records:
        cells = (
            Text(_cell(name, record), "bold green" if _is_best(record, name, best) else "")
            for name in names
        )
        grid.add_row(*cells)
    return grid


def _best(name: str, records: Sequence[Record]) -> Any:
    """The best value among finished runs; None where there is nothing to choose between."""
    best = _column(name).best
    values = [record[name] for record in records if _is_finished(record)]
    known = {value for value in values if value is not None}
    return best(list(known)) if best and len(known) > 1 else None


def _is_best(record: Record, name: str, best: Record) -> bool:
    return best[name] is not None and record[name] == best[name] and _is_finished(record)


def _is_finished(record: Record) -> bool:
    return bool(record.get("status", "finished") == "finished")


def is_numeric(name: str, records: Sequence[Record]) -> bool:
    """Whether the column holds a number anywhere."""
    return any(isinstance(record[name], int | float) for record in records)
