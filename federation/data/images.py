"""Encoded images (PNG, JPEG, ...) to arrays, and the mean and deviation of their pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow calls a pixel format, and the one it is read as: one channel or three.
_READ_AS = {
    "1": "L", "L": "L", "LA": "L",
    "P": "RGB", "RGB": "RGB", "RGBA": "RGB", "CMYK": "RGB", "YCbCr": "RGB",
}  # fmt: skip


def decode(images: Iterable[bytes], count: int, place: str) -> NDArray[Any]:
    """All images as uint8 (count, C, H, W). Grey images have one channel, others three.

    Raises DataError, naming the row, where one cannot be decoded or differs in shape from row 0.
    One thread: Pillow holds the interpreter's lock for most of a small image.
    """
    pixels: NDArray[Any] | None = None
    for row, data in enumerate(images):
        image = _decode_one(data, f"{place}, row {row}")
        if pixels is None:
            pixels = np.empty((count, *image.shape), np.uint8)
        if image.shape != pixels.shape[1:]:
            raise DataError(
                f"{place}, row {row}: image of {_size(image)} where row 0 has {_size(pixels[0])} "
                "(channels x height x width); all images must have the same shape"
            )
        pixels[row] = image
    if pixels is None:
        raise DataError(f"{place} holds no images")
    return pixels


def _decode_one(data: bytes, place: str) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return _to_array(image, place)
    except DataError:
        raise
    except Exception as error:  # Pillow raises what its decoders raise: OSError, SyntaxError, ...
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "unknown format" if unknown else " ".join(str(error).split())
        raise DataError(f"{place}: image cannot be decoded ({reason}); use PNG or JPEG") from error


def _to_array(image: Image, place: str) -> NDArray[Any]:
    mode = _READ_AS.get(image.mode)
    if mode is None:
        raise DataError(f"{place}: pixel format {image.mode!r}; use 8 bits a channel, grey or RGB")
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _size(image: NDArray[Any]) -> str:
    return "x".join(map(str, image.shape))


def statistics(pixels: NDArray[Any], scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation a channel of pixels / scale, rounded to 4 decimals.

    A channel of one colour gets deviation 1, so that dividing by it is harmless.
    """
    values = np.arange(256) / scale
    means, deviations = [], []
    for channel in range(pixels.shape[1]):
        counts = np.bincount(pixels[:, channel].reshape(-1), minlength=256)
        mean = float(counts @ values / counts.sum())
        deviation = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
        means.append(round(mean, 4))
        deviations.append(round(deviation, 4) or 1.0)
    return tuple(means), tuple(deviations)
