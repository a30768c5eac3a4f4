"""The bundled source: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXEL_SCALE = 16.0


def read() -> tuple[NDArray[Any], NDArray[Any], float]:
    """Pixels (1797, 1, 8, 8) uint8 in 0..16, class numbers (1797,) int64, and the 16."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64), PIXEL_SCALE
