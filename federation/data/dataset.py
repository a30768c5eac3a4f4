"""A data set as the engines see it: memory-mapped arrays and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["image", "numeric", "tokens"]
Rows = NDArray[np.integer[Any]] | slice


@dataclass(frozen=True)
class Split:
    """Rows in a fixed order, usually memory-mapped and read-only.

    `x` is (N, C, H, W) uint8 for images, (N, D) float32 for numbers, (N, L) int64 for token ids.
    `y` is (N,) int64 class numbers, (N,) or (N, K) float32 targets, or None for label-free text.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """A training and a test split of the same kind.

    `classes` is None for regression and for text without labels. `mean` and `std` hold one number a
    channel, of pixels in [0, 1], and are empty for other kinds. A stored pixel divided by `scale`
    lies in [0, 1]: 255 for ordinary images, 16 for `digits`. `fingerprint` names the cache entry.
    """

    train: Split
    test: Split
    kind: Kind
    classes: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    fingerprint: str

    def inputs(self, split: Split, rows: Rows, normalize: bool) -> NDArray[Any]:
        """The inputs of some rows as a model takes them: a new, writable array.

        Images become float32 (n, C, H, W), in [0, 1], or with mean 0 and deviation 1 a channel
        where `normalize` is true. Numbers stay float32 (n, D), token ids int64 (n, L).
        """
        if self.kind != "image":
            return np.array(split.x[rows])
        pixels = split.x[rows].astype(np.float32)
        pixels /= np.float32(self.scale)
        if normalize:
            pixels -= np.asarray(self.mean, np.float32)[:, None, None]
            pixels /= np.asarray(self.std, np.float32)[:, None, None]
        return pixels
