"""A day of carbon intensities that is made up, for demonstrations where no measured trace is.

Measured traces may not be passed on (see `carbon_files`). This one has the mean of each region's
table and a low at 13 o'clock local time, as a grid with much sun has one.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.energy.carbon_trace import CarbonTrace
from federation.energy.curve import Curve
from federation.energy.regions import region_table

NAME: Final = "illustrative-day"
_FILE = Path(__file__).parent / "tables" / f"{NAME}.toml"
_CLEANEST_H: Final = 13.0


def intensity(mean_g_per_kwh: float, swing: float, local_h: float) -> float:
    """Grams per kWh at an hour of the local day.

    >>> round(intensity(100.0, 0.2, 13.0), 6)
    80.0
    """
    return mean_g_per_kwh * (1 - swing * math.cos(2 * math.pi * (local_h - _CLEANEST_H) / 24))


@cache
def illustrative_day() -> CarbonTrace:
    """The day in steps of an hour (by the middle of each), which begins anew every 24 hours."""
    table = region_table()
    regions = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    times_s = np.arange(24, dtype=np.float64) * 3600.0
    zones = {
        region: Curve(times_s, _day(table.region(region).g_per_kwh, **shape), "repeat")
        for region, shape in regions.items()
    }
    return CarbonTrace(NAME, zones, "average")


def _day(mean_g_per_kwh: float, swing: float, utc_offset_h: float) -> NDArray[np.float64]:
    hours = [hour + 0.5 + utc_offset_h for hour in range(24)]
    return np.array([intensity(mean_g_per_kwh, swing, hour) for hour in hours], dtype=np.float64)
