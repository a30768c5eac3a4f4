"""PowerSGD: exact on low rank, better with every round, never worse than nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.powersgd import Powersgd
from federation.errors import ScenarioError


def context(round_=1, memory=None):
    return Context(1, "powersgd", round_, 1, memory or {})


def shape_of(*tensors):
    return Shape("values", sum(int(np.prod(t)) for t in tensors), tensors=tensors)


def through(stage, values, given_, round_=1, memory=None):
    coded = stage.encode(values, given_, context(round_, memory))
    assert len(coded.values) == stage.shape(given_).length
    return stage.decode(coded.values, coded.side, given_, context(round_)), coded


def matrix(rows, columns, rank, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))).astype("f4")


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("scale", [1, 1e-30, 1e36])
def test_a_matrix_of_that_rank_is_exact(rank, scale):
    values = matrix(30, 40, rank) * np.float32(scale)
    decoded, _ = through(Powersgd(rank), values.reshape(-1), shape_of((30, 40)))
    np.testing.assert_allclose(decoded / scale, values.reshape(-1) / scale, atol=1e-4)


def test_a_lower_rank_than_asked_for_is_exact_too():
    values = matrix(30, 40, 1)
    decoded, coded = through(Powersgd(3), values.reshape(-1), shape_of((30, 40)))
    np.testing.assert_allclose(decoded, values.reshape(-1), atol=1e-4)
    assert np.isfinite(coded.memory["q"]).all()
    assert np.count_nonzero(coded.memory["q"]) == 3 * 40


def test_what_is_sent_by_hand():
    given_ = shape_of((4, 3, 5), (4,), (2, 2), (), (0, 3))
    after = Powersgd(1).shape(given_)
    # 4 x 15 goes as 4 + 15 values; a 2 x 2 matrix would take as many as it has.
    assert after.tensors == ((4, 1), (15, 1), (4,), (2, 2), (1,), (0,))
    assert after.length == 19 + 4 + 4 + 1
    values = np.arange(69, dtype="f4")
    decoded, _ = through(Powersgd(1), values, given_)
    np.testing.assert_array_equal(decoded[60:], values[60:])


def test_repeated_rounds_find_the_best_approximation():
    values = (matrix(50, 60, 2) + 0.3 * matrix(50, 60, 50, seed=1) / 7).astype("f4")
    lengths = np.linalg.svd(values.astype("f8"), compute_uv=False)
    best = np.square(lengths[2:]).sum()
    memory, errors = {}, []
    for round_ in range(1, 8):
        decoded, coded = through(
            Powersgd(2), values.reshape(-1), shape_of((50, 60)), round_, memory
        )
        memory = coded.memory
        errors.append(np.square(decoded - values.reshape(-1).astype("f8")).sum())
    assert errors[-1] == pytest.approx(best, rel=0.01)
    assert errors[-1] < errors[0]
    assert (np.diff(errors) <= 1e-6 * errors[0]).all()


def test_factors_are_balanced():
    values = 100 * matrix(64, 256, 3)
    _, coded = through(Powersgd(3), values.reshape(-1), shape_of((64, 256)))
    left, right = coded.values[: 64 * 3].reshape(64, 3), coded.values[64 * 3 :].reshape(256, 3)
    np.testing.assert_allclose(np.square(left).sum(0), np.square(right).sum(0), rtol=1e-4)


@settings(max_examples=60)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    rank=st.integers(1, 4),
    seed=st.integers(0, 999),
    remembered=st.booleans(),
)
def test_it_is_never_further_from_the_values_than_zero(rows, columns, rank, seed, remembered):
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal((rows, columns)) * (rng.random((rows, columns)) < 0.3)).astype(
        "f4"
    )
    stage, given_ = Powersgd(rank), shape_of((rows, columns))
    memory = through(stage, values.reshape(-1)[::-1], given_)[1].memory if remembered else {}
    decoded, _ = through(stage, values.reshape(-1), given_, 2, memory)
    square = np.square(values.astype("f8")).sum()
    assert np.square(decoded - values.reshape(-1).astype("f8")).sum() <= square * (1 + 1e-5)
    assert stage.claim(given_).constant == 0


def test_it_can_be_followed_by_a_cast_and_an_entropy_coder():
    chain, tensors = Chain(parse_chain("powersgd(2) | int8 | range")), [(40, 50), (40,)]
    values = np.concatenate([matrix(40, 50, 2).reshape(-1), np.ones(40, "f4")])
    payload = chain.encode(values, b"", tensors, Label(1), context()).payload
    decoded, _ = chain.decode(payload, 0, tensors, Label(1), context())
    assert np.square(decoded - values).sum() <= 1e-3 * np.square(values).sum()
    assert len(payload) < 0.1 * 4 * len(values)


def test_zeros_stay_zeros_and_the_next_round_goes_on():
    given_ = shape_of((10, 20))
    decoded, coded = through(Powersgd(2), np.zeros(200, "f4"), given_)
    assert not decoded.any()
    values = matrix(10, 20, 2).reshape(-1)
    decoded, _ = through(Powersgd(2), values, given_, 2, coded.memory)
    np.testing.assert_allclose(decoded, values, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_on_both_sides(bad):
    given_ = shape_of((10, 20))
    with pytest.raises(ValueError, match="NaN"):
        through(Powersgd(1), np.full(200, bad, "f4"), given_)
    with pytest.raises(ValueError, match="NaN"):
        Powersgd(1).decode(np.full(30, bad, "f4"), b"", given_, context())


def test_huge_factors_decode_to_finite_values_and_side_information_is_refused():
    given_ = shape_of((10, 20))
    factors = np.full(60, 3e38, "f4") * np.tile([1, -1], 30).astype("f4")
    assert np.isfinite(Powersgd(2).decode(factors, b"", given_, context())).all()
    with pytest.raises(ValueError, match="beside"):
        Powersgd(2).decode(factors, b"x", given_, context())


def test_entries_that_are_no_tensors_any_more_are_refused():
    with pytest.raises(ScenarioError, match="whole tensors"):
        Chain(parse_chain("topk(0.5) | powersgd(1)")).shapes([(10, 10)])


@pytest.mark.parametrize("rank", [0, -1, 1.5, True, "2"])
def test_a_rank_that_there_is_not_is_refused(rank):
    with pytest.raises(ScenarioError, match="rank"):
        Powersgd(rank)


def test_a_second_step_comes_close_to_the_best_of_that_rank():
    """The singular value decomposition is the best; one step from a random start is not."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((60, 20)), rng.standard_normal((20, 80))
    values = ((left * 0.7 ** np.arange(20)) @ right).astype("f4")
    best = np.sum(np.linalg.svd(values)[1][4:] ** 2)

    def lost(steps):
        decoded, _ = through(Powersgd(4, steps), values.reshape(-1), shape_of((60, 80)))
        return np.sum((decoded - values.reshape(-1)) ** 2)

    assert lost(1) > 1.3 * best
    assert best * 0.999 < lost(3) < 1.1 * best
