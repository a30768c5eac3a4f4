"""Tran et al., "Federated learning over wireless networks" (FEDL, INFOCOM 2019).

    E_cmp = (alpha/2) c D f^2        T_cmp = c D / f
    E_com = tau p                    tau   = s / (B ln(1 + h p / N0))

with c cycles/bit, D bits of data, f in Hz, s in nats, h the channel's gain. From the authors' code
(nhatminh/FEDL-INFOCOM); alpha = 2e-28 there. Real boards need 7 to 14 times that, and it is not a
constant: prefer a table (`levels`).

All clients train in parallel and the round's computing ends with the slowest, at T. The authors
weigh energy against time: minimise sum of E_cmp + kappa T, kappa in J/s (their first subproblem).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALPHA: Final = 2e-28


@dataclass(frozen=True, slots=True)
class Processor:
    """A client's work and the frequencies (Hz) that it can take."""

    cycles: float
    min_hz: float
    max_hz: float

    @property
    def longest_s(self) -> float:
        """Seconds of its work at the lowest frequency."""
        return self.cycles / self.min_hz if self.min_hz else math.inf


def compute_j(cycles_per_bit: float, data_bits: float, hz: float, alpha: float = ALPHA) -> float:
    """E_cmp: joules of one pass over the data."""
    return alpha / 2 * cycles_per_bit * data_bits * hz**2


def compute_s(cycles_per_bit: float, data_bits: float, hz: float) -> float:
    """T_cmp: seconds of one pass over the data."""
    return cycles_per_bit * data_bits / hz


def channel_gain(distance_m: float, fading: float = 1.0) -> float:
    """The gain h = 1e-4 (1 m / d)^4; `fading` is drawn from an exponential law of mean 1."""
    return 1e-4 * distance_m**-4 * fading


def upload_s(
    nats: float, gain: float, power_w: float, bandwidth_hz: float = 1e6, noise_w: float = 1e-10
) -> float:
    """tau: seconds to send so many nats (bits x ln 2) at that power."""
    return nats / (bandwidth_hz * math.log1p(gain * power_w / noise_w))


def upload_j(
    nats: float, gain: float, power_w: float, bandwidth_hz: float = 1e6, noise_w: float = 1e-10
) -> float:
    """E_com: joules of that upload."""
    return power_w * upload_s(nats, gain, power_w, bandwidth_hz, noise_w)


def best_frequencies(
    processors: Sequence[Processor], kappa_w: float, alpha: float = ALPHA
) -> tuple[float, list[float]]:
    """T* (s) and each client's f* (Hz): the least of the sum of E_cmp plus kappa T.

    A client runs no faster than needed to be done by T: f = W / T, within its limits. The cost is
    convex in T. Without limits T = (sum of alpha W^3 / kappa)^(1/3); a client that T leaves at its
    lowest frequency gains no more from a longer T and drops out of the sum.
    """
    by_limit = sorted(processors, key=lambda each: each.longest_s)
    best_s = 0.0
    for first, each in enumerate(by_limit):
        cubes = math.fsum(other.cycles**3 for other in by_limit[first:])
        wanted_s = (alpha * cubes / kappa_w) ** (1 / 3)
        best_s = max(best_s, min(wanted_s, each.longest_s))
        if wanted_s <= each.longest_s:
            break
    best_s = max(best_s, *(each.cycles / each.max_hz for each in processors))
    return best_s, [min(max(each.cycles / best_s, each.min_hz), each.max_hz) for each in processors]
