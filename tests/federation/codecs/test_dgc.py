"""Deep gradient compression: what is sent, what is kept, and when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.codecs._chain import Chain, Label
from federation.codecs._positions import encode_positions
from federation.codecs._stage import Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.dgc import Dgc
from federation.errors import ScenarioError


def here(round_=1, memory=None):
    return Context(1, "dgc", round_, 1, memory or {})


def sent(stage, values, round_=1, memory=None):
    """What the receiver decodes, and what the sender keeps."""
    values = np.array(values, "f4")
    given_ = Shape("values", len(values))
    coded = stage.encode(values, given_, here(round_, memory))
    return stage.decode(coded.values, coded.side, given_, here(round_)), coded.memory


def test_two_rounds_by_hand():
    stage = Dgc(0.25, momentum=0.5, warmup=0)
    decoded, memory = sent(stage, [4, 1, -2, 0])
    assert decoded.tolist() == [4, 0, 0, 0]
    assert memory["u"].tolist() == memory["v"].tolist() == [0, 1, -2, 0]
    decoded, memory = sent(stage, [0, 1, -1, 0], 2, memory)
    # u = [0, 1.5, -2, 0], v = [0, 2.5, -4, 0]
    assert decoded.tolist() == [0, 0, -4, 0]
    assert memory["u"].tolist() == [0, 1.5, 0, 0]
    assert memory["v"].tolist() == [0, 2.5, 0, 0]


def test_without_momentum_nothing_is_lost():
    stage, rng = Dgc(0.1, momentum=0, warmup=0), np.random.default_rng(1)
    memory, received, given_away = {}, np.zeros(50), np.zeros(50)
    for round_ in range(1, 60):
        values = rng.integers(-8, 9, 50).astype("f4")
        decoded, memory = sent(stage, values, round_, memory)
        received, given_away = received + decoded, given_away + values
    np.testing.assert_array_equal(received + memory["v"], given_away)


def test_sending_everything_is_no_compression():
    values = [1.5, -2, 0, 7]
    decoded, memory = sent(Dgc(1.0), values)
    assert decoded.tolist() == values
    assert not memory["u"].any()
    assert not memory["v"].any()


def test_the_warm_up_falls_by_four():
    stage = Dgc(0.001)
    assert [stage.count(100_000, r) for r in range(1, 8)] == [
        *(25_000, 6250, 1563, 391),
        *(100, 100, 100),
    ]
    slow = Dgc(0.001, warmup=3)
    assert [slow.count(1000, r) for r in (1, 3, 4, 6, 7)] == [250, 250, 63, 63, 16]
    assert Dgc(0.001, warmup=0).count(100_000, 1) == 100


@settings(max_examples=80)
@given(
    length=st.integers(0, 300),
    fraction=st.sampled_from([0.001, 0.1, 0.6, 1.0]),
    round_=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_the_largest_are_sent_and_never_more_than_the_shape_says(length, fraction, round_, seed):
    values = np.random.default_rng(seed).integers(-5, 6, length).astype("f4")
    stage, given_ = Dgc(fraction, momentum=0), Shape("values", length)
    decoded, memory = sent(stage, values, round_)
    count = stage.count(length, round_)
    assert count <= stage.shape(given_).length
    np.testing.assert_array_equal(decoded + memory["v"], values)
    kept_back = np.sort(np.abs(values))[: length - count].sum()
    assert np.abs(memory["v"]).sum() == kept_back


def test_a_client_that_was_away_goes_on_where_it_was():
    _, memory = sent(Dgc(0.25, momentum=0, warmup=0), [3, 2, 1, 0])
    decoded, _ = sent(Dgc(0.25, momentum=0, warmup=0), [0, 0, 0, 1], 90, memory)
    assert decoded.tolist() == [0, 2, 0, 0]


def test_a_chain_keeps_it_between_rounds():
    chain, tensors = Chain(parse_chain("dgc(0.25, 0.0, 0) | int8 | range")), [(4,)]
    values, memories = np.array([4, 3, 2, 1], "f4"), {}
    received = []
    for round_ in (1, 2):
        packed = chain.encode(values, b"", tensors, Label(round_), here(round_), memories)
        memories = packed.memories
        received.append(chain.decode(packed.payload, 0, tensors, Label(round_), here(round_))[0])
    np.testing.assert_allclose(received, [[4, 0, 0, 0], [0, 6, 0, 0]], rtol=0.01)


def test_memory_of_another_model_is_refused():
    with pytest.raises(ValueError, match="dgc keeps"):
        sent(Dgc(), [1, 2], 1, {"u": np.zeros(3, "f4"), "v": np.zeros(3, "f4")})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_on_both_sides(bad):
    with pytest.raises(ValueError, match="NaN"):
        sent(Dgc(), [1, bad])
    with pytest.raises(ValueError, match="NaN"):
        Dgc(0.5, warmup=0).decode(
            np.array([bad], "f4"), encode_positions(np.array([1]), 2), Shape("values", 2), here()
        )


def test_huge_values_stay_finite():
    memory = {}
    for round_ in range(1, 30):
        decoded, memory = sent(Dgc(0.25, 0.99, 0), [3e38, -3e38, 1, 0], round_, memory)
        assert np.isfinite(decoded).all()


def test_a_round_that_sends_another_number_is_refused():
    given_ = Shape("values", 100)
    coded = Dgc(0.01).encode(np.arange(100, dtype="f4"), given_, here(1))
    with pytest.raises(ValueError, match="where round 2 sends"):
        Dgc(0.01).decode(coded.values, coded.side, given_, here(2))


@pytest.mark.parametrize("arguments", [(0,), (1.5,), (0.1, 1), (0.1, -0.1), (0.1, 0.9, -1)])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ScenarioError, match="codec dgc"):
        Dgc(*arguments)
