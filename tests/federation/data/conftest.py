"""A cache of its own for each test, and small Parquet files made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from federation.data.dataset import Dataset, Split
from federation.data.partition import Assignment, assign
from federation.scenario.schema import DataConfig


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the current folder is empty too, so that relative paths find nothing."""
    folder = tmp_path / "cache"
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PACELINE_CACHE", str(folder))
    return folder


@pytest.fixture
def config() -> Callable[..., DataConfig]:
    """Builds a DataConfig; `partition` by keywords of its own is a plain dict."""

    def build(source: object = "digits", clients: int = 10, **settings: Any) -> DataConfig:
        return DataConfig(source=str(source), clients=clients, **settings)

    return build


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """Writes columns to a Parquet file below `tmp_path` and returns its path."""

    def write(columns: Mapping[str, Any], name: str = "table.parquet") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(dict(columns)), path)
        return path

    return write


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Encodes an array (H, W) or (H, W, 3) of uint8."""

    def encode(pixels: Any) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def labelled() -> Callable[..., Dataset]:
    """A data set in memory with the given labels; its inputs are the row numbers."""

    def build(labels: Any, classes: int | None = 10) -> Dataset:
        y = np.asarray(labels)
        split = Split(np.arange(len(y), dtype=np.float32)[:, None], y)
        return Dataset(split, split, "numeric", classes, (), (), 255.0, "in-memory")

    return build


@pytest.fixture(scope="session")
def share(labelled: Callable[..., Dataset]) -> Callable[..., Assignment]:
    """Shares 240 rows of 10 equal classes, or rows of the given labels, among 8 clients."""
    even = np.arange(240) * 7 % 10

    def build(
        recipe: dict[str, Any], clients: int = 8, seed: int = 1, labels: Any = even, **more: Any
    ) -> Assignment:
        config = DataConfig(source="digits", clients=clients, partition=recipe)
        data = labelled(labels, more.get("classes", 10))
        return assign(config, data, seed, more.get("columns"))

    return build


@pytest.fixture(scope="session")
def parts() -> Callable[[Assignment], list[list[int]]]:
    """The rows of each client as lists."""
    return lambda shared: [shared.rows_of(client).tolist() for client in range(shared.clients)]
