"""The durable store of a run under way: SQLite, one transaction per committed round.

A transaction holds all rows of its rounds and the pointer to the checkpoint they end at, so after a
crash at any instant the store names exactly one state to go on from. Write-ahead log, fsync at
every commit. Parquet is the export.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from federation.errors import FolderError
from federation.results.parquet import write_table
from federation.results.tables import (
    TABLES,
    ClientRow,
    ExchangeRow,
    RoundRow,
    Row,
    RowType,
    columns,
    create_sql,
    table_of,
)

FILE_NAME: Final = "run.sqlite"
_BATCH: Final = 1 << 16  # rows of one Parquet row group; the most that are in memory at once
_STATE: Final = (
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), committed_round INTEGER, "
    "checkpoint TEXT, finished INTEGER NOT NULL) STRICT"
)


class Store:
    """The rows of one run and the pointer to its last checkpoint. Close it, or use it in `with`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._names = {
            table: [column.name for column in columns(row_type)]
            for table, row_type in TABLES.items()
        }

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Opens the store of a run folder for writing and creates it where there is none.

        Raises FolderError where the file cannot be opened or belongs to another version.
        """
        path = folder / FILE_NAME
        with _guard(path):
            # Created here and not by SQLite, so that nobody else may read it even for a moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            # One thread at a time uses it, but not always the same: a session commits behind.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            store = cls(path, connection)
            try:
                store._prepare()
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def view(cls, folder: Path) -> Store:
        """Opens the store for reading only, also while a driver writes to it."""
        path = folder / FILE_NAME
        with _guard(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            store = cls(path, sqlite3.connect(uri, uri=True, isolation_level=None))
            try:
                store._check_version()
            except BaseException:
                store.close()
                raise
        return store

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        with self._transaction():
            if not run("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                for row_type in TABLES.values():
                    run(create_sql(row_type))
                # A round twice would be a bug of ours: it must fail, not count twice.
                run("CREATE UNIQUE INDEX rounds_round ON rounds (round)")
                run("CREATE INDEX clients_round ON clients (round)")
                run("CREATE INDEX exchanges_round ON exchanges (round)")
                run(_STATE)
                run("INSERT INTO state VALUES (1, NULL, NULL, 0)")
        self._check_version()

    def _check_version(self) -> None:
        found = self._connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
        expected = {name: create_sql(row_type) for name, row_type in TABLES.items()}
        if not {*expected.items(), ("state", _STATE)} <= set(found):
            raise FolderError(
                f"{self._path} was written by another version of paceline: "
                "start a new run with --out"
            )

    def commit(
        self,
        rounds: Sequence[RoundRow],
        clients: Sequence[ClientRow],
        exchanges: Sequence[ExchangeRow],
        committed_round: int,
        checkpoint: str,
    ) -> None:
        """Makes rows and pointer durable together: all of them are there afterwards, or none.

        `checkpoint` is what `checkpoint.save` returned for `committed_round`; save first. Raises
        FolderError where the disk refuses; the store is then as before.
        """
        with _guard(self._path), self._transaction():
            self._insert(RoundRow, rounds)
            self._insert(ClientRow, clients)
            self._insert(ExchangeRow, exchanges)
            self._connection.execute(
                "UPDATE state SET committed_round = ?, checkpoint = ?, finished = 0",
                (committed_round, checkpoint),
            )

    def _insert(self, row_type: type[Row], rows: Sequence[Row]) -> None:
        table = table_of(row_type)
        marks = ", ".join("?" * len(self._names[table]))
        values = map(attrgetter(*self._names[table]), rows)
        self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)

    def committed(self) -> tuple[int, str] | None:
        """The last committed round and the SHA-256 of its checkpoint's manifest; None before."""
        query = "SELECT committed_round, checkpoint FROM state"
        with _guard(self._path):
            round_, checkpoint = self._connection.execute(query).fetchone()
        return None if round_ is None else (int(round_), str(checkpoint))

    def discard_after(self, round: int) -> None:
        """Deletes the rows of later rounds, and the pointer where it names one (-1: everything)."""
        with _guard(self._path), self._transaction():
            for table in TABLES:
                self._connection.execute(f"DELETE FROM {table} WHERE round > ?", (round,))
            self._connection.execute(
                "UPDATE state SET committed_round = NULL, checkpoint = NULL, finished = 0 "
                "WHERE committed_round > ?",
                (round,),
            )

    def finish(self) -> None:
        """Marks the run as finished; say so after the model and the tables are written."""
        with _guard(self._path):
            with self._transaction():
                self._connection.execute("UPDATE state SET finished = 1")
            # Without a log beside it the file can also be read on read-only media. A reader may
            # hold the file just now: then the log stays, and nothing else changes.
            self._connection.execute("PRAGMA busy_timeout = 0")
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.execute("PRAGMA busy_timeout = 5000")

    def is_finished(self) -> bool:
        """Whether `finish` was called and nothing was committed since."""
        with _guard(self._path):
            return bool(self._connection.execute("SELECT finished FROM state").fetchone()[0])

    def rows(self, row_type: type[Row]) -> Iterator[Row]:
        """The committed rows of a table by round, in the order they were inserted."""
        for batch in self._batches(row_type):
            for values in batch:
                yield row_type(*values)

    def export(self, folder: Path) -> None:
        """Writes rounds.parquet, clients.parquet and exchanges.parquet into `folder`."""
        for table, row_type in TABLES.items():
            write_table(folder / f"{table}.parquet", row_type, self._batches(row_type))

    def _batches(self, row_type: RowType) -> Iterator[list[tuple[Any, ...]]]:
        query = f"SELECT * FROM {table_of(row_type)} ORDER BY round, rowid"
        with _guard(self._path):
            cursor = self._connection.execute(query)
            while batch := cursor.fetchmany(_BATCH):
                yield batch

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Turns what the disk does to us into FolderError; our own mistakes stay what they are."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except (sqlite3.Error, OSError) as error:
        raise FolderError(
            f"cannot use {path}: {error}; check the disk, or start a new run with --out"
        ) from error
