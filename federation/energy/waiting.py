"""Energy of a device that waits for others: without it serial and parallel cannot be compared."""

from __future__ import annotations

from typing import Final, Literal, get_args

from federation.energy.ranges import NOTHING, Range, as_range
from federation.errors import ScenarioError, unknown_choice

Waiting = Literal["idle", "sleep", "ignored"]
WAYS: Final = get_args(Waiting)


def waiting_w(idle_w: Range, sleep_w: Range | None, way: Waiting, device: str) -> Range:
    """What the device draws while it waits: awake and idle, or asleep.

    "ignored" is nothing: the device is on for another purpose, and only what learning adds counts.
    Raises ScenarioError where it is to sleep and its profile does not say what that draws: sleep
    at 0 W would be a guess.
    """
    if way == "idle":
        return idle_w
    if way == "ignored":
        return NOTHING
    if way != "sleep":
        raise ScenarioError(unknown_choice("fleet waiting", way, WAYS))
    if sleep_w is None:
        raise ScenarioError(
            f"fleet waiting = 'sleep': device {device!r} has no sleep_w in its profile; take "
            "waiting = 'idle', or a profile of your own that gives sleep_w"
        )
    return sleep_w


def waiting_j(power_w: Range, waiting_s: Range | float) -> Range:
    """Joules of waiting so long at that power."""
    return power_w * as_range(waiting_s)
