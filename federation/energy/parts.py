"""The parts of the energy, as the tables have them; they add up to the total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from federation.energy.ranges import NOTHING, Range, total


@dataclass(frozen=True, slots=True)
class Parts:
    """Energy by what took it, in joules. The fields are the columns of `rounds`."""

    compute_j: Range = NOTHING
    radio_j: Range = NOTHING
    waiting_j: Range = NOTHING
    network_j: Range = NOTHING
    server_j: Range = NOTHING

    @property
    def device_j(self) -> Range:
        """What the device itself took: compute, radio and waiting."""
        return total((self.compute_j, self.radio_j, self.waiting_j))

    @property
    def total_j(self) -> Range:
        """All parts together."""
        return total(getattr(self, field.name) for field in fields(self))

    def columns(self) -> dict[str, float | None]:
        """All cells of a table, with `_low` and `_high` (None where a part is exact)."""
        cells: dict[str, float | None] = {}
        for field in fields(self):
            cells |= getattr(self, field.name).columns(field.name)
        return cells


def combined(parts: Iterable[Parts]) -> Parts:
    """The parts of several clients or rounds, each part summed by itself, in any order."""
    every = list(parts)
    return Parts(
        **{
            field.name: total(getattr(each, field.name) for each in every)
            for field in fields(Parts)
        }
    )
