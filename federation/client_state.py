"""What a client keeps between requests: on disk, keyed by client and round.

The state written in round r is found again by requests of later rounds only. So a round that is
repeated after a crash starts from what the client had before it, and nothing counts twice. A reply
that got lost or was refused is undone by the next request (`undo`), so that client and server go on
from the same past. The two newest versions are kept, versions of rounds that were undone are
dropped; a run whose clients keep state commits every round.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from federation.arrays import Array, Parts

_KEPT_VERSIONS = 2


@dataclass(frozen=True)
class StateStore:
    """One folder per client, one file per round: `client-7/r000012.safetensors`."""

    folder: Path

    def load(self, client: int, round_number: int) -> dict[str, dict[str, Array]]:
        """What the client kept in its newest round before `round_number`; empty at first."""
        earlier = [path for path in self._versions(client) if _round_of(path) < round_number]
        if not earlier:
            return {}
        parts: dict[str, dict[str, Array]] = {}
        for key, value in load_file(earlier[-1]).items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = value
        return parts

    def save(self, client: int, round_number: int, parts: Parts) -> None:
        """Keep `parts` as of this round; a crash leaves the old version or the new one whole."""
        folder = self._folder(client)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"r{round_number:06d}.safetensors"
        temporary = folder / f".{target.name}.{os.getpid()}"
        flat = {
            # Not `ascontiguousarray`, which makes 0-d arrays 1-d.
            f"{part}/{name}": np.asarray(value, order="C")
            for part, arrays in parts.items()
            for name, value in arrays.items()
        }
        save_file(flat, temporary)
        os.replace(temporary, target)
        versions = self._versions(client)
        past = [path for path in versions if _round_of(path) <= round_number]
        undone = [path for path in versions if _round_of(path) > round_number]
        for path in past[:-_KEPT_VERSIONS] + undone:
            path.unlink()

    def undo(self, client: int, round_number: int) -> None:
        """Drop what the client kept in this round and later: the server did not count them."""
        for path in self._versions(client):
            if _round_of(path) >= round_number:
                path.unlink()

    def forget(self) -> None:
        """Delete all that was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _folder(self, client: int) -> Path:
        return self.folder / f"client-{client}"

    def _versions(self, client: int) -> list[Path]:
        return sorted(self._folder(client).glob("r*.safetensors"), key=_round_of)


def _round_of(path: Path) -> int:
    return int(path.name[1:].partition(".")[0])
