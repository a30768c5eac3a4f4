"""CSV files of quantities over time: `# key = value` lines, a heading, then numbers.

    # unit = g/kWh
    # kind = average
    time_s,DEU,FRA
    0,381.2,56.0
    3600,377.9,55.1

Errors name the file, the line and the remedy.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.errors import ScenarioError, unknown_choice

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """What such a file says: its notes, and its columns by heading, all of the same length."""

    name: str
    notes: Mapping[str, str]
    columns: Mapping[str, Column]

    def note(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """The note of that key. Raises ScenarioError where it is missing or none of `choices`."""
        value = self.notes.get(key, default)
        if value is None:
            raise ScenarioError(
                f"{self.name} does not say its {key}: begin it with a line '# {key} = "
                f"{choices[0]}' ({', '.join(choices)})"
            )
        if value not in choices:
            raise ScenarioError(f"{self.name}: {unknown_choice(key, value, choices)}")
        return value


def read_rows(path: Path) -> tuple[dict[str, str], list[tuple[int, list[str]]]]:
    """Notes, then (line number, cells) of every other line that is not empty, the heading first.

    Raises ScenarioError where there is no such file, no text, or nothing below the heading.
    """
    notes: dict[str, str] = {}
    rows: list[tuple[int, list[str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row and row[0].lstrip().startswith("#"):
                    key, _, value = ",".join(row).lstrip().lstrip("#").partition("=")
                    notes[key.strip()] = value.strip()
                elif any(cell.strip() for cell in row):
                    rows.append((reader.line_num, [cell.strip() for cell in row]))
    except OSError as error:
        raise ScenarioError(f"cannot read {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{path.name} is no CSV file in UTF-8: {error}") from None
    if len(rows) < 3:
        raise ScenarioError(f"{path.name}: needs a heading and two rows or more below it")
    return notes, rows


def read_series(path: Path) -> Series:
    """The file's notes and columns; the first column is `time_s`, ascending.

    Raises ScenarioError.
    """
    notes, ((_, heading), *rows) = read_rows(path)
    if heading[0] != "time_s" or len(heading) < 2 or len(set(heading)) < len(heading):
        raise ScenarioError(
            f"{path.name}: the heading is {','.join(heading)!r}; it must be time_s and then "
            "one name a column, each once"
        )
    for line, row in rows:
        if len(row) != len(heading):
            raise ScenarioError(
                f"{path.name}, line {line}: {len(row)} cells below {len(heading)} headings"
            )
    columns = {
        name: np.array([number(row[at], name, path, line) for line, row in rows])
        for at, name in enumerate(heading)
    }
    lines = [line for line, _ in rows]
    check_ascending(columns["time_s"], lines, path)
    return Series(path.name, notes, columns)


def number(text: str, name: str, path: Path, line: int) -> float:
    """A cell as a finite number that is not negative. Raises ScenarioError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ScenarioError(
            f"{path.name}, line {line}: {name} = {text!r} must be a number that is not negative"
        )
    return value


def check_ascending(times_s: Column, lines: Sequence[int], path: Path) -> None:
    """Raises ScenarioError at the first time that is not later than the one before it."""
    late = np.flatnonzero(np.diff(times_s) <= 0)
    if len(late):
        raise ScenarioError(
            f"{path.name}, line {lines[late[0] + 1]}: the time is not later than in the line "
            "before; sort the rows by time and drop repeated ones"
        )
