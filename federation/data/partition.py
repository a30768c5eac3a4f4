"""Who holds which training rows. Rows are numbers into `Dataset.train`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data import cache, extended_dirichlet, partition_file, public, source
from federation.data.dataset import Dataset
from federation.data.partition_checks import BY_LABEL, check_column, check_fit
from federation.errors import DataError
from federation.scenario import partitions as kinds
from federation.scenario.schema import DataConfig
from federation.seeds import generator

_BY_COLUMN = (kinds.Natural, kinds.Continuous)


class Assignment(ABC):
    """The rows of each client, 0 to `clients` - 1. `provenance` says how they came about."""

    provenance: str

    @property
    @abstractmethod
    def clients(self) -> int:
        """The number of clients."""

    @abstractmethod
    def rows_of(self, client: int) -> NDArray[Any]:
        """The rows of one client, read-only. Raises IndexError for an unknown client."""

    @abstractmethod
    def sizes(self) -> NDArray[np.int64]:
        """The number of rows of each client, read-only."""

    def _check(self, client: int) -> None:
        if not 0 <= client < self.clients:
            raise IndexError(f"client {client} of {self.clients}")


@dataclass(frozen=True)
class Table(Assignment):
    """All rows end to end in `rows`; client i has `rows[offsets[i]:offsets[i + 1]]`."""

    offsets: NDArray[np.int64]
    rows: NDArray[Any]
    provenance: str

    @property
    def clients(self) -> int:
        """The number of clients."""
        return len(self.offsets) - 1

    def rows_of(self, client: int) -> NDArray[Any]:
        """A view of the client's run of rows."""
        self._check(client)
        rows = self.rows[self.offsets[client] : self.offsets[client + 1]]
        rows.flags.writeable = False
        return rows

    def sizes(self) -> NDArray[np.int64]:
        """Differences of the offsets."""
        sizes = np.diff(self.offsets)
        sizes.flags.writeable = False
        return sizes


@dataclass(frozen=True)
class Resampled(Assignment):
    """Each client draws `examples` of `total` rows when it is asked; costs no memory a client.

    Where only some rows are to be had, `among` holds their numbers.
    """

    population: int
    examples: int
    total: int
    seed: int
    provenance: str
    among: NDArray[np.int64] | None = None

    @property
    def clients(self) -> int:
        """The number of clients."""
        return self.population

    def rows_of(self, client: int) -> NDArray[Any]:
        """Drawn without replacement, from a generator of the client's own."""
        self._check(client)
        rng = generator(self.seed, "resampled-rows", client)
        rows = rng.choice(self.total, self.examples, replace=False)
        rows = rows if self.among is None else self.among[rows]
        rows.flags.writeable = False
        return rows

    def sizes(self) -> NDArray[np.int64]:
        """One number, shown for every client."""
        return np.broadcast_to(np.int64(self.examples), self.population)


