"""The versions of the model that a client holds, where the downlink sends differences.

All clients that hold a version hold the same arrays. So the clients of a simulation on one machine
share a folder; a device has one of its own, with its own version in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from federation.arrays import Arrays, Parts
from federation.downlink import NOT_HELD, WHOLE, WINDOW, Letter, open_letter
from federation.errors import ClientError
from federation.transport import Channel, PartSpecs, parts_label

_IN_MEMORY = 2


@dataclass(frozen=True)
class HeldVersions:
    """One file per version; the last versions used are in memory too.

    `start` is version 0 as this process makes it from the seed.
    """

    folder: Path
    start: Parts = field(default_factory=dict)
    _recent: dict[int, Parts] = field(default_factory=dict)

    def receive(self, channel: Channel, letter: Letter, specs: PartSpecs) -> Parts:
        """The version that a letter makes.

        Clients that share the folder build on the newest version that one of them decoded.
        Raises ClientError where the letter's base is not held, RejectedUpdate for a wrong payload.
        """
        if letter.base == WHOLE:
            return self._open(channel, letter, specs, {})
        for version in range(letter.version, letter.base - 1, -1):
            known = self.load(version)
            if known is not None:
                return self._open(channel, replace(letter, base=version), specs, known)
        if letter.base == 0 and letter.start == parts_label(self.start, specs):
            return self._open(channel, letter, specs, self.start)
        raise ClientError(NOT_HELD)

    def _open(self, channel: Channel, letter: Letter, specs: PartSpecs, base: Parts) -> Parts:
        if letter.base == letter.version:
            return base
        parts = open_letter(channel, letter, specs, base)
        self.save(letter.version, parts)
        return parts

    def load(self, version: int) -> Parts | None:
        """The parts of a version, or None where it is not held."""
        if version not in self._recent:
            path = self._path(version)
            if not path.exists():
                return None
            self._remember(version, _unflatten(load_file(path)))
        return self._recent[version]

    def save(self, version: int, parts: Parts) -> None:
        """Hold a version; versions that no letter can build on any more are dropped."""
        self._remember(version, parts)
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self._path(version)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        save_file(_flatten(parts), temporary)
        os.replace(temporary, target)
        self._path(version - WINDOW - 1).unlink(missing_ok=True)

    def _remember(self, version: int, parts: Parts) -> None:
        self._recent.pop(version, None)
        self._recent[version] = parts
        while len(self._recent) > _IN_MEMORY:
            del self._recent[next(iter(self._recent))]

    def _path(self, version: int) -> Path:
        return self.folder / f"v{version:08d}.safetensors"


def _flatten(parts: Parts) -> dict[str, np.ndarray]:
    return {
        # Not `ascontiguousarray`, which makes 0-d arrays 1-d.
        f"{part}/{name}": np.asarray(value, order="C")
        for part, arrays in parts.items()
        for name, value in arrays.items()
    }


def _unflatten(flat: Arrays) -> Mapping[str, Arrays]:
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, value in flat.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = value
    return parts
