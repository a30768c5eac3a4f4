"""What a schedule yields after each round: the state, and what became of every reply."""

from __future__ import annotations

from dataclasses import dataclass
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
class RoundResult:
    """A round that is done: the state after it, and what every selected client did.

    `under_way` are the clients that are still at work, each with the time since when.
    """

    round: int
    state: State
    outcomes: tuple[Outcome, ...]
    started_s: float
    ended_s: float
    under_way: tuple[tuple[int, float], ...] = ()


def outcome_of(reply: Reply) -> Outcome:
    """Counted if the reply is good, else what went wrong, with its reason."""
    if reply.ok:
        return Outcome(reply, "counted")
    return Outcome(reply, reply.fault, reply.error or "")
