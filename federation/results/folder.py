"""The run folder: who may write to it, what state it is in, and where runs are found.

    scenario.toml  environment.json  run.sqlite  checkpoint/      while the run is under way
    rounds.parquet  clients.parquet  exchanges.parquet  model.safetensors  report.html    after it

A folder is finished when model and tables are there and the store says so. Without a store (a copy
that holds only results) the tables are enough. `failed.txt` holds the reason a run stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from federation.errors import FolderError, PacelineError
from federation.results import checkpoint, durable
from federation.results.parquet import read_columns, read_table
from federation.results.store import FILE_NAME, Store
from federation.results.tables import TABLES, ClientRow, RoundRow

Status = Literal["finished", "unfinished", "failed"]

_SCENARIO: Final = "scenario.toml"
_ENVIRONMENT: Final = "environment.json"
INPUTS: Final = "inputs"
_LOCK: Final = ".lock"
_PATIENCE_S: Final = 1.0


@dataclass(frozen=True)
class RunFolder:
    """A handle on a run folder. Reading needs nothing more; to write to it, `drive()` it."""

    path: Path

    @classmethod
    def create(
        cls,
        path: Path,
        scenario_toml: str,
        environment: Mapping[str, Any],
        inputs: Mapping[str, bytes] | None = None,
    ) -> RunFolder:
        """Makes a new run folder, readable by its owner only, with an empty store.

        `inputs` are files below `inputs/`, by their path in the folder.
        Raises FolderError where the folder exists (what a crash of `create` left may be there).
        """
        folder = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            strange = [name for name in os.listdir(path) if not name.startswith((FILE_NAME, "."))]
        except OSError as error:
            raise FolderError(f"cannot create {path}: {durable.cause(error)}") from error
        if set(strange) - {_ENVIRONMENT, INPUTS}:
            raise FolderError(
                f"{path} exists already: resume it (--resume) or choose another --out"
            )
        with folder.lock():
            text = json.dumps(dict(environment), indent=2) + "\n"
            durable.write(path / _ENVIRONMENT, text.encode())
            for name, content in (inputs or {}).items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                durable.write(path / name, content)
            Store.open(path).close()
            # Last: a folder with a scenario is a run folder.
            durable.write(folder.scenario_path, scenario_toml.encode())
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run folder at `path`; FolderError where there is none."""
        if not _is_run_folder(path):
            raise FolderError(f"{path} is not a run folder: it needs {_wanted()}")
        return cls(path)

    @property
    def scenario_path(self) -> Path:
        """The fully resolved scenario."""
        return self.path / _SCENARIO

    def run_id(self) -> str:
        """Names this very execution; clients keep their state under it."""
        return str(json.loads((self.path / _ENVIRONMENT).read_text())["run_id"])

    @property
    def model_path(self) -> Path:
        """The model after the last round."""
        return self.path / "model.safetensors"

    @property
    def failed_path(self) -> Path:
        """Why the run stopped: the reason in the first line, the traceback below."""
        return self.path / "failed.txt"

    @contextmanager
    def drive(self) -> Iterator[Store]:
        """Locks the folder and opens its store, ready to go on after the last committed round.

        What a crash left beyond that round is removed, and so is an old failure. An exception in
        the block is recorded as the reason of failure; an interrupt is not: the run is unfinished.
        """
        with self.lock(), Store.open(self.path) as store:
            pointer = store.committed()
            last = -1 if pointer is None else pointer[0]
            store.discard_after(last)
            checkpoint.discard_after(self.path, last)
            self.failed_path.unlink(missing_ok=True)
            try:
                yield store
            except Exception as error:
                self._record(error)
                raise

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this driver; FolderError naming the process that has it already.

        The lock belongs to the process: it ends with it, even by SIGKILL.
        """
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderError(f"cannot lock {self.path}: {durable.cause(error)}") from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        if not _locked(descriptor):
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise FolderError(
                f"{self.path} is in use by process {owner}: wait for it, stop it, "
                "or choose another --out"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _record(self, error: Exception) -> None:
        text = " ".join(str(error).split()) or "no message"
        reason = text if isinstance(error, PacelineError) else f"{type(error).__name__}: {text}"
        trace = "".join(traceback.format_exception(error))
        # A full disk must not hide the error that it caused.
        with contextlib.suppress(OSError, FolderError):
            durable.write(self.failed_path, f"{reason}\n\n{trace}".encode())

    def failure(self) -> str | None:
        """Why the last attempt failed, in one line; None where it did not."""
        try:
            return self.failed_path.read_text(errors="replace").partition("\n")[0]
        except FileNotFoundError:
            return None

    def is_finished(self) -> bool:
        """Whether the run has come to its end and everything it makes is there."""
        tables = all((self.path / f"{table}.parquet").exists() for table in TABLES)
        if not (self.path / FILE_NAME).exists():
            return (self.path / "rounds.parquet").exists()
        if not (tables and self.model_path.exists()):
            return False
        with Store.view(self.path) as store:
            return store.is_finished()

    def status(self) -> Status:
        """finished, failed (see `failure`), or unfinished: under way, interrupted or killed."""
        if self.is_finished():
            return "finished"
        return "failed" if self.failed_path.exists() else "unfinished"

    def rounds(self) -> list[RoundRow]:
        """The committed rounds: from rounds.parquet, or from the store of an unfinished run."""
        if self.is_finished():
            return read_table(self.path / "rounds.parquet", RoundRow)
        with Store.view(self.path) as store:
            return list(store.rows(RoundRow))

    def client_accuracy(self) -> float | None:
        """Mean over the clients of a round on their own rows, in the last round that has it."""
        if self.is_finished():
            found = _tests(self.path)
        else:
            with Store.view(self.path) as store:
                found = [(row.round, row.accuracy) for row in store.rows(ClientRow)]
        tested = [(number, value) for number, value in found if value is not None]
        last = max((number for number, _ in tested), default=0)
        values = [value for number, value in tested if number == last]
        return sum(values) / len(values) if values else None


def _tests(path: Path) -> list[tuple[int, float | None]]:
    """Round and accuracy of every client's row; none where the table is not there."""
    table = path / "clients.parquet"
    return read_columns(table, ["round", "accuracy"]) if table.exists() else []


def _locked(descriptor: int) -> bool:
    """Take the lock, with a second's patience.

    Between fork and exec a child of another thread (Ray starts some) holds what was open here, and
    with it a lock that this process has just given back.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def free_folder(base: Path) -> Path:
    """The first of `base`, `base`-2, `base`-3, ... that does not exist."""
    candidate, number = base, 1
    while candidate.exists():
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate


def find_runs(path: Path) -> list[Path]:
    """The run folders at or below `path`, sorted; FolderError where there is none."""
    if not path.is_dir():
        raise FolderError(f"no such folder: {path}")
    found: list[Path] = []
    for name, inner, _ in os.walk(path):
        if _is_run_folder(Path(name)):
            found.append(Path(name))
            inner.clear()
        inner[:] = [child for child in inner if not child.startswith(".")]
    if not found:
        raise FolderError(f"no run at or below {path}: looked for folders with {_wanted()}")
    return sorted(found)


def _is_run_folder(path: Path) -> bool:
    results = (path / FILE_NAME, path / "rounds.parquet")
    return (path / _SCENARIO).is_file() and any(result.is_file() for result in results)


def _wanted() -> str:
    return f"{_SCENARIO} and {FILE_NAME} or rounds.parquet"
