"""Exact partitions from a JSON file `{client: [row, ...]}`, clients "0", "1", ..."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import DataError


def find(path: str, folder: str | None) -> Path:
    """The file, sought from the current folder, then in `folder`, then in `$PACELINE_DATA`.

    Raises DataError, listing the places, where it is in none of them.
    """
    bases = [base for base in (os.curdir, folder, os.environ.get("PACELINE_DATA")) if base]
    candidates = [Path(base).expanduser().absolute() / Path(path).expanduser() for base in bases]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    places = ", ".join(dict.fromkeys(str(candidate.parent) for candidate in candidates))
    raise DataError(f"partition file {path!r} is not in {places}; set data.dir or PACELINE_DATA")


def read(path: Path, clients: int, rows: int) -> tuple[list[NDArray[Any]], str]:
    """The rows of each client, in the file's order, and a line that identifies the file.

    Raises DataError, naming client and row, where the file does not fit `clients` or `rows`.
    """
    data = path.read_bytes()
    try:
        table = json.loads(data)
    except ValueError as error:
        raise DataError(f"partition file {path} is not JSON: {error}") from None
    if not isinstance(table, dict):
        raise DataError(f"partition file {path} must hold an object {{client: [row, ...]}}")
    if len(table) != clients:
        raise DataError(
            f"partition file {path} has {len(table)} clients but data.clients = {clients}; "
            f"set data.clients = {len(table)}"
        )
    parts = [_rows_of(table, client, rows, path) for client in range(clients)]
    _check_unique(parts, rows, path)
    return parts, f"file {path.name} sha256 {hashlib.sha256(data).hexdigest()[:16]}"


def _rows_of(table: dict[str, Any], client: int, rows: int, path: Path) -> NDArray[Any]:
    where = f"partition file {path}, client {client}"
    if str(client) not in table:
        raise DataError(f'{where} is missing; clients are named "0" to "{len(table) - 1}"')
    given = table[str(client)]
    if not isinstance(given, list) or not given:
        raise DataError(f"{where}: {str(given)[:40]!r} is not a list of at least one row")
    wrong = [row for row in given if type(row) is not int or not 0 <= row < rows]
    if wrong:
        raise DataError(f"{where}: row {wrong[0]!r} is not an integer from 0 to {rows - 1}")
    return np.array(given, np.int64)


def _check_unique(parts: list[NDArray[Any]], rows: int, path: Path) -> None:
    holders = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    everything = np.concatenate(parts)
    counts = np.bincount(everything, minlength=rows)
    if counts.max() > 1:
        row = int(np.argmax(counts > 1))
        first, second = holders[everything == row][:2]
        raise DataError(
            f"partition file {path}, client {second}: row {row} is listed twice, "
            f"first for client {first}; each row belongs to one client"
        )
