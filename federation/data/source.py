"""From a scenario's `[data]` to a data set: found, decoded once, memory-mapped from then on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data import cache, digits, images
from federation.data.dataset import Dataset, Split
from federation.data.hub import Hub
from federation.data.parquet import Origin, ParquetFiles, Part, find_folder
from federation.errors import DataError, unknown_choice
from federation.scenario.schema import DataConfig
from federation.seeds import generator

TEST_SHARE = 0.2
BUNDLED = ("digits",)
_SPLIT_SEED = 0  # the split of a single table is part of the source, not of an experiment


@dataclass(frozen=True)
class Published:
    """A well-known image source: where the hub has it, and the mean and deviation everyone uses."""

    hub_name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


PUBLISHED: Mapping[str, Published] = {
    "mnist": Published("ylecun/mnist", (0.1307,), (0.3081,)),
    "cifar10": Published("uoft-cs/cifar10", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


def load(config: DataConfig) -> Dataset:
    """The data set that `config` names, memory-mapped.

    The first call on a machine decodes it into the cache. Raises DataError where it cannot be
    found, read or understood.
    """
    origin = None if config.source == "digits" else _origin(config)
    identity = ["digits"] if origin is None else origin.identity()
    name = config.source if config.source in PUBLISHED else None
    key = cache.key_of([name, identity, config.input, config.label])
    return _dataset(cache.fetch("data", key, lambda: _build(config, origin)), key)


def read_column(config: DataConfig, name: str) -> NDArray[Any]:
    """One value a training row, in the order of the training split: int64, float64 or str objects.

    Raises DataError where the source has no such column or a value in it is missing.
    """
    from federation.data import columns

    if config.source == "digits":
        raise DataError(f"data.source = 'digits' has no column {name!r}, only images and labels")

    def select(present: Sequence[str], place: str) -> list[str]:
        columns.check_present(name, present, place)
        return [name]

    parts = _origin(config).parts(select)
    values = columns.plain(parts[0].table, name, parts[0].place)
    return values if len(parts) == 2 else values[split_rows(len(values))[0]]


def split_rows(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows of a table that comes as one: 80/20, the same everywhere, ascending.

    >>> [len(rows) for rows in split_rows(1797)]
    [1437, 360]
    """
    order = generator(_SPLIT_SEED, "train-test-split").permutation(count)
    test = max(1, -int(-count * TEST_SHARE // 1))
    return np.sort(order[test:]), np.sort(order[:test])


def _origin(config: DataConfig) -> Origin:
    source = config.source
    if source.startswith("hub:"):
        return _hub(source.removeprefix("hub:"))
    if source in PUBLISHED:
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
    choices = [*BUNDLED, *PUBLISHED]
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
        PUBLISHED[source].hub_name,
        f"set PACELINE_DATA or data.dir to a folder with {source}/train.parquet and "
        f"{source}/test.parquet, or get online with pip install 'paceline[sim]'",
    )


def _build(config: DataConfig, origin: Origin | None) -> cache.Entry:
    if origin is None:
        x, y = digits.read()
        return _entry("image", _halves(x), _halves(y), int(y.max()) + 1, digits.PIXEL_SCALE)
    from federation.data import columns

    chosen: list[tuple[list[str], str | None]] = []

    def select(present: Sequence[str], place: str) -> list[str]:
        inputs, label = columns.choose(present, config.input, config.label, place)
        chosen.append((inputs, label))
        return inputs if label is None else [*inputs, label]

    parts = origin.parts(select)
    if any(choice != chosen[0] for choice in chosen):
        raise DataError(f"{parts[-1].place} has other columns than {parts[0].place}: {chosen}")
    return _decode(config, parts, *chosen[0])


def _decode(
    config: DataConfig, parts: list[Part], inputs: list[str], label: str | None
) -> cache.Entry:
    from federation.data import columns

    first, last = parts[0], parts[-1]
    kind, x = columns.decode_inputs(first.table, inputs, first.place)
    if label is None and kind != "tokens":
        raise DataError(
            f"{first.place}: no label column among {', '.join(columns.LABEL_NAMES)}; "
            "name it with data.label"
        )
    if len(parts) == 1:
        if len(x) < 2:
            raise DataError(f"{first.place} has 1 row; at least 2 are needed to train and to test")
        xs = _halves(x)
    else:
        other, x_test = columns.decode_inputs(last.table, inputs, last.place)
        if other != kind or x_test.shape[1:] != x.shape[1:]:
            raise DataError(
                f"{last.place}: inputs are {other} of shape {x_test.shape[1:]} "
                f"where {first.place} has {kind} of shape {x.shape[1:]}"
            )
        xs = x, x_test
    if label is None:
        return _entry(kind, xs, None, None, 255.0)
    places = first.place, last.place
    y, y_test, classes = columns.decode_labels(first.table, last.table, label, places)
    ys = _halves(y) if len(parts) == 1 else (y, y_test)
    entry = _entry(kind, xs, ys, classes, 255.0)
    return _with_published(entry, config.source, first.place)


def _halves(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    train, test = split_rows(len(rows))
    return rows[train], rows[test]


def _entry(
    kind: str,
    x: tuple[NDArray[Any], NDArray[Any]],
    y: tuple[NDArray[Any], NDArray[Any]] | None,
    classes: int | None,
    scale: float,
) -> cache.Entry:
    arrays = {"train-x": x[0], "test-x": x[1]}
    if y is not None:
        arrays |= {"train-y": y[0], "test-y": y[1]}
    mean, std = images.statistics(x[0], scale) if kind == "image" else ((), ())
    meta = {"kind": kind, "classes": classes, "mean": mean, "std": std, "scale": scale}
    return cache.Entry(arrays, meta)


def _with_published(entry: cache.Entry, source: str, place: str) -> cache.Entry:
    known = PUBLISHED.get(source)
    if known is None:
        return entry
    shape = entry.arrays["train-x"].shape[1:]
    if entry.meta["kind"] != "image" or shape[0] != len(known.mean):
        raise DataError(f"{place} is not {source}: its inputs are {entry.meta['kind']} {shape}")
    return cache.Entry(entry.arrays, {**entry.meta, "mean": known.mean, "std": known.std})


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
