"""Arrays kept on disk, so that each is computed once a machine and shared between processes.

An entry is a folder of .npy files and a `meta.json`. It is written beside its place and renamed
into it, so a reader sees all of it or none, and processes that build the same entry at the same
time do no harm. Arrays are memory-mapped: all workers of a machine share one copy of the pages.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import DataError

FORMAT_VERSION = 1
"""Part of every key: to be raised when what is stored, or how it is computed, changes."""


@dataclass(frozen=True)
class Entry:
    """Named arrays and JSON values that belong together."""

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]


def root() -> Path:
    """`$PACELINE_CACHE`, or the user's cache folder as the operating system has it."""
    folder = os.environ.get("PACELINE_CACHE")
    if folder:
        return Path(folder).expanduser().absolute()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("paceline"))


def key_of(content: object) -> str:
    """32 hex digits that change whenever the JSON value `content` or the cache format does."""
    text = json.dumps([FORMAT_VERSION, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fetch(kind: str, key: str, build: Callable[[], Entry]) -> Entry:
    """The entry of that key, built and stored first where it is missing or damaged.

    Raises DataError where the cache folder cannot be written, and whatever `build` raises.
    """
    folder = root() / kind / key
    entry = _read(folder)
    if entry is None:
        built = build()
        try:
            _write(folder, built)
        except OSError as error:
            raise DataError(
                f"cache folder {folder.parent}: {error.strerror or error}; "
                "set PACELINE_CACHE to a folder with space that can be written"
            ) from None
        entry = _read(folder)
    if entry is None:
        raise DataError(f"cache entry {folder} cannot be read back; delete it and try again")
    return entry


def _read(folder: Path) -> Entry | None:
    """The entry in that folder, or None where there is none or a part of it is damaged."""
    try:
        stored = json.loads((folder / "meta.json").read_bytes())
        arrays = {
            name: _map(folder / f"{name}.npy", layout) for name, layout in stored["arrays"].items()
        }
        return Entry(arrays, dict(stored["meta"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _map(path: Path, layout: list[Any]) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if _layout(array) != layout:
        raise ValueError(f"{path} is not the array that was stored")
    # A plain view: indexing a np.memmap costs several times as much.
    plain: NDArray[Any] = array.view(np.ndarray)
    return plain


def _layout(array: NDArray[Any]) -> list[Any]:
    return [list(array.shape), array.dtype.str]


def _write(folder: Path, entry: Entry) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name, array in entry.arrays.items():
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        layouts = {name: _layout(array) for name, array in entry.arrays.items()}
        text = json.dumps({"arrays": layouts, "meta": dict(entry.meta)})
        (draft / "meta.json").write_text(text)
        _publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, folder: Path) -> None:
    """Rename the draft to its place, unless another process has put a good entry there."""
    try:
        os.rename(draft, folder)
    except OSError:
        if not folder.exists():
            raise
        if _read(folder) is not None:
            return
        damaged = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            os.rename(folder, damaged / "damaged")
            os.rename(draft, folder)
        finally:
            shutil.rmtree(damaged, ignore_errors=True)
