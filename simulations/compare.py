"""Runs side by side: one row each, with what it reached and what that cost.

Everything is read from the `rounds` table. Bytes, energy and carbon add up over the rounds; times
count from the start of the run. A run crosses an accuracy at the first evaluated round that has it
or more, and the cost of that is the cost up to and including that round.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from federation.errors import BadInput, FolderError
from federation.results.folder import RunFolder, find_runs
from federation.results.tables import RoundRow
from simulations.render import render

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare", "render"]

_ENERGY: Final = ("compute_j", "radio_j", "waiting_j", "network_j", "server_j")
_OPTIONAL: Final = (
    "final_metric",
    "energy_j",
    "energy_j_low",
    "energy_j_high",
    "carbon_g",
    "carbon_g_low",
    "carbon_g_high",
    "joules_to",
    "grams_to",
)
Record = dict[str, Any]


def compare(folders: Sequence[Path], to_accuracy: float | None) -> pd.DataFrame:
    """One row per run at or below `folders`; columns carry their units, None is "not known".

    With `to_accuracy` (a fraction) the columns `rounds_to`, `bytes_to`, `seconds_to` and, where
    there are figures, `joules_to` and `grams_to`; None where the run did not reach it.

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
    record = {"run": label, **_settings(rows), "status": _status(folder, rows)}
    record |= _outcome(rows) | _cost(rows)
    if to_accuracy is not None:
        record |= _crossing(rows, to_accuracy)
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


def _outcome(rows: Sequence[RoundRow]) -> Record:
    accuracies = [row.accuracy for row in rows if row.accuracy is not None]
    return {
        "rounds": _last_round(rows),
        "final_accuracy": _last(accuracies),
        "best_accuracy": max(accuracies, default=None),
        "final_metric": None if accuracies else _last([row.metric for row in rows]),
        "loss": _last([row.loss for row in rows]),
    }


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _cost(rows: Sequence[RoundRow]) -> Record:
    """What all rounds together took."""
    return {
        "virtual_time_s": rows[-1].virtual_time_s if rows else 0.0,
        "wall_time_s": rows[-1].wall_time_s if rows else 0.0,
        "uplink_bytes": sum(row.uplink_bytes for row in rows),
        "downlink_bytes": sum(row.downlink_bytes for row in rows),
        "peer_bytes": sum(row.peer_bytes for row in rows),
        "total_bytes": sum(map(_bytes, rows)),
        "energy_j": _sum(rows, _energy),
        **_range(rows, "energy_j", _ENERGY),
        "carbon_g": _sum(rows, lambda row: row.carbon_g),
        **_range(rows, "carbon_g", ("carbon_g",)),
    }


def _bytes(row: RoundRow) -> int:
    return row.uplink_bytes + row.downlink_bytes + row.peer_bytes


def _energy(row: RoundRow) -> float | None:
    """Energy of a round over the parts that are known; None where no part is."""
    known = [value for part in _ENERGY if (value := getattr(row, part)) is not None]
    return sum(known) if known else None


def _sum(rows: Sequence[RoundRow], figure: Callable[[RoundRow], float | None]) -> float | None:
    known = [value for row in rows if (value := figure(row)) is not None]
    return sum(known) if known else None


def _range(rows: Sequence[RoundRow], name: str, parts: Sequence[str]) -> Record:
    """Both ends of a figure; a part without a range counts with its value. None without any."""
    ends: Record = {}
    for end in ("low", "high"):
        ranged = any(getattr(row, f"{part}_{end}") is not None for row in rows for part in parts)
        ends[f"{name}_{end}"] = _end(rows, parts, end) if ranged else None
    return ends


def _end(rows: Sequence[RoundRow], parts: Sequence[str], end: str) -> float:
    total = 0.0
    for row in rows:
        for part in parts:
            value = getattr(row, f"{part}_{end}")
            total += (getattr(row, part) if value is None else value) or 0.0
    return total


def _crossing(rows: Sequence[RoundRow], accuracy: float) -> Record:
    """The cost up to and including the first round with this accuracy."""
    bytes_so_far = accumulate(map(_bytes, rows))
    for index, (row, bytes_to) in enumerate(zip(rows, bytes_so_far, strict=True)):
        if row.accuracy is not None and row.accuracy >= accuracy:
            so_far = rows[: index + 1]
            return {
                "rounds_to": row.round,
                "bytes_to": bytes_to,
                "seconds_to": row.virtual_time_s,
                "joules_to": _sum(so_far, _energy),
                "grams_to": _sum(so_far, lambda row: row.carbon_g),
            }
    return dict.fromkeys(("rounds_to", "bytes_to", "seconds_to", "joules_to", "grams_to"))


def _without_idle_columns(records: Sequence[Record]) -> list[Record]:
    """Leaves out columns that say nothing about any of the runs."""
    idle = {name for name in _OPTIONAL if all(record.get(name) is None for record in records)}
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