def cached_assignment(
    config: DataConfig,
    dataset: Dataset,
    seed: int,
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Assignment:
    """As `assign`, but drawn once a machine and memory-mapped by whoever asks next."""
    if isinstance(config.partition, kinds.Resampled):
        return assign(config, dataset, seed)
    identity: list[object] = [
        dataset.fingerprint, config.partition.model_dump(mode="json"), config.clients, seed
    ]  # fmt: skip
    if config.public:
        identity.append(config.public)
    if isinstance(config.partition, kinds.File):
        path = partition_file.find(config.partition.path, config.dir)
        identity += [str(path), path.stat().st_size, path.stat().st_mtime_ns]

    def build() -> cache.Entry:
        table = assign(config, dataset, seed, columns)
        assert isinstance(table, Table)
        arrays = {"offsets": table.offsets, "rows": table.rows}
        return cache.Entry(arrays, {"provenance": table.provenance})

    entry = cache.fetch("partitions", cache.key_of(identity), build)
    return Table(entry.arrays["offsets"], entry.arrays["rows"], entry.meta["provenance"])


def assign(
    config: DataConfig,
    dataset: Dataset,
    seed: int,
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Assignment:
    """Share the training rows out as `config.partition` says.

    `columns` may hold the column that `natural` or `continuous` look at, one value a training row;
    without it, it is read from the source. Rows that are public are shared out to nobody. Raises
    DataError where the recipe does not fit the data or leaves a client without rows.
    """
    if not config.public:
        return _assign(config, dataset, seed, columns)
    private = public.private_numbers(len(dataset.train), config.public, seed)
    if isinstance(config.partition, _BY_COLUMN):
        name, given = config.partition.column, columns or {}
        values = given[name] if name in given else source.read_column(config, name)
        columns = {name: values[private]}
    shared = _assign(config, public.without(dataset, private), seed, columns)
    note = f"{shared.provenance}, {config.public} public"
    if isinstance(shared, Resampled):
        return replace(shared, provenance=note, among=private)
    assert isinstance(shared, Table)
    rows = private[shared.rows].astype(_row_type(len(dataset.train)))
    return replace(shared, rows=rows, provenance=note)


def _assign(
    config: DataConfig,
    dataset: Dataset,
    seed: int,
    columns: Mapping[str, NDArray[Any]] | None,
) -> Assignment:
    """Share out all training rows of `dataset`."""
    recipe, clients, rows = config.partition, config.clients, len(dataset.train)
    check_fit(recipe, clients, dataset)
    if isinstance(recipe, kinds.Resampled):
        return Resampled(clients, recipe.examples, rows, seed, f"resampled, seed {seed}")
    if isinstance(recipe, kinds.Iid):
        return _iid(clients, rows, seed)
    if isinstance(recipe, kinds.File):
        path = partition_file.find(recipe.path, config.dir)
        return _table(*partition_file.read(path, clients, rows), rows)
    by = _key(config, dataset, columns)
    if isinstance(recipe, kinds.ExtendedDirichlet):
        assert by is not None
        parts = extended_dirichlet.draw(recipe, by, clients, generator(seed, "partition"))
        return _table(parts, f"{recipe.kind} by recipe, seed {seed}", rows)
    from federation.data import flower_partitioners

    parts, note = flower_partitioners.draw(recipe, clients, rows, by, seed)
    return _table(parts, f"{recipe.kind} {note}", rows)


def split_holdout(
    rows: NDArray[Any], holdout: float, seed: int, client: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A client's own training and test rows, each in the order of `rows`.

    A share `holdout` is for testing: rounded, at least one row where there are two, and never all.
    """
    count = len(rows)
    if holdout == 0 or count < 2:
        return rows, rows[:0]
    test = min(max(round(holdout * count), 1), count - 1)
    held = np.zeros(count, bool)
    held[generator(seed, "holdout", client).permutation(count)[:test]] = True
    return rows[~held], rows[held]


def _iid(clients: int, rows: int, seed: int) -> Table:
    """Shuffled rows in equal runs, the first ones longer by a row: flwr-datasets' IidPartitioner.

    Computed here because a million clients are two arrays, and seconds.
    """
    order = generator(seed, "partition").permutation(rows).astype(_row_type(rows))
    each, longer = divmod(rows, clients)
    starts = np.arange(clients + 1, dtype=np.int64)
    offsets = starts * each + np.minimum(starts, longer)
    return Table(offsets, order, f"iid, seed {seed}")


def _table(parts: Sequence[NDArray[Any]], provenance: str, rows: int) -> Table:
    sizes = np.array([len(part) for part in parts])
    if not sizes.all():
        raise DataError(
            f"partition {provenance}: client {int(np.argmin(sizes))} has no data; "
            "use fewer clients or a less uneven partition"
        )
    used = int(sizes.sum())
    if used < rows:
        provenance += f", {used} of {rows} rows used"
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Table(offsets, np.concatenate(parts).astype(_row_type(rows)), provenance)


def _row_type(rows: int) -> type[np.signedinteger[Any]]:
    return np.int32 if rows < 2**31 else np.int64


def _key(
    config: DataConfig, dataset: Dataset, columns: Mapping[str, NDArray[Any]] | None
) -> NDArray[Any] | None:
    """What the recipe groups or orders rows by: dense class numbers, a column, or nothing."""
    recipe = config.partition
    if isinstance(recipe, BY_LABEL):
        assert dataset.train.y is not None
        return np.unique(dataset.train.y, return_inverse=True)[1].astype(np.int64)
    if not isinstance(recipe, _BY_COLUMN):
        return None
    given = columns or {}
    name = recipe.column
    values = given[name] if name in given else source.read_column(config, name)
    check_column(recipe, values, config.clients)
    return values
