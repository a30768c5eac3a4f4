"""`battery`: a phone, laptop or board on battery, from /sys/class/power_supply.

Two figures are taken: what the battery gauge lost, and the integral of power samples every second.
A gauge moves in coarse steps, so it counts only in windows of 300 s or more, where the two are
compared. In shorter windows the samples count; without samples the gauge does, and is flagged.
While the device hangs on a charger nothing is measured: the battery's power is not the device's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from federation.energy.meter import (
    TOO_SHORT,
    Finish,
    Meter,
    Reading,
    disagreement,
    not_measured,
)
from federation.energy.meters._power_supply import Level, Supply, find_batteries
from federation.energy.meters._sampler import Sampler, check_period

GAUGE_S: Final = 300.0
CHARGING: Final = "a battery is not discharging: take the charger off"


@dataclass(frozen=True)
class BatteryMeter(Meter):
    """path: the folder of batteries, or of one. period_s: time between power samples."""

    path: str = "/sys/class/power_supply"
    period_s: float = 1.0

    def __post_init__(self) -> None:
        check_period(self.period_s, "battery")

    def start(self) -> Finish:
        """Read the gauge and start to sample."""
        supplies = self._supplies
        if not _discharging(supplies):
            raise OSError(CHARGING)
        before = _levels(supplies)
        stop = self._sample(supplies)

        def finish(seconds: float) -> Reading:
            samples_j = stop()
            gauge_j = _spent_j(before, _levels(supplies))
            if not _discharging(supplies):
                return not_measured(seconds, CHARGING)
            return _reading(gauge_j, samples_j, seconds)

        return finish

    @cached_property
    def _supplies(self) -> Sequence[Supply]:
        return find_batteries(Path(self.path))

    def _sample(self, supplies: Sequence[Supply]) -> Callable[[], float | None]:
        """Start to sample; the function given back stops it. None where no power is told."""
        if _power_w(supplies) is None:
            return lambda: None
        return Sampler(lambda: _power_or_fail_w(supplies), self.period_s, self.clock).stop


def _reading(gauge_j: float | None, samples_j: float | None, seconds: float) -> Reading:
    if gauge_j is not None and gauge_j < 0:
        gauge_j = None  # the gauge corrected itself
    if samples_j is None and gauge_j is None:
        return not_measured(seconds, "the battery tells neither its power nor its level")
    if samples_j is None or (gauge_j is not None and seconds >= GAUGE_S):
        reading = Reading(gauge_j, seconds, "measured", "board")
        if samples_j is not None and gauge_j is not None:
            return reading.flagged(disagreement(gauge_j, samples_j))
        return reading.flagged(TOO_SHORT if 2 <= seconds < GAUGE_S else "")
    return Reading(samples_j, seconds, "measured", "board")


def _discharging(supplies: Sequence[Supply]) -> bool:
    """Whether the device lives on its batteries. Of several, one may rest while another works."""
    return any(supply.discharging() for supply in supplies)


def _power_w(supplies: Sequence[Supply]) -> float | None:
    powers = [supply.power_w() for supply in supplies if supply.discharging()]
    known = [power for power in powers if power is not None]
    return sum(known) if known and len(known) == len(powers) else None


def _power_or_fail_w(supplies: Sequence[Supply]) -> float:
    power_w = _power_w(supplies)
    if power_w is None:
        raise OSError("the battery ceased to tell its power")
    return power_w


def _levels(supplies: Sequence[Supply]) -> list[Level | None]:
    return [supply.level() for supply in supplies]


def _spent_j(before: Sequence[Level | None], after: Sequence[Level | None]) -> float | None:
    spent = [
        None if old is None or new is None else old.spent_j(new)
        for old, new in zip(before, after, strict=True)
    ]
    known = [joules for joules in spent if joules is not None]
    return sum(known) if len(known) == len(spent) else None
