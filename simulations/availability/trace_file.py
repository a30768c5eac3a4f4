"""Reading a trace of availability: a table with the columns client, start_s and end_s.

    client,start_s,end_s
    0,0,28800
    0,79200,86400
    1,0,0

CSV, or Parquet with the same columns, in any order of the rows. Clients are numbered from 0
without gaps. One that is never online has an interval of no length, as client 1 here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Never

import numpy as np
from numpy.typing import NDArray

from federation.errors import ScenarioError
from simulations.availability.base import Clients
from simulations.availability.intervals import Intervals, Times

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ("client", "start_s", "end_s")


def read_intervals(path: Path) -> Intervals:
    """The intervals of the file; those that touch are joined.

    Raises ScenarioError, naming the file, the row and what is wrong with it.
    """
    clients, starts_s, ends_s = _columns(path)
    _check_rows(path, clients, starts_s, ends_s)
    order = np.lexsort((starts_s, clients))
    order = order[(starts_s < ends_s)[order]]
    rows = int(clients.max()) + 1
    clients, starts_s, ends_s = clients[order], starts_s[order], ends_s[order]
    again = clients[1:] == clients[:-1]
    _check_apart(path, clients, starts_s, ends_s, again)
    touches = again & (starts_s[1:] == ends_s[:-1])
    first, last = np.append(True, ~touches), np.append(~touches, True)
    offsets = np.searchsorted(clients[first], np.arange(rows + 1))
    return Intervals(starts_s[first], ends_s[last], offsets.astype(np.int64))


def _columns(path: Path) -> tuple[Clients, Times, Times]:
    import pyarrow as pa

    try:
        if not path.is_file():
            raise ScenarioError(f"fleet.availability.path = {str(path)!r}: there is no such file")
        table = _table(path)
        for name in COLUMNS:
            if table.column_names.count(name) != 1:
                many = "more than one" if name in table.column_names else "no"
                _refuse(path, f"{many} column {name!r} among {', '.join(table.column_names)}")
            if table[name].null_count:
                _refuse(path, f"the column {name} has empty cells")
        clients = _column(table, "client", pa.int64())
        starts_s, ends_s = (_column(table, name, pa.float64()) for name in COLUMNS[1:])
        return clients, starts_s, ends_s
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        _refuse(path, str(error))


def _table(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet

    if path.suffix == ".parquet":
        return parquet.read_table(path)
    kinds = {"client": pa.int64(), "start_s": pa.float64(), "end_s": pa.float64()}
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=kinds))


def _column(table: pa.Table, name: str, kind: pa.DataType) -> NDArray[Any]:
    values: NDArray[Any] = table[name].cast(kind).to_numpy()
    return values


def _check_rows(path: Path, clients: Clients, starts_s: Times, ends_s: Times) -> None:
    with np.errstate(invalid="ignore"):
        good = (clients >= 0) & (starts_s >= 0) & (starts_s <= ends_s) & (ends_s < np.inf)
    if not good.all():
        at = int(np.argmin(good))
        _refuse(
            path,
            f"row {at + 1} has client = {clients[at]}, start_s = {starts_s[at]:g}, end_s = "
            f"{ends_s[at]:g}; they must be 0 or more, with start_s <= end_s",
        )
    if not (starts_s < ends_s).any():
        _refuse(path, "nobody is ever online; give intervals with start_s < end_s")
    present = np.unique(clients)
    if present[-1] != len(present) - 1:
        gap = int(np.argmax(present != np.arange(len(present))))
        _refuse(
            path,
            f"client {gap} has no row, client {present[-1]} has; number the clients from 0 "
            "without gaps, and give one that is never online an interval with start_s = end_s",
        )


def _check_apart(
    path: Path, clients: Clients, starts_s: Times, ends_s: Times, again: NDArray[np.bool_]
) -> None:
    overlaps = np.flatnonzero(again & (starts_s[1:] < ends_s[:-1]))
    if len(overlaps):
        at = int(overlaps[0])
        _refuse(
            path,
            f"client {clients[at]} is online until {ends_s[at]:g} s and comes again at "
            f"{starts_s[at + 1]:g} s; join intervals that overlap",
        )


def _refuse(path: Path, what: str) -> Never:
    said = f"availability trace {path.name}: {what}"
    raise ScenarioError(" ".join(said.split()))  # names and cells may hold line breaks
