"""What the rounds of a run took together: bytes, seconds, joules and grams.

The sums go from round to round in order, so that a resumed run, which starts from the rows that are
committed, comes to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Final

from federation.energy.ranges import Range
from federation.results.tables import RoundRow

_ENERGY_PARTS: Final = ("compute_j", "radio_j", "waiting_j", "network_j", "server_j")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took so far; energy (J) and emissions (g CO2e) are None where nothing is known.

    `time_s` counts from the start of the run: virtual in a simulation, else real.
    """

    sent_bytes: int = 0
    time_s: float = 0.0
    energy_j: Range | None = None
    carbon_g: Range | None = None

    def after(self, row: RoundRow) -> Spent:
        """What it took up to the end of this round, the next one."""
        return Spent(
            self.sent_bytes + row.uplink_bytes + row.downlink_bytes + row.peer_bytes,
            row.virtual_time_s,
            _sum(self.energy_j, _energy(row)),
            _sum(self.carbon_g, _figure(row, "carbon_g")),
        )


def _energy(row: RoundRow) -> Range | None:
    """Energy of a round over the parts that are known."""
    return reduce(_sum, (_figure(row, part) for part in _ENERGY_PARTS))


def _figure(row: RoundRow, name: str) -> Range | None:
    base: float | None = getattr(row, name)
    if base is None:
        return None
    low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
    return Range(base if low is None else low, base, base if high is None else high)


def _sum(one: Range | None, other: Range | None) -> Range | None:
    """The sum of what is known."""
    if one is None or other is None:
        return one or other
    return one + other
