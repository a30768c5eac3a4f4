"""Wu et al., "Sustainable AI" (MLSys 2022), appendix B: 90 days of federated learning at scale.

Compute time at 3 W of the device, transfer time at 7.5 W of the router, and nothing else.
"""

from __future__ import annotations

from typing import Final

DEVICE_W: Final = 3.0
ROUTER_W: Final = 7.5


def device_j(compute_s: float) -> float:
    """Joules of training on devices."""
    return DEVICE_W * compute_s


def router_j(transfer_s: float) -> float:
    """Joules of up- and downloads."""
    return ROUTER_W * transfer_s


def total_j(compute_s: float, transfer_s: float) -> float:
    """Joules of both."""
    return device_j(compute_s) + router_j(transfer_s)
