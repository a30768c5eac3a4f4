"""Checkpoints of the server: safetensors and JSON, complete or absent, verified when read.

`checkpoint/r000123/` holds `state.safetensors` (keys PART/NAME, "/" and "%" in a part's name
written as %2F and %25), `state.json` (the order of parts and names, which safetensors does not
keep, and the scalars) and `MANIFEST.json` with the SHA-256 of both. The folder is written under
another name and renamed when all of it is on the disk. The store names the one that counts by the
SHA-256 of its manifest; save first, then commit. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.arrays import Array, Arrays, Parts
from federation.errors import FolderError
from federation.results.durable import cause, replacing, sha256, sync

Scalar = float | int | str

_KEPT: Final = 2
_VERSION: Final = 1
_FILES: Final = ("state.safetensors", "state.json")
_MANIFEST: Final = "MANIFEST.json"
_REMEDY: Final = "restore the file from a copy, or start a new run with --out"


def save(folder: Path, round: int, parts: Parts, scalars: Mapping[str, Scalar]) -> str:
    """Writes the state after `round` and returns the SHA-256 of its manifest.

    Keeps the newest two checkpoints. What stands there for this round or a later one was never
    committed (a committed round must not be saved again) and is replaced. Raises FolderError where
    the disk refuses; the earlier checkpoints are then untouched.
    """
    final = _folder(folder, round)
    temp = final.with_name(f".{final.name}.tmp")
    try:
        if not final.parent.exists():
            final.parent.mkdir(mode=0o700)
            sync(folder)
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir(mode=0o700)
        manifest = _write(temp, round, parts, scalars)
        if final.exists():
            shutil.rmtree(final)
        os.replace(temp, final)
        sync(final.parent)
        _prune(folder, round)
    except OSError as error:
        shutil.rmtree(temp, ignore_errors=True)
        raise FolderError(f"cannot write {final}: {cause(error)}; make room and resume") from error
    return manifest


def _write(temp: Path, round: int, parts: Parts, scalars: Mapping[str, Scalar]) -> str:
    state = {
        "round": round,
        "parts": {part: list(arrays) for part, arrays in parts.items()},
        "scalars": dict(scalars),
    }
    flat = {
        _key(part, name): value for part, arrays in parts.items() for name, value in arrays.items()
    }
    _save_arrays(flat, temp / "state.safetensors")
    (temp / "state.json").write_text(json.dumps(state, indent=1) + "\n")
    files = {name: sha256(temp / name) for name in _FILES}
    manifest = json.dumps({"version": _VERSION, "round": round, "files": files}, indent=1) + "\n"
    for name in _FILES:
        sync(temp / name)
    (temp / _MANIFEST).write_text(manifest)
    sync(temp / _MANIFEST)
    sync(temp)
    return hashlib.sha256(manifest.encode()).hexdigest()


def _prune(folder: Path, round: int) -> None:
    """Removes all but the newest `_KEPT` checkpoints up to `round`, and what a crash left."""
    saved = _saved(folder)
    keep = [saved[number] for number in sorted(saved) if number <= round][-_KEPT:]
    left_overs = (folder / "checkpoint").glob(".r*.tmp")
    for path in (*saved.values(), *left_overs):
        if path not in keep:
            shutil.rmtree(path, ignore_errors=True)  # the new checkpoint stands all the same


def discard_after(folder: Path, round: int) -> None:
    """Removes checkpoints of rounds after `round`: a crash came before their commit.

    To be called on resume, so that they never count as the newest.
    """
    for number, path in _saved(folder).items():
        if number > round:
            shutil.rmtree(path)


def _saved(folder: Path) -> dict[int, Path]:
    """The complete checkpoints by round."""
    found = (folder / "checkpoint").glob("r*")
    return {int(path.name[1:]): path for path in found if path.name[1:].isdigit()}


def load(
    folder: Path, round: int, manifest_sha: str
) -> tuple[dict[str, dict[str, Array]], dict[str, Scalar]]:
    """The parts and scalars that `save` was given, bit for bit and in the same order.

    `manifest_sha` is what `save` returned. Every byte is checked before it is used; raises
    FolderError naming the file that is missing or damaged. The arrays are the caller's to change.
    """
    from safetensors.numpy import load as parse

    path = _folder(folder, round)
    manifest = json.loads(_verified(path / _MANIFEST, manifest_sha))
    if manifest["version"] != _VERSION:
        raise FolderError(
            f"{path / _MANIFEST} has version {manifest['version']} and this paceline reads "
            f"{_VERSION}: resume with the version that wrote it"
        )
    contents = {name: _verified(path / name, manifest["files"][name]) for name in _FILES}
    state: dict[str, Any] = json.loads(contents["state.json"])
    flat = parse(contents["state.safetensors"])
    parts = {
        part: {name: flat[_key(part, name)].copy() for name in names}
        for part, names in state["parts"].items()
    }
    return parts, state["scalars"]


def _verified(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FolderError(f"cannot read {path}: {cause(error)}; {_REMEDY}") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise FolderError(f"{path} is damaged: its SHA-256 is not the recorded one; {_REMEDY}")
    return data


def save_model(path: Path, arrays: Arrays) -> str:
    """Writes a model as safetensors, all of it or nothing, and returns the file's SHA-256."""
    with replacing(path) as temp:
        _save_arrays(arrays, temp)
        return sha256(temp)


def _save_arrays(arrays: Arrays, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # safetensors writes the memory as it lies; `ascontiguousarray` would make 0-d arrays 1-d.
    dense = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    try:
        save_file(dense, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _folder(folder: Path, round: int) -> Path:
    return folder / "checkpoint" / f"r{round:06d}"


def _key(part: str, name: str) -> str:
    return f"{part.replace('%', '%25').replace('/', '%2F')}/{name}"
