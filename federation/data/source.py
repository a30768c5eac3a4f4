"""From a scenario's `[data]` to a data set: found, decoded once, memory-mapped from then on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from federation.data import build, cache, columns, digits
from federation.data.dataset import Dataset, Split
from federation.data.hub import Hub
from federation.data.parquet import Origin, ParquetFiles, find_folder
from federation.errors import DataError, unknown_choice
from federation.scenario.schema import DataConfig

BUNDLED = "digits"


def load(config: DataConfig) -> Dataset:
    """The data set that `config` names, memory-mapped.

    The first call on a machine decodes it into the cache. Raises DataError where it cannot be
    found, read or understood.
    """
    published = build.PUBLISHED.get(config.source)
    if config.source == BUNDLED:
        key = cache.key_of([BUNDLED])
        return _dataset(cache.fetch("data", key, lambda: build.from_arrays(*digits.read())), key)
    origin = _origin(config)
    name = config.source if published else None
    key = cache.key_of([name, origin.identity(), config.input, config.label])

    def decode() -> cache.Entry:
        return build.from_tables(origin, config.input, config.label, published)

    return _dataset(cache.fetch("data", key, decode), key)


def read_column(config: DataConfig, name: str) -> NDArray[Any]:
    """One value a training row, in the order of the training split: int64, float64 or str objects.

    Raises DataError where the source has no such column or a value in it is missing.
    """
    if config.source == BUNDLED:
        raise DataError(f"data.source = 'digits' has no column {name!r}, only images and labels")

    def select(present: Sequence[str], place: str) -> list[str]:
        columns.check_present(name, present, place)
        return [name]

    parts = _origin(config).parts(select)
    values = columns.plain(parts[0].table, name, parts[0].place)
    return values if len(parts) == 2 else values[build.split_rows(len(values))[0]]


def _origin(config: DataConfig) -> Origin:
    source = config.source
    if source.startswith("hub:"):
        return _hub(source.removeprefix("hub:"))
    if source in build.PUBLISHED:
        return _published(source, config.dir)
    return _local(source)


def _local(source: str) -> Origin:
    path = Path(source).expanduser().absolute()
    if path.is_file():
        return ParquetFiles(((path,),))
    if path.is_dir():
        found = find_folder([path, path / "data"])
        if found is None:
            raise DataError(f"{path} has no train.parquet; a folder needs train and test.parquet")
        return found
    if "/" in source or path.suffix:
        raise DataError(f"data.source: {path} does not exist")
    choices = [BUNDLED, *build.PUBLISHED]
    raise DataError(
        f"{unknown_choice('data source', source, choices)}, a Parquet file, "
        "a folder with train.parquet and test.parquet, or hub:ORG/NAME"
    )


def _hub(name: str) -> Hub:
    if name.count("/") != 1 or not all(name.split("/")):
        raise DataError(f"data.source = 'hub:{name}' must be of the form hub:ORG/NAME")
    return Hub(name, "get online with pip install 'paceline[sim]', or name a local Parquet file")


def _published(source: str, folder: str | None) -> Origin:
    """The user's own copy where there is one, else the hub's."""
    place = folder or os.environ.get("PACELINE_DATA")
    if place:
        base = Path(place).expanduser().absolute()
        inside = ["", source, "plain_text", "data"]  # as the hub's repositories have them
        found = find_folder([start / sub for start in (base / source, base) for sub in inside])
        if found is not None:
            return found
        if folder:
            raise DataError(f"data.dir = {folder!r} holds no {source}/train.parquet")
    return Hub(
        build.PUBLISHED[source].hub_name,
        f"set PACELINE_DATA or data.dir to a folder with {source}/train.parquet and "
        f"{source}/test.parquet, or get online with pip install 'paceline[sim]'",
    )


def _dataset(entry: cache.Entry, fingerprint: str) -> Dataset:
    arrays, meta = entry.arrays, entry.meta
    return Dataset(
        train=Split(arrays["train-x"], arrays.get("train-y")),
        test=Split(arrays["test-x"], arrays.get("test-y")),
        kind=meta["kind"],
        classes=meta["classes"],
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        scale=meta["scale"],
        fingerprint=fingerprint,
    )
