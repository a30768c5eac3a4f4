"""Small floating-point formats round as the processor and torch do, bit by bit."""

import numpy as np
import pytest
import torch

from federation.codecs._minifloat import MiniFloat, scratch

HALF = MiniFloat(16, 10, 15, 0x7BFF)
FORMATS = {
    "e4m3fn": (MiniFloat(8, 3, 7, 0x7E), torch.float8_e4m3fn, torch.uint8),
    "e5m2": (MiniFloat(8, 2, 15, 0x7B), torch.float8_e5m2, torch.uint8),
    "fp16": (HALF, torch.float16, torch.int16),
}
each_format = pytest.mark.parametrize(("kind", "dtype", "word"), FORMATS.values(), ids=FORMATS)


def bit_patterns():
    """Finite float32 of every sign, exponent and upper mantissa, with telling lower bits."""
    low = np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    bits = (np.arange(1 << 16, dtype=np.uint32)[:, None] << np.uint32(16)) + low
    values = bits.reshape(-1).view(np.float32)
    return values[np.isfinite(values)]


@each_format
def test_encoding_agrees_with_torch_bit_by_bit(kind, dtype, word):
    values = bit_patterns()
    codes = np.empty(len(values), np.uint8 if kind.bits == 8 else np.uint16)
    kind.encode(values, codes, scratch(len(values)))
    clipped = torch.from_numpy(np.clip(values, -kind.largest, kind.largest))
    np.testing.assert_array_equal(codes, clipped.to(dtype).view(word).numpy().view(codes.dtype))


@each_format
def test_numbers_agree_with_torch(kind, dtype, word):
    codes = torch.arange(1 << kind.bits).to(word).view(dtype).float().numpy()
    finite = np.isfinite(codes)
    np.testing.assert_array_equal(kind.numbers()[finite], codes[finite])
    assert not kind.numbers()[~finite].any()


def test_the_ends_of_the_formats():
    assert [(kind.largest, kind.least) for kind, _, _ in FORMATS.values()] == [
        (448, 2**-9),
        (57344, 2**-16),
        (65504, 2**-24),
    ]
