"""Energy of computing: power while training times the time it takes (Qiu et al., JMLR 24, 2023)."""

from __future__ import annotations

from federation.energy.ranges import Range


def compute_j(train_w: Range, compute_s: Range | float) -> Range:
    """Joules of a device that trains for `compute_s` seconds at `train_w` watts.

    A range of the time (a training rate known to 40 %) and of the power multiply.
    """
    return train_w * compute_s
