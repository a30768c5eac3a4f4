"""One reading of a device that several clients shared, split among them.

A GPU's meter reads the whole GPU. If each of its clients took that reading, the energy would count
once per client. So it is read once and split in proportion to what each client did (seconds busy,
or FLOP), what the GPU drew while idle included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from federation.energy.meter import Reading
from federation.errors import RunError


def apportion(reading: Reading, weights: Sequence[float]) -> list[Reading]:
    """A reading a client, marked "apportioned", in proportion to `weights` (>= 0, not all 0).

    The parts add up to the reading exactly, summed in any order: they are whole multiples of the
    reading's last bit. A reading without joules gives parts without. Raises RunError for weights
    that say nothing: then there is no ground for a split.
    """
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise RunError(
            f"cannot apportion a reading by the weights {list(weights)[:10]}: they must be finite, "
            "not negative and not all 0 (seconds busy, or FLOP)"
        )
    if reading.joules is None:
        return [reading] * len(weights)
    parts = _split(reading.joules, weights)
    return [replace(reading, joules=joules, source="apportioned") for joules in parts]


def share_of_one(reading: Reading, clients: int) -> Reading:
    """What one of `clients` equal clients takes of its own window over what they share.

    Right only while all of them work in the window: then the shares add up to what was drawn. Of
    one that worked alone it gives too little. What was no measurement does not become a better one
    by being shared: it keeps its source. Raises RunError below one client.
    """
    if clients < 1:
        raise RunError(f"{clients} clients cannot share a reading: there must be one at least")
    if reading.joules is None or clients == 1:
        return reading
    source = "apportioned" if reading.source == "measured" else reading.source
    return replace(reading, joules=reading.joules / clients, source=source)


def _split(total: float, weights: Sequence[float]) -> list[float]:
    mantissa, exponent = math.frexp(total)
    units = int(math.ldexp(mantissa, 53))  # total = units * 2^(exponent - 53)
    shares = [Fraction(weight) for weight in weights]
    whole = sum(shares)
    parts: list[float] = []
    upto, given = Fraction(0), 0
    for share in shares:
        upto += share
        cut = math.floor(units * upto / whole)
        parts.append(math.ldexp(cut - given, exponent - 53))
        given = cut
    return parts
