"""Which level of performance a device trains at: full speed, or slower where that saves energy.

A device that is done before the others waits for them. What a second of waiting draws decides
whether slowing down pays (see `choose`). In a parallel round only the slowest client needs full
speed. In serial learning there is no slack between clients: the next one starts when this one is
done, and all others wait a little longer for each second that it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, get_args

from federation.energy.levels import Level
from federation.errors import ScenarioError, unknown_choice

Policy = Literal["max", "slowest-feasible", "energy-optimal"]
POLICIES: Final = get_args(Policy)


def choose(
    policy: Policy,
    levels: Sequence[Level],
    *,
    work_s: float,
    deadline_s: float | None,
    waiting_w: float = 0.0,
    others_w: float = 0.0,
) -> Level:
    """The level at which to do work that takes `work_s` at full speed.

    deadline_s: the time for computing before anyone waits for this client (the round's length less
    its transfers); None where there is no slack, as in serial learning.
    waiting_w: what the device itself draws from the end of its work to the deadline.
    others_w: what all who wait for this client draw together meanwhile.

    "max": the fastest. "slowest-feasible": the slowest that meets the deadline, so the fastest
    where there is no slack. "energy-optimal": of those that meet the deadline (all, without one),
    the one with the lowest (train_w - waiting_w + others_w) x seconds; the faster of equals. Where
    no level meets the deadline, the fastest. `levels` need not be sorted. Raises ScenarioError for
    an unknown policy.
    """
    if policy not in POLICIES:
        raise ScenarioError(unknown_choice("fleet power", policy, POLICIES))
    ordered = sorted(levels, key=lambda level: level.relative_speed)
    fastest = ordered[-1]
    if policy == "max" or (policy == "slowest-feasible" and deadline_s is None):
        return fastest
    limit_s = math.inf if deadline_s is None else deadline_s
    feasible = [level for level in ordered if level.seconds(work_s) <= limit_s] or [fastest]
    if policy == "slowest-feasible":
        return feasible[0]
    spared_w = waiting_w - others_w
    return min(reversed(feasible), key=lambda level: extra_j(level, work_s, spared_w))


def extra_j(level: Level, work_s: float, spared_w: float) -> float:
    """What the work takes at this level beyond `spared_w`, drawn in the same time anyway."""
    return (level.train_w.base - spared_w) * level.seconds(work_s)
