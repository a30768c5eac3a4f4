"""What a schedule yields after each round: the state, and what became of every reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from federation.arrays import Parts
from federation.messages import Fault, Reply

State = Parts
Status = Literal["counted"] | Fault


@dataclass(frozen=True)
class Outcome:
    """What became of one reply."""

    reply: Reply
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Backhaul:
    """Bytes between two that are no clients, such as an edge server and the cloud."""

    source: str
    target: str
    link: Literal["uplink", "downlink", "peer"]
    kind: str
    raw_bytes: int
    sent_bytes: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class RoundResult:
    """A round that is done: the state after it, and what every selected client did.

    `under_way` are the clients that are still at work, each with the time since when.
    `servers` names whom a client speaks with where that is not the "server"; `transfers` are those
    beside its exchanges.
    """

    round: int
    state: State
    outcomes: tuple[Outcome, ...]
    started_s: float
    ended_s: float
    under_way: tuple[tuple[int, float], ...] = ()
    servers: Mapping[int, str] = field(default_factory=dict)
    transfers: Sequence[Backhaul] = ()


def outcome_of(reply: Reply) -> Outcome:
    """Counted if the reply is good, else what went wrong, with its reason."""
    if reply.ok:
        return Outcome(reply, "counted")
    return Outcome(reply, reply.fault, reply.error or "")
