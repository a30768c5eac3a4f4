"""Energy of the server and of the building around it.

PUE is the energy of the whole data centre over that of its computers: 1.10 for a large operator's
fleet, 1.55 to 1.58 in the industry's survey, 1.67 in Qiu et al. (all recalled, not read).
"""

from __future__ import annotations

from federation.energy.ranges import Range, as_range


def server_j(power_w: Range, seconds: Range | float, pue: Range | float = 1.0) -> Range:
    """Joules of a server that is on for so long. Raises ValueError for a PUE below 1."""
    factor = as_range(pue)
    if factor.low < 1:
        raise ValueError(f"pue = {factor.low:g}: must be at least 1 (no overhead)")
    return power_w * as_range(seconds) * factor
