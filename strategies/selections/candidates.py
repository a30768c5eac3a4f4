"""A pool of candidates, larger than the round, out of which a policy keeps the best."""

from __future__ import annotations

import math

import numpy as np

from federation.errors import ScenarioError
from federation.outlook import Clients, Numbers
from strategies.selections.base import Asked, Choice
from strategies.selections.drawing import Drawn


def pool_size(candidates: int, asked: Asked) -> int:
    """`strategy.args.candidates`, where 0 stands for twice the clients wanted.

    Raises ScenarioError if the pool could not fill the round.
    """
    if candidates and candidates < asked.count:
        raise ScenarioError(
            f"strategy.args.candidates = {candidates}: must be at least the {asked.count} clients "
            f"asked in a round, or 0 for twice as many"
        )
    return candidates or 2 * asked.count


def check_pool(candidates: int) -> None:
    """Refuse a negative number of candidates."""
    if candidates < 0:
        raise ScenarioError(
            f"strategy.args.candidates = {candidates}: must be a number of clients, or 0 for "
            f"twice the clients asked in a round"
        )


def best(clients: Clients, scores: Numbers, count: int) -> Clients:
    """The `count` clients of highest score, best first; equal ones in the order drawn."""
    return clients[np.argsort(-scores, kind="stable")[:count]]


def choice(asked: Asked, drawn: Drawn) -> Choice:
    """The answer that asks these clients at that time and remembers nothing new."""
    clients = tuple(int(client) for client in drawn.clients)
    return Choice(clients, wait_until(drawn.time_s, asked.outlook.now), asked.memory)


def wait_until(time_s: float, now_s: float) -> float:
    """Seconds to wait, >= 0, such that `now_s` plus them is never before `time_s` by rounding."""
    wait_s = max(time_s - now_s, 0.0)
    return wait_s if now_s + wait_s >= time_s else wait_s + math.ulp(time_s)
