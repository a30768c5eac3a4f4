"""Reading carbon traces: our own format, and the hourly files of Electricity Maps.

Our format is a CSV file: `time_s` and a column a zone, below notes that say the `unit`
(g/kWh, kg/kWh, lb/MWh), the `kind` (average, marginal) and the `fill` (hold, linear, repeat).
The terms of Electricity Maps forbid passing its files on, so none ships: a user's own file, or a
folder with one file a zone, is read as it was downloaded. The life-cycle column is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np

from federation.energy.carbon_trace import CarbonTrace, Kind
from federation.energy.curve import Curve, Fill
from federation.energy.series_file import check_ascending, number, read_rows, read_series
from federation.errors import ScenarioError

GRAMS_PER_KWH: Final = {"g/kWh": 1.0, "kg/kWh": 1000.0, "lb/MWh": 0.45359237}
DATETIME: Final = "Datetime (UTC)"


def read_trace(path: Path) -> CarbonTrace:
    """The trace in a file of either format, or in a folder of Electricity Maps files.

    Raises ScenarioError naming the file, the line and the remedy.
    """
    if path.is_dir():
        files = sorted(path.glob("*.csv"))
        if not files:
            raise ScenarioError(f"carbon trace {path.name}: the folder holds no .csv file")
        return _joined(path.name, [_electricity_maps(file) for file in files])
    _, rows = read_rows(path)
    return _electricity_maps(path)[0] if DATETIME in rows[0][1] else _own(path)


def _own(path: Path) -> CarbonTrace:
    series = read_series(path)
    to_grams = GRAMS_PER_KWH[series.note("unit", list(GRAMS_PER_KWH))]
    kind = cast(Kind, series.note("kind", get_args(Kind)))
    fill = cast(Fill, series.note("fill", get_args(Fill), "hold"))
    times_s = series.columns["time_s"]
    zones = {
        name: Curve(times_s, values * to_grams, fill)
        for name, values in series.columns.items()
        if name != "time_s"
    }
    return CarbonTrace(path.name, zones, kind)


def _electricity_maps(path: Path) -> tuple[CarbonTrace, datetime]:
    """One zone, and the moment from which its seconds count: that of the first row.

    The headings changed over the years.
    """
    _, ((_, heading), *rows) = read_rows(path)
    if any(len(row) < len(heading) for _, row in rows):
        raise ScenarioError(f"{path.name}: a row has fewer cells than the heading")
    when = _column(heading, path, DATETIME, lambda name: name == DATETIME)
    what = _column(heading, path, "Carbon intensity ... (Life cycle)", _is_life_cycle)
    where = _column(heading, path, "Zone id", lambda name: name.lower() == "zone id")
    zones = {row[where] for _, row in rows}
    if len(zones) != 1:
        raise ScenarioError(f"{path.name} holds {len(zones)} zones: give each a file of its own")
    stamps = [_stamp(row[when], path, line) for line, row in rows]
    times_s = np.array([(stamp - stamps[0]).total_seconds() for stamp in stamps])
    check_ascending(times_s, [line for line, _ in rows], path)
    values = np.array([number(row[what], heading[what], path, line) for line, row in rows])
    trace = CarbonTrace(path.name, {zones.pop(): Curve(times_s, values, "hold")}, "average")
    return trace, stamps[0]


def _is_life_cycle(name: str) -> bool:
    text = name.lower()
    return text.startswith("carbon intensity") and ("life cycle" in text or "lca" in text)


def _column(heading: list[str], path: Path, wanted: str, fits: Callable[[str], bool]) -> int:
    for at, name in enumerate(heading):
        if fits(name):
            return at
    raise ScenarioError(f"{path.name}: no column {wanted!r} among {', '.join(heading)}")


def _stamp(text: str, path: Path, line: int) -> datetime:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise ScenarioError(
            f"{path.name}, line {line}: {text!r} is no date and time, such as 2023-01-31 07:00"
        ) from None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)


def _joined(name: str, read: list[tuple[CarbonTrace, datetime]]) -> CarbonTrace:
    """Several zones on one axis of time. Their files must have the same rows."""
    zones: dict[str, Curve] = {}
    first, first_stamp = read[0]
    times_s = next(iter(first.zones.values())).times_s
    for trace, stamp in read:
        for zone, curve in trace.zones.items():
            if zone in zones:
                raise ScenarioError(f"carbon trace {name}: zone {zone} stands in two files")
            if stamp != first_stamp or not np.array_equal(curve.times_s, times_s):
                raise ScenarioError(
                    f"carbon trace {name}: {trace.name} has other times than {first.name}; "
                    "take files of the same year and resolution"
                )
            zones[zone] = curve
    return CarbonTrace(name, zones, "average")
