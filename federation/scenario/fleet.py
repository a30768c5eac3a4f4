"""Who the clients are, and what surrounds them: devices, links, availability, power, the server."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from federation.scenario.partitions import Section, Text


def _check_region(region: str) -> str:
    if not re.fullmatch("[A-Z]{3}", region):
        raise ValueError("must be three capital letters (ISO 3166-1 alpha-3), such as DEU")
    return region


Region = Annotated[str, AfterValidator(_check_region)]
Share = Annotated[float, Field(ge=0, le=1)]
Hour = Annotated[float, Field(ge=0, le=24)]


class Always(Section):
    """Reachable at all times."""

    kind: Literal["always"] = "always"


class Probability(Section):
    """Online in each slot of time with a probability."""

    kind: Literal["probability"]
    online: Annotated[float, Field(gt=0, le=1)]
    slot_s: PositiveFloat = 3600.0


class Hours(Section):
    """Online from `start` to `end` o'clock, local time."""

    kind: Literal["hours"]
    start: Hour
    end: Hour
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)] = 0.0


class Trace(Section):
    """Online in the intervals of a file."""

    kind: Literal["trace"]
    path: Text
    repeat: bool = False


Availability = Annotated[Always | Probability | Hours | Trace, Field(discriminator="kind")]


class FleetShare(Section):
    """A share of the clients with one device, network and region (ISO 3166 alpha-3)."""

    device: Text = "raspberry-pi-4"
    network: Text = "wifi4"
    region: Region | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    availability: Availability = Always()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    battery: list[Share] | None = None
    waiting: Literal["idle", "sleep"] = "idle"
    power: Literal["max", "slowest-feasible", "energy-optimal"] = "max"
    jitter: Annotated[float, Field(ge=0, le=3)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> FleetShare:
        charge = self.battery
        if charge is not None and (len(charge) != 2 or charge[0] > charge[1]):
            raise ValueError("battery must be two shares, the lower first, such as [0.2, 1.0]")
        return self


class ServerConfig(Section):
    """The server's link, shared by all transfers under way, and its power."""

    down_mbit_per_s: PositiveFloat | None = None
    up_mbit_per_s: PositiveFloat | None = None
    power_w: NonNegativeFloat | None = None
    pue: Annotated[float, Field(ge=1)] = 1.0
    region: Region | None = None


class EnergyConfig(Section):
    """How energy in the network and emissions are counted."""

    network: Literal["allocational", "marginal"] = "allocational"
    kwh_per_gb: NonNegativeFloat | None = None
    carbon: Text = "table"
