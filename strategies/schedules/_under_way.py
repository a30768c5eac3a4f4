"""The requests that are under way from one round to the next, and how a checkpoint holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Parts
from federation.fleet import Fleet, Limit
from federation.messages import Body, Reply, Request
from federation.rounds import State
from federation.units import seconds_text

_REQUESTS = "under way"
_BODY = "under way from round "


@dataclass(frozen=True)
class _Sent:
    request: Request
    sent_s: float


@dataclass
class UnderWay:
    """Who is at work, from which model, since when; at most one request to a client.

    A reply that takes longer than the limit's `deadline_s` is late.
    """

    fleet: Fleet
    limit: Limit
    _sent: dict[int, _Sent] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def clients(self) -> frozenset[int]:
        """Who is at work."""
        return frozenset(self._sent)

    @property
    def since(self) -> tuple[tuple[int, float], ...]:
        """Each of them with the time since when, s."""
        return tuple((client, sent.sent_s) for client, sent in self._sent.items())

    def send(self, request: Request) -> None:
        """Let a client work."""
        self._sent[request.client] = _Sent(request, self.fleet.send(request, self.limit))

    def next(self, until_s: float = math.inf) -> tuple[Reply, Body] | None:
        """The next reply and what it answers, or who is late; None if nothing comes by then."""
        oldest = next(iter(self._sent), None)
        if oldest is None:
            return None
        limit_s = self._limit_s(self._sent[oldest])
        reply = self.fleet.next_reply(min(until_s, limit_s))
        if reply is None and limit_s <= until_s:
            within = seconds_text(self.limit.deadline_s or 0.0)
            reply = self.fleet.give_up(oldest, f"no reply within {within}")
        return None if reply is None else (reply, self._sent.pop(reply.client).request.body)

    def end(self, reason: str) -> list[Reply]:
        """Break all off; they are late."""
        late = [self.fleet.give_up(client, reason) for client in self._sent]
        self._sent.clear()
        return late

    def state(self) -> dict[str, dict[str, NDArray[Any]]]:
        """What a checkpoint must hold: the requests, and the models that they hold."""
        if not self._sent:
            return {}
        bodies = {sent.request.body.round: sent.request.body for sent in self._sent.values()}
        requests = {
            "client": np.array(list(self._sent), np.int64),
            "round": np.array([one.request.body.round for one in self._sent.values()], np.int64),
            "sent_s": np.array([sent.sent_s for sent in self._sent.values()], np.float64),
        }
        parts = {
            f"{_BODY}{number}: {part}": dict(arrays)
            for number, body in bodies.items()
            for part, arrays in body.parts.items()
        }
        return {_REQUESTS: requests, **parts}

    def resume(self, state: Parts) -> None:
        """Send again what `state` says was under way, as of the times when it was sent."""
        requests, bodies = state.get(_REQUESTS), _bodies(state)
        if requests is None:
            return
        columns = (requests[name].tolist() for name in ("client", "round", "sent_s"))
        for client, number, sent_s in zip(*columns, strict=True):
            request = Request(client, bodies[number])
            self._sent[client] = _Sent(request, self.fleet.send(request, self.limit, sent_s))

    def _limit_s(self, sent: _Sent) -> float:
        deadline_s = self.limit.deadline_s
        return math.inf if deadline_s is None else sent.sent_s + deadline_s


def split(state: State) -> tuple[State, Parts]:
    """The algorithm's state, and what `UnderWay.state` put beside it."""
    ours = {part for part in state if part == _REQUESTS or part.startswith(_BODY)}
    return (
        {part: arrays for part, arrays in state.items() if part not in ours},
        {part: state[part] for part in ours},
    )


def _bodies(state: Parts) -> dict[int, Body]:
    found: dict[int, dict[str, Any]] = {}
    for key, arrays in state.items():
        if key.startswith(_BODY):
            number, _, part = key.removeprefix(_BODY).partition(": ")
            found.setdefault(int(number), {})[part] = arrays
    return {number: Body(number, "train", parts) for number, parts in found.items()}
