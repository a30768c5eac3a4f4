"""Local time by region: standard time, in hours ahead of UTC.

From the IANA time zone database (2024). Of the regions whose carbon intensity ships, those with one
time on their mainland; summer time is left out. The others have no single answer.
"""

from __future__ import annotations

from typing import Final

from federation.errors import ScenarioError

UTC_OFFSETS_H: Final = {
    "CHE": 1.0,
    "CHN": 8.0,
    "DEU": 1.0,
    "ESP": 1.0,
    "FRA": 1.0,
    "GBR": 0.0,
    "IND": 5.5,
    "IRL": 0.0,
    "ITA": 1.0,
    "JPN": 9.0,
    "KOR": 9.0,
    "MAR": 1.0,
    "NLD": 1.0,
    "NOR": 1.0,
    "POL": 1.0,
    "SGP": 8.0,
    "SWE": 1.0,
    "TUN": 1.0,
    "TWN": 8.0,
    "ZAF": 2.0,
}


def utc_offset_of(region: str | None) -> float:
    """Hours ahead of UTC. Raises ScenarioError where the region is none, unknown or too wide."""
    if region is None:
        raise ScenarioError(
            "fleet.availability: hours are local time, but of which place? Set "
            "fleet.availability.utc_offset_h, or fleet.region"
        )
    if region not in UTC_OFFSETS_H:
        raise ScenarioError(
            f"fleet.availability: no single time is known for region {region}; set "
            f"fleet.availability.utc_offset_h. Known: {', '.join(sorted(UTC_OFFSETS_H))}"
        )
    return UTC_OFFSETS_H[region]
