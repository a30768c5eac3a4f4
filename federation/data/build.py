"""Raw tables to the arrays of a data set: what the cache keeps of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data import cache, columns, images
from federation.data.dataset import Kind
from federation.data.parquet import Origin, Part
from federation.errors import DataError
from federation.seeds import generator

BYTE_SCALE = 255.0
_SPLIT_SEED = 0  # the split of a single table is part of the source, not of an experiment

Pair = tuple[NDArray[Any], NDArray[Any]]
"""Training and test rows."""


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


def split_rows(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and test rows of a table that comes as one: 80/20, the same everywhere, ascending.

    >>> [len(rows) for rows in split_rows(1797)]
    [1437, 360]
    """
    order = generator(_SPLIT_SEED, "train-test-split").permutation(count)
    test = -(-count // 5)
    return np.sort(order[test:]), np.sort(order[:test])


def from_arrays(pixels: NDArray[Any], labels: NDArray[Any], scale: float) -> cache.Entry:
    """Images (N, C, H, W) uint8 in 0..scale with class numbers, split here."""
    mean, std = images.statistics(_both([pixels])[0], scale)
    meta = {"mean": mean, "std": std, "scale": scale}
    return _entry("image", _both([pixels]), _both([labels]), int(labels.max()) + 1, meta)


def from_tables(
    origin: Origin, inputs: str | list[str] | None, label: str | None, published: Published | None
) -> cache.Entry:
    """Decode the named columns of an origin, or those that go by their usual names.

    Raises DataError where they are missing, cannot be decoded, or differ between the splits.
    """
    chosen: list[tuple[list[str], str | None]] = []

    def select(present: Sequence[str], place: str) -> list[str]:
        chosen.append(columns.choose(present, inputs, label, place))
        names, target = chosen[-1]
        return names if target is None else [*names, target]

    parts = origin.parts(select)
    names, target = chosen[0]
    for other in chosen[1:]:
        if other != chosen[0]:
            raise DataError(
                f"{parts[-1].place}: input and label are {other} where {parts[0].place} has "
                f"{chosen[0]}; name them with data.input and data.label"
            )
    kind, x = _inputs(parts, names)
    if target is None and kind != "tokens":
        raise DataError(
            f"{parts[0].place}: no label column among {', '.join(columns.LABEL_NAMES)}; "
            "name it with data.label"
        )
    y, classes = (None, None) if target is None else _labels(parts, target)
    return _entry(kind, x, y, classes, _pixels(kind, x[0], published, parts[0].place))


def _inputs(parts: list[Part], names: list[str]) -> tuple[Kind, Pair]:
    decoded = [columns.decode_inputs(part.table, names, part.place) for part in parts]
    (kind, x), (other, x_test) = decoded[0], decoded[-1]
    if other != kind or x_test.shape[1:] != x.shape[1:]:
        raise DataError(
            f"{parts[-1].place}: inputs are {other} of shape {x_test.shape[1:]} "
            f"where {parts[0].place} has {kind} of shape {x.shape[1:]}"
        )
    if len(parts) == 1 and len(x) < 2:
        raise DataError(f"{parts[0].place} has 1 row; at least 2 are needed to train and to test")
    return kind, _both([rows for _, rows in decoded])


def _labels(parts: list[Part], name: str) -> tuple[Pair, int | None]:
    first, last = parts[0], parts[-1]
    y, y_test, classes = columns.decode_labels(
        first.table, last.table, name, (first.place, last.place)
    )
    return _both([y] if len(parts) == 1 else [y, y_test]), classes


def _both(arrays: list[NDArray[Any]]) -> Pair:
    """Training and test rows as they came, or one array split in two."""
    if len(arrays) == 2:
        return arrays[0], arrays[1]
    train, test = split_rows(len(arrays[0]))
    return arrays[0][train], arrays[0][test]


def _pixels(
    kind: Kind, x: NDArray[Any], published: Published | None, place: str
) -> dict[str, object]:
    """Mean, deviation and scale: the published ones, or those of the training rows."""
    if published is not None:
        if kind != "image" or x.shape[1] != len(published.mean):
            raise DataError(
                f"{place} holds {kind} inputs of shape {x.shape[1:]}, not the images of "
                f"{published.hub_name}; name its folder as data.source instead"
            )
        mean, std = published.mean, published.std
    else:
        mean, std = images.statistics(x, BYTE_SCALE) if kind == "image" else ((), ())
    return {"mean": mean, "std": std, "scale": BYTE_SCALE}


def _entry(
    kind: Kind, x: Pair, y: Pair | None, classes: int | None, pixels: dict[str, object]
) -> cache.Entry:
    arrays = {"train-x": x[0], "test-x": x[1]}
    if y is not None:
        arrays |= {"train-y": y[0], "test-y": y[1]}
    return cache.Entry(arrays, {"kind": kind, "classes": classes, **pixels})
