"""What the socket gives for each joule that a device takes.

A charger takes about three times the energy that reaches a phone's circuits, and device training as
a whole carries an overhead about 2.9 times that of a cloud data centre (Patterson et al., CACM
2024). A profile therefore has a supply factor, 1.0 unless it says otherwise, 2.9 as the documented
option. It applies to all that the device itself takes (compute, radio, waiting), to nothing else.
"""

from __future__ import annotations

from federation.energy.ranges import Range


def supplied_j(device_j: Range, supply_factor: float) -> Range:
    """Joules at the socket. Raises ValueError for a factor below 1, which no supply has."""
    if supply_factor < 1:
        raise ValueError(f"supply_factor = {supply_factor:g}: must be at least 1 (lossless)")
    return device_j * supply_factor
