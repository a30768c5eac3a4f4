"""Who the clients are, and what surrounds them: devices, links, the server, the grid."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat

from federation.scenario.partitions import Section, Text


def _check_region(region: str) -> str:
    if not re.fullmatch("[A-Z]{3}", region):
        raise ValueError("must be three capital letters (ISO 3166-1 alpha-3), such as DEU")
    return region


Region = Annotated[str, AfterValidator(_check_region)]


class FleetShare(Section):
    """A share of the clients with one device, network and region (ISO 3166 alpha-3).

    `waiting` is what a device does while others work, asked or not.
    """

    device: Text = "raspberry-pi-4"
    network: Text = "wifi4"
    region: Region | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    waiting: Literal["idle", "sleep"] = "idle"


class ServerConfig(Section):
    """The server's power, W, and its data centre's overhead (PUE)."""

    power_w: NonNegativeFloat | None = None
    pue: Annotated[float, Field(ge=1)] = 1.0
    region: Region | None = None


class EnergyConfig(Section):
    """How energy in the network and emissions are counted.

    `kwh_per_gb` stands for the networks' own figures; `carbon` is "table" or the path of a trace.
    """

    network: Literal["allocational", "marginal"] = "allocational"
    kwh_per_gb: NonNegativeFloat | None = None
    carbon: Text = "table"
