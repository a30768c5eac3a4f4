"""What the server sends down: the model, or the differences a client missed.

With a lossy downlink all clients that are up to date hold the same arrays, version by version.
Version 0 is the start: what every client makes by itself from the scenario's seed. Publishing a
model encodes its difference from the last version; what that loses stays in the difference for the
next version, so nothing is lost for good (error feedback on the server's side). A client that
missed versions gets all their payloads (Sattler et al. 2019, "STC"), or the latest version whole
and uncompressed where that is smaller. Each client's version is known, and only clients that were
ever asked are remembered. A letter that builds on the start says which start that is, so that a
client whose libraries draw other numbers asks for the model whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Arrays, Parts
from federation.codecs._chain import Chain
from federation.messages import Payloads
from federation.transport import Channel, PartSpecs, Place, parts_label

WINDOW = 256
"""Versions whose payloads are kept. Older clients get the model whole."""

NOT_HELD = "this client does not hold the model that the difference is taken from"

WHOLE = -1
"""The base version of a letter that holds the model whole."""


@dataclass(frozen=True)
class Letter:
    """What goes to a client: payloads that lead from version `base` to `version`.

    Payload names are `part` where the model goes whole, `part@version` else. `start` names the
    start's arrays where that is the base.
    """

    version: int
    base: int
    payloads: Payloads
    start: int = 0


@dataclass
class Publisher:
    """The server's side of a lossy downlink; `held` is the start, then the latest version."""

    channel: Channel
    specs: PartSpecs
    held: Parts
    version: int = 0
    _start: int = field(init=False)
    _log: dict[int, Payloads] = field(default_factory=dict)
    _clients: dict[int, int] = field(default_factory=dict)
    _letters: dict[int, Letter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the start while it is at hand."""
        self._start = parts_label(self.held, self.specs)

    def publish(self, parts: Parts) -> None:
        """Make `parts` the next version, as well as the codec can say it.

        The start itself is no new version: everyone has it.
        """
        if self.version == 0 and parts_label(parts, self.specs) == self._start:
            return
        self._letters.clear()
        self.version += 1
        place = Place(self.version)
        sent = self.channel.encode(parts, self.specs, self.held, place, {})
        received = self.channel.decode(sent.payloads, self.specs, self.held, place, {})
        self.held = received.parts
        self._log[self.version] = sent.payloads
        self._log.pop(self.version - WINDOW, None)

    def letter(self, client: int) -> Letter:
        """What this client needs to hold the latest version; clients alike share the object."""
        base = self._clients.get(client, 0)
        if base not in self._letters:
            self._letters[base] = self._letter(base)
        return self._letters[base]

    def delivered(self, client: int) -> None:
        """The client holds the latest version now."""
        self._clients[client] = self.version

    def lost(self, client: int) -> None:
        """The client does not hold what it should; it gets the model whole next time."""
        self._clients[client] = WHOLE

    def _letter(self, base: int) -> Letter:
        whole = _whole(self.channel, self.held, self.specs, self.version)
        missed = range(base + 1, self.version + 1)
        if base == WHOLE or any(version not in self._log for version in missed):
            return Letter(self.version, WHOLE, whole)
        payloads = {
            f"{part}@{version}": payload
            for version in missed
            for part, payload in self._log[version].items()
        }
        if sum(map(len, payloads.values())) >= sum(map(len, whole.values())):
            return Letter(self.version, WHOLE, whole)
        return Letter(self.version, base, payloads, 0 if base else self._start)

    def state(self) -> dict[str, dict[str, NDArray[Any]]]:
        """All of this as arrays, for a checkpoint."""
        state = {f"held {part}": dict(arrays) for part, arrays in self.held.items()}
        state["log"] = {
            f"{version} {part}": np.frombuffer(payload, np.uint8)
            for version, payloads in self._log.items()
            for part, payload in payloads.items()
        }
        state["clients"] = {
            "client": np.array(list(self._clients), np.int64),
            "version": np.array(list(self._clients.values()), np.int64),
            "latest": np.array(self.version, np.int64),
        }
        return state

    def restore(self, state: Mapping[str, Arrays]) -> None:
        """Take back what `state` gave."""
        known = state["clients"]
        self.version = int(known["latest"])
        pairs = zip(known["client"], known["version"], strict=True)
        self._clients = {int(client): int(version) for client, version in pairs}
        self.held = {
            name.removeprefix("held "): arrays
            for name, arrays in state.items()
            if name.startswith("held ")
        }
        log: dict[int, dict[str, bytes]] = {}
        for key, payload in state["log"].items():
            version, _, part = key.partition(" ")
            log.setdefault(int(version), {})[part] = payload.tobytes()
        self._log = dict(log)


def _whole(channel: Channel, parts: Parts, specs: PartSpecs, version: int) -> Payloads:
    plain = Channel(Chain(()), channel.seed, channel.name)
    return plain.encode(parts, specs, {}, Place(version), {}).payloads


def open_letter(
    channel: Channel, letter: Letter, specs: PartSpecs, held: Parts
) -> dict[str, Arrays]:
    """The latest version, from what the client holds and what came. Raises RejectedUpdate."""
    if letter.base == WHOLE:
        plain = Channel(Chain(()), channel.seed, channel.name)
        place = Place(letter.version)
        return dict(plain.decode(letter.payloads, specs, {}, place, {}).parts)
    parts: Mapping[str, Arrays] = held
    for version in range(letter.base + 1, letter.version + 1):
        names = {part: f"{part}@{version}" for part in specs}
        payloads = {
            p: letter.payloads[name] for p, name in names.items() if name in letter.payloads
        }
        parts = channel.decode(payloads, specs, parts, Place(version), {}).parts
    return dict(parts)
