"""What several algorithms do with a model's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Array, Arrays, Spec, cast_like
from federation.reduce import Total


def trained(spec: Spec) -> Spec:
    """The fields that gradients move."""
    return tuple(field for field in spec if not field.exact)


def zeros(
    model: Arrays, spec: Spec, dtype: type[np.floating[Any]] | None = None
) -> dict[str, Array]:
    """Zeros in the shapes of the trained arrays, of `dtype` or of their own."""
    return {
        field.name: np.zeros_like(model[field.name], dtype=dtype, subok=False)
        for field in trained(spec)
    }


def moved(model: Arrays, total: Total, length: float) -> dict[str, Array]:
    """The model `length` times as far away as the weighted mean of the clients' models.

    Arrays that no gradient moves are the mean itself: steps beyond it would make variances
    negative. So are all at length 1, which by way of the difference would be rounded twice.
    """
    mean = total.mean("model")
    if length == 1:
        return cast_like(mean, model)
    return cast_like(
        {
            name: mean[name] if name in total.exact else value + length * (mean[name] - value)
            for name, value in model.items()
        },
        model,
    )


def difference(one: Arrays, other: Arrays, names: Mapping[str, object]) -> dict[str, NDArray[Any]]:
    """The first minus the other, of these names, in float64."""
    return {name: np.subtract(one[name], other[name], dtype=np.float64) for name in names}
