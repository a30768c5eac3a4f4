"""TernGrad: three values a tensor, unbiased where nothing is clipped."""

import numpy as np
import pytest

from federation.codecs._stage import Shape
from federation.codecs._text import parse_chain
from federation.codecs.terngrad import TernGrad
from federation.errors import ScenarioError

HEAVY = (np.random.default_rng(0).standard_normal(64) ** 3).astype("f4")


def test_entries_at_the_scale_and_zeros_are_exact(trial):
    x = [2, -2, 0, 2]
    assert trial.symbols(TernGrad(), x) == [2, 0, 1, 2]
    assert trial.back(TernGrad(), x).tolist() == x


def test_every_tensor_has_its_own_scale(trial):
    assert trial.side(TernGrad(), [1, -2, 3, 0], ((2,), (1, 2))) == [2, 3]


def test_the_scale_is_clipped_at_so_many_root_mean_squares(trial):
    x = np.zeros(100)
    x[7] = -10  # the root mean square is 1
    assert trial.side(TernGrad(), x) == [2.5]
    assert trial.side(TernGrad(4), x) == [4]
    assert trial.side(TernGrad(0), x) == [10]
    assert trial.back(TernGrad(), x)[7] == -2.5


def test_the_root_mean_square_is_that_of_the_tensor(trial):
    x = np.zeros(104)
    x[7], x[100:] = -10, 3
    assert trial.side(TernGrad(), x, ((100,), (4,))) == [2.5, 3]


def test_a_constant_tensor_survives_clipping(trial):
    assert trial.back(TernGrad(), np.full(50, -3)).tolist() == [-3] * 50


def test_it_is_unbiased_without_clipping(trial):
    trial.assert_unbiased(TernGrad(0), HEAVY)
    trial.assert_unbiased(TernGrad(0), HEAVY, tensors=((8, 4), (32,)))


def test_what_it_promises_depends_on_whether_it_can_clip():
    def claim(clip, length):
        return TernGrad(clip).claim(Shape("values", length, tensors=((length,),)))

    assert claim(0, 100).kind == "unbiased"
    assert claim(0, 100).constant == pytest.approx((10 - 1) / 2)
    assert claim(2.5, 6).kind == "unbiased"  # no entry is above sqrt(6) root mean squares
    assert claim(2.5, 7).kind == "none"


def test_its_constant_is_reached(trial):
    x = np.array([1, *[0.1] * 80], np.float32)  # 1 / (sqrt(81) + 1)
    assert trial.mean_error(TernGrad(0), x, 2000) == pytest.approx(4, rel=0.05)


def test_a_symbol_that_there_is_not_is_refused(trial):
    with pytest.raises(ValueError, match="a symbol is not in"):
        trial.decode(TernGrad(), [3], np.float32([1]).tobytes(), 1)


@pytest.mark.parametrize("text", ["terngrad(-1)", "terngrad('a')", "terngrad(1e400)"])
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec terngrad: clip"):
        parse_chain(text)
