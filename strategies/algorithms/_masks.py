"""Which weights are kept: masks over a model's arrays, and what is kept laid end to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Array, Arrays, Spec

Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]


def prunable(spec: Spec) -> Spec:
    """The trained float32 arrays of two dimensions or more: weights, not biases."""
    return tuple(f for f in spec if not f.exact and len(f.shape) > 1 and f.dtype == "<f4")


def count(masks: Masks) -> int:
    """How many weights are kept."""
    return sum(int(mask.sum()) for mask in masks.values())


def pack(masks: Masks) -> NDArray[np.uint8]:
    """One bit a weight, array after array; shape (ceil(d / 8),)."""
    return np.packbits(np.concatenate([mask.reshape(-1) for mask in masks.values()]))


def unpack(bits: Array, fields: Spec) -> dict[str, Mask]:
    """What `pack` was given, of arrays in these shapes."""
    flat = np.unpackbits(bits, count=sum(field.size for field in fields)).astype(bool)
    masks: dict[str, Mask] = {}
    for field in fields:
        masks[field.name], flat = flat[: field.size].reshape(field.shape), flat[field.size :]
    return masks


def kept_values(model: Arrays, masks: Masks) -> Array:
    """The kept weights end to end, shape (k,)."""
    return np.concatenate([model[name][mask] for name, mask in masks.items()])


def spread(values: NDArray[Any], masks: Masks) -> dict[str, Array]:
    """What `kept_values` was given, with zeros where nothing was kept; in the values' dtype."""
    arrays: dict[str, Array] = {}
    for name, mask in masks.items():
        here = int(mask.sum())
        arrays[name] = np.zeros(mask.shape, values.dtype)
        arrays[name][mask], values = values[:here], values[here:]
    return arrays


def smallest_dropped(model: Arrays, masks: Masks, kept: int) -> dict[str, Mask]:
    """Masks that keep the `kept` largest |w| of what is kept so far, over all arrays together.

    Of equal ones the first are dropped.
    """
    left = np.concatenate([mask.reshape(-1) for mask in masks.values()])
    places = np.flatnonzero(left)
    sizes = np.abs(np.concatenate([model[name].reshape(-1) for name in masks])[places])
    left[places[np.argsort(sizes, kind="stable")[: len(places) - kept]]] = False
    found: dict[str, Mask] = {}
    for name, mask in masks.items():
        found[name], left = left[: mask.size].reshape(mask.shape), left[mask.size :]
    return found
