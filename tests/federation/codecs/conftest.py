"""What the tests of single stages share: there and back, and the claims tried out."""

from types import SimpleNamespace

import numpy as np
import pytest

from federation.codecs._stage import Context, Shape


def _shape(values, tensors):
    return Shape("values", len(values), tensors=tensors or ((len(values),),))


def _back(stage, values, tensors=None, draw=0):
    """What a receiver makes of `values`; another draw, other random numbers."""
    values, here = np.asarray(values, np.float32), Context(1, "test", draw, 0)
    shape = _shape(values, tensors)
    done = stage.encode(values, shape, here)
    return stage.decode(done.values, done.side, shape, here)


def _symbols(stage, values, tensors=None):
    values = np.asarray(values, np.float32)
    shape = _shape(values, tensors)
    return stage.encode(values, shape, Context(1, "test", 0, 0)).values.tolist()


def _side(stage, values, tensors=None, dtype="<f4"):
    values = np.asarray(values, np.float32)
    done = stage.encode(values, _shape(values, tensors), Context(1, "test", 0, 0))
    return np.frombuffer(done.side, dtype).tolist()


def _relative_error(stage, values, tensors=None, draw=0):
    """|C(x) - x|^2 / |x|^2, in float64."""
    exact = np.asarray(values, np.float32).astype(np.float64)
    decoded = _back(stage, values, tensors, draw).astype(np.float64)
    return float(np.square(decoded - exact).sum() / np.square(exact).sum())


def _assert_contractive(stage, values, tensors=None):
    claim = stage.claim(_shape(values, tensors))
    assert claim.kind == "contractive"
    assert 0 < claim.constant <= 1
    assert _relative_error(stage, values, tensors) <= 1 - claim.constant


def _errors(stage, values, draws, tensors=None):
    """|C(x) - x|^2 / |x|^2 of each draw; asserts that the mean of C(x) is x, within 4 sigma."""
    exact = np.asarray(values, np.float32).astype(np.float64)
    decoded = np.array([_back(stage, values, tensors, draw) for draw in range(draws)], np.float64)
    # 4 sigma, and as in Bernstein's inequality room for events too rare to have been seen.
    allowed = 4 * decoded.std(0) / np.sqrt(draws) + 8 * np.abs(decoded - exact).max() / draws
    np.testing.assert_array_less(np.abs(decoded.mean(0) - exact), allowed)
    return np.square(decoded - exact).sum(1) / np.square(exact).sum()


def _mean_error(stage, values, draws, tensors=None):
    return float(_errors(stage, values, draws, tensors).mean())


def _assert_unbiased(stage, values, draws=1000, tensors=None):
    """Asserts the claim; the mean error may be above its constant by chance, by 4 sigma."""
    claim = stage.claim(_shape(values, tensors))
    assert claim.kind == "unbiased"
    errors = _errors(stage, values, draws, tensors)
    assert errors.mean() <= claim.constant + 4 * errors.std() / np.sqrt(draws)


def _decode(stage, coded, side, length, tensors=None):
    """What a receiver makes of forged symbols (a list, or an array) and side information."""
    shape = Shape("values", length, tensors=tensors or ((length,),))
    coded = np.asarray(coded, np.uint8) if isinstance(coded, list) else coded
    return stage.decode(coded, side, shape, Context(1, "test", 0, 0))


@pytest.fixture(scope="session")
def trial():
    """Ways to try a stage out."""
    return SimpleNamespace(
        back=_back,
        symbols=_symbols,
        side=_side,
        relative_error=_relative_error,
        mean_error=_mean_error,
        assert_contractive=_assert_contractive,
        assert_unbiased=_assert_unbiased,
        decode=_decode,
    )
