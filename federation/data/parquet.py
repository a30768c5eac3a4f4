"""Parquet files as an origin of tables: one file, or a folder with a training and a test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from federation.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Select = Callable[[Sequence[str], str], list[str]]
"""From the columns that are there, and where, the ones to read; raises DataError if it cannot."""


@dataclass(frozen=True)
class Part:
    """A table and how to name it in messages."""

    table: pa.Table
    place: str


class Origin(Protocol):
    """Where tables come from. One part is split by us; two are training and test rows."""

    def identity(self) -> list[object]:
        """JSON values that change when the content may have changed."""
        ...

    def parts(self, select: Select) -> list[Part]:
        """One or two parts with the selected columns."""
        ...


@dataclass(frozen=True)
class ParquetFiles:
    """Splits of one or more files each, whose rows follow one another."""

    splits: tuple[tuple[Path, ...], ...]

    def identity(self) -> list[object]:
        """Path, size and time of change of each file."""
        return [[_identity(path) for path in paths] for paths in self.splits]

    def parts(self, select: Select) -> list[Part]:
        """The splits, each with its files one after another."""
        return [_read(paths, select) for paths in self.splits]


def find_folder(candidates: Sequence[Path]) -> ParquetFiles | None:
    """The first folder with `train.parquet` or `train-*.parquet`, and its test split.

    Raises DataError where that folder has no test split.
    """
    for folder in candidates:
        train = _files(folder, "train")
        if train:
            test = _files(folder, "test")
            if not test:
                raise DataError(
                    f"{folder} has a training split but no test split; add test.parquet "
                    "or name one Parquet file as data.source, which is then split 80/20"
                )
            return ParquetFiles((train, test))
    return None


def _files(folder: Path, split: str) -> tuple[Path, ...]:
    whole = folder / f"{split}.parquet"
    return (whole,) if whole.is_file() else tuple(sorted(folder.glob(f"{split}-*.parquet")))


def _identity(path: Path) -> list[object]:
    stat = path.stat()
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _read(paths: tuple[Path, ...], select: Select) -> Part:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = (
        str(paths[0]) if len(paths) == 1 else f"{paths[0].parent}/{paths[0].name.split('-')[0]}-*"
    )
    tables: list[pa.Table] = []
    for path in paths:
        try:
            names = select(pq.read_schema(path).names, str(path))
            # No dataset layer: it would read `key=value` folder names as columns.
            with pq.ParquetFile(path) as file:
                tables.append(file.read(columns=sorted(set(names))))
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{path} is not a readable Parquet file: {reason}") from None
    try:
        return Part(pa.concat_tables(tables), place)
    except pa.ArrowInvalid:
        raise DataError(f"{place}: the files of this split differ in their column types") from None
