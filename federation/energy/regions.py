"""Carbon intensity by region: a year's average of the generation mix, from a table that ships."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from federation.energy.carbon import Grid
from federation.energy.ranges import Range
from federation.errors import ScenarioError

TABLE = Path(__file__).parent / "tables" / "carbon-intensity.toml"


@dataclass(frozen=True, slots=True)
class Region:
    """One row: an ISO 3166-1 alpha-3 code, or WORLD. `status` is V, D or R (see the sources)."""

    code: str
    name: str
    g_per_kwh: float
    year: int
    kind: Literal["average", "marginal"]
    status: str
    source: str


@dataclass(frozen=True)
class RegionTable(Grid):
    """The regions by code; the same intensity at all times."""

    regions: Mapping[str, Region]

    varies: ClassVar[bool] = False

    def region(self, code: str) -> Region:
        """The region of that code. Raises ScenarioError, naming near ones by code and name."""
        if code not in self.regions:
            raise ScenarioError(self._unknown(code))
        return self.regions[code]

    def check(self, regions: Iterable[str]) -> None:
        """Raises ScenarioError for the first region that is not in the table."""
        for code in regions:
            self.region(code)

    def g_per_kwh(self, region: str, start_s: float, end_s: float) -> Range:
        """The region's figure, whatever the time."""
        return Range.exact(self.region(region).g_per_kwh)

    def check_covers(self, until_s: float) -> None:
        """The same intensity holds for ever."""

    def _unknown(self, code: str) -> str:
        """People write `germany`, `DE` or `GER`: names and codes are compared without case."""
        by_text = {row.code.lower(): row.code for row in self.regions.values()}
        by_text |= {row.name.lower(): row.code for row in self.regions.values()}
        close = dict.fromkeys(
            by_text[text] for text in get_close_matches(code.lower(), by_text, n=5, cutoff=0.55)
        )
        near = [f"{near} ({self.regions[near].name})" for near in list(close)[:3]]
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        return (
            f"unknown region {code!r}; {hint}Valid: {', '.join(sorted(self.regions))}; another "
            "zone needs a trace, named in energy.carbon"
        )


@cache
def region_table() -> RegionTable:
    """The table that ships, read once a process."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return RegionTable({code: Region(code=code, **row) for code, row in rows.items()})
