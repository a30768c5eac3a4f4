"""Runs side by side: one row each, with what it reached and what that cost.

Everything is read from the `rounds` table. Bytes, energy and carbon add up over the rounds; times
count from the start of the run. A run crosses an accuracy at the first evaluated round that has it
or more, and the cost of that is the cost up to and including that round: nothing is interpolated.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from federation.energy.ranges import Range
from federation.errors import BadInput, FolderError
from federation.results.folder import RunFolder, find_runs
from federation.results.spent import Spent
from federation.results.tables import RoundRow
from simulations import orders
from simulations.render import render

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare", "render"]

_TOTALS: Final = ("energy_j", "carbon_g")
_CROSSING: Final = ("joules_to", "grams_to")
_ENDS: Final = ("", "_low", "_high", "_open")
Record = dict[str, Any]


def compare(folders: Sequence[Path], to_accuracy: float | None) -> pd.DataFrame:
    """One row per run at or below `folders`; columns carry their units, None is "not known".

    With `to_accuracy` (a fraction) the columns `rounds_to`, `bytes_to`, `seconds_to` and, where
    there are figures, `joules_to` and `grams_to`; None where the run did not reach it. Figures that
    rest on a range have `_low` and `_high` beside them, and `_open` where runs could change places.

    Raises BadInput for an accuracy that is no fraction, FolderError where a folder holds no run.
    """
    if to_accuracy is not None:
        _check_fraction(to_accuracy)
    found = (run.resolve() for folder in folders for run in find_runs(folder))
    paths = list(dict.fromkeys(found))
    if not paths:
        raise FolderError("no folder to compare: name at least one")
    records = [
        _record(label, RunFolder.open(path), to_accuracy)
        for label, path in zip(_labels(paths), paths, strict=True)
    ]
    _mark_open(records, _TOTALS if to_accuracy is None else _CROSSING)
    frame = _frame(_without_idle_columns(records))
    frame.attrs["to_accuracy"] = to_accuracy  # for the table's caption
    return frame


def _check_fraction(accuracy: float) -> None:
    if 1 < accuracy <= 100:
        raise BadInput(f"{accuracy:g} is not a fraction; say {accuracy / 100:g}")
    if not 0 <= accuracy <= 1:
        raise BadInput(f"{accuracy:g} is not a fraction; --to-accuracy goes from 0 to 1")


def _labels(paths: Sequence[Path]) -> list[str]:
    """Each path relative to the folder that all of them share."""
    shared = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(shared).as_posix() for path in paths]


def _record(label: str, folder: RunFolder, to_accuracy: float | None) -> Record:
    rows = folder.rounds()
    spent = list(accumulate(rows, Spent.after, initial=Spent()))[1:]
    record = {"run": label, **_settings(rows), "status": _status(folder, rows)}
    record |= _outcome(rows, folder.client_accuracy()) | _cost(rows, spent)
    if to_accuracy is not None:
        record |= _crossing(rows, spent, to_accuracy)
    return record


def _settings(rows: Sequence[RoundRow]) -> Record:
    """Who spoke when, what was computed and how it travelled; unknown before the first round."""
    names = ("schedule", "algorithm", "uplink_codec", "downlink_codec")
    return {name: getattr(rows[-1], name) if rows else None for name in names}


def _status(folder: RunFolder, rows: Sequence[RoundRow]) -> str:
    status = folder.status()
    if status == "finished":
        return status
    return f"{status} (round {_last_round(rows)} of {_planned_rounds(folder)})"


def _last_round(rows: Sequence[RoundRow]) -> int:
    return rows[-1].round if rows else 0


def _planned_rounds(folder: RunFolder) -> int:
    path = folder.scenario_path
    try:
        return int(tomllib.loads(path.read_text(encoding="utf-8"))["rounds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"cannot read `rounds` from {path}: restore the file") from error


def _outcome(rows: Sequence[RoundRow], of_clients: float | None) -> Record:
    accuracies = [row.accuracy for row in rows if row.accuracy is not None]
    return {
        "rounds": _last_round(rows),
        "stopped": rows[-1].stopped if rows else None,
        "final_accuracy": _last(accuracies),
        "best_accuracy": max(accuracies, default=None),
        "client_accuracy": of_clients,
        "final_metric": None if accuracies else _last([row.metric for row in rows]),
        "loss": _last([row.loss for row in rows]),
    }


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _cost(rows: Sequence[RoundRow], spent: Sequence[Spent]) -> Record:
    """What all rounds together took."""
    total = spent[-1] if spent else Spent()
    return {
        "virtual_time_s": total.time_s,
        "wall_time_s": rows[-1].wall_time_s if rows else 0.0,
        "uplink_bytes": sum(row.uplink_bytes for row in rows),
        "downlink_bytes": sum(row.downlink_bytes for row in rows),
        "peer_bytes": sum(row.peer_bytes for row in rows),
        "total_bytes": total.sent_bytes,
        **_columns("energy_j", total.energy_j),
        **_columns("carbon_g", total.carbon_g),
    }


def _columns(name: str, figure: Range | None) -> Record:
    """A figure and, where it rests on a range, its ends; `_mark_open` fills in `_open`."""
    cells: Record = dict.fromkeys(_names(name))
    return cells if figure is None else cells | figure.columns(name)


def _names(figure: str) -> list[str]:
    return [f"{figure}{end}" for end in _ENDS]


def _crossing(rows: Sequence[RoundRow], spent: Sequence[Spent], accuracy: float) -> Record:
    """The cost up to and including the first round with this accuracy; None without one."""
    for row, cost in zip(rows, spent, strict=True):
        if row.accuracy is not None and row.accuracy >= accuracy:
            return {
                "rounds_to": row.round,
                "bytes_to": cost.sent_bytes,
                "seconds_to": cost.time_s,
                **_columns("joules_to", cost.energy_j),
                **_columns("grams_to", cost.carbon_g),
            }
    unknown = dict.fromkeys(("rounds_to", "bytes_to", "seconds_to"))
    return unknown | _columns("joules_to", None) | _columns("grams_to", None)


def _mark_open(records: Sequence[Record], figures: Sequence[str]) -> None:
    """Say in each record with which other runs its order in a figure is open."""
    for figure in figures:
        for record, names in zip(records, orders.rivals(records, figure), strict=True):
            record[f"{figure}_open"] = names


def _without_idle_columns(records: Sequence[Record]) -> list[Record]:
    """Leaves out columns that say nothing about any of the runs."""
    optional = {
        "stopped",
        "client_accuracy",
        "final_metric",
        *chain(*map(_names, (*_TOTALS, *_CROSSING))),
    }
    idle = {name for name in optional if all(record.get(name) is None for record in records)}
    if all(record["downlink_codec"] in (None, "none") for record in records):
        idle.add("downlink_codec")
    if all(record["status"] == "finished" for record in records):
        idle.add("status")
    if not any(record["peer_bytes"] for record in records):
        idle.add("peer_bytes")
    return [{name: record[name] for name in record if name not in idle} for record in records]


def _frame(records: Sequence[Record]) -> pd.DataFrame:
    """Integers stay integers and None stays None; pandas alone would make 1.0 and NaN of them."""
    import pandas as pd

    frame = pd.DataFrame(records, dtype=object)
    for name in frame.columns:
        kinds = {type(value) for value in frame[name]}
        if kinds in ({int}, {float}):
            frame[name] = frame[name].astype(kinds.pop())
    return frame
