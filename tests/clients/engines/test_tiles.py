"""Tiles of products against numpy, for every size and every nest of sums."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from clients.engines.native.products import Size, Slopes, backward, forward
from clients.engines.native.tiles import NOTHING, Matrix, Sums, gemm

few = settings(max_examples=20, deadline=None)


def rows(array):
    return Matrix(array.ctypes.data, array.shape[1])


def numbers(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal(shape).astype("f4")).clone().numpy()


@pytest.mark.parametrize("count", [1, 5, 8])
@pytest.mark.parametrize("vectors", [1, 4])
def test_a_tile_is_a_product(count, vectors):
    tile = gemm(count, vectors)

    @njit
    def run(a, b, d, c, sums, keep):
        tile(a, b, d, c, sums, keep)

    a, b, d = numbers(count, 7), numbers(7, 16 * vectors, seed=1), numbers(count, 16 * vectors)
    c = np.zeros_like(d)
    sums = Sums(1, (1, 0, 0), (1, 0, 0), (7, 1, 16 * vectors))
    run(rows(a), rows(b), rows(d), rows(c), sums, 0.5)
    np.testing.assert_allclose(c, 0.5 * d + a @ b, rtol=1e-5, atol=1e-5)
    run(rows(a), rows(b), NOTHING, rows(c), sums, 1.0)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-5)
    run(rows(a), rows(b), Matrix(d.ctypes.data, 0), rows(c), sums, 1.0)
    np.testing.assert_allclose(c, d[:1] + a @ b, rtol=1e-5, atol=1e-5)


@few
@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_a_dense_layer_and_its_gradients(fives, columns, fours, moves):
    r, p, o = 5 * fives, 16 * columns, 4 * fours
    x, w, g = numbers(r, p), numbers(o, p, seed=1), numbers(r, o, seed=2)
    y, gx, into = np.zeros((r, o), "f4"), np.zeros((r, p), "f4"), np.zeros((o, p), "f4")
    size = Size(r, p, o)
    forward(rows(x), rows(w), rows(y), size)
    np.testing.assert_allclose(y, x @ w.T, rtol=1e-4, atol=1e-3)
    before, scaled = w.copy(), (-0.1 * g).astype("f4")
    target = w if moves else into
    slopes = Slopes(rows(g), rows(scaled if moves else g))
    backward(slopes, rows(x), rows(w), rows(target), rows(gx), size, 0.9)
    np.testing.assert_allclose(gx, g @ before, rtol=1e-4, atol=1e-3)
    expected = 0.9 * before + scaled.T @ x if moves else g.T @ x
    np.testing.assert_allclose(target, expected, rtol=1e-4, atol=1e-3)


def test_the_order_of_sums_is_fixed():
    """Bits of a sum of numbers of very different size, worked out in single precision."""
    p = 32
    x, w = np.ones((5, p), "f4"), numbers(4, p)
    w *= np.float32(10) ** np.linspace(-6, 6, p).astype("f4")
    y = np.zeros((5, 4), "f4")
    forward(rows(x), rows(w), rows(y), Size(5, p, 4))
    lanes = w[:, :16] + w[:, 16:]  # fused with a product by one: a plain sum
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    assert (y == lanes[:, 0]).all()
