"""A channel sends differences, remembers what it lost, and lets through only what it asked for."""

from dataclasses import replace

import numpy as np
import pytest

from federation.arrays import digest, spec_of
from federation.codecs._chain import Chain
from federation.codecs._text import parse_chain
from federation.errors import RejectedUpdate
from federation.transport import ABSURD, Channel, Place

PARTS = {"model": {"w": np.arange(6, dtype="f4").reshape(2, 3)}, "control": {"w": np.ones(2)}}
SPECS = {part: spec_of(arrays) for part, arrays in PARTS.items()}
VECTOR = {"model": {"w": np.array([4, -3, 2, 1], "f4")}}
SPEC = {"model": spec_of(VECTOR["model"])}
PLACE = Place(3, 7)


def channel(codec="none", feedback="none", name="uplink"):
    return Channel(Chain(parse_chain(codec)), 1, name, feedback)


def exchange(wire, parts, specs=SPEC, held=None, place=PLACE, onto=None):
    sent = wire.encode(parts, specs, held or {}, place, {})
    return wire.decode(sent.payloads, specs, held or {}, place, {}, onto).parts


def test_without_a_codec_parts_arrive_as_they_were_sent():
    assert digest(exchange(channel(), PARTS, SPECS)) == digest(PARTS)


def test_without_a_codec_the_base_does_not_matter():
    held = {"model": {"w": np.full((2, 3), 0.1, "f4")}}
    assert digest(exchange(channel(), PARTS, SPECS, held)) == digest(PARTS)


def test_a_lossy_codec_sends_the_difference_to_what_is_held():
    held = {"model": {"w": np.array([4, -3, 0, 0.5], "f4")}}
    got = exchange(channel("topk(1)"), VECTOR, held=held)
    assert got["model"]["w"].tolist() == [4, -3, 2, 0.5]


def test_the_receiver_may_add_the_difference_to_other_arrays():
    held = {"model": {"w": np.array([4, -3, 0, 0.5], "f4")}}
    onto = {"model": {"w": np.array([10, 10, 10, 10], "f4")}}
    got = exchange(channel("topk(1)"), VECTOR, held=held, onto=onto)
    assert got["model"]["w"].tolist() == [10, 10, 12, 10]


def test_a_difference_from_another_model_is_refused():
    wire = channel("topk(1)")
    sent = wire.encode(VECTOR, SPEC, VECTOR, PLACE, {})
    with pytest.raises(RejectedUpdate, match="difference from another model"):
        wire.decode(sent.payloads, SPEC, {"model": {"w": np.zeros(4, "f4")}}, PLACE, {})


def test_exact_fields_are_not_compressed():
    arrays = {"w": np.array([4, -3, 2, 1], "f4"), "n": np.array(3), "m": np.array([0.1, 0.2], "f4")}
    spec = tuple(replace(f, exact=f.name == "m") for f in spec_of(arrays))
    got = exchange(channel("topk(1)"), {"model": arrays}, {"model": spec})["model"]
    assert got["w"].tolist() == [4, 0, 0, 0]
    assert got["n"] == 3
    assert got["n"].dtype == arrays["n"].dtype
    assert got["m"].tobytes() == arrays["m"].tobytes()
    assert list(got) == list(arrays)


def sends(wire, updates):
    """What arrives of one update after another, with the sender's memory handed on."""
    memory, arrived = {}, []
    for number, update in enumerate(updates, 1):
        place = Place(number, 7)
        sent = wire.encode({"model": {"w": np.array(update, "f4")}}, SPEC, {}, place, memory)
        memory = sent.memory
        arrived.append(wire.decode(sent.payloads, SPEC, {}, place, {}).parts["model"]["w"].tolist())
    return arrived, memory


def test_error_feedback_sends_later_what_was_left_out():
    """Top-1 of (4, 3, 0, 0), then of (0, 0, 1, 0) with the 3 that was left out."""
    arrived, memory = sends(channel("topk(1)", "ef"), [[4, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    assert arrived == [[4, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 0]]
    assert memory["model"]["residual"].tolist() == [0, 0, 0, 0]


def test_without_feedback_what_was_left_out_is_lost():
    arrived, memory = sends(channel("topk(1)"), [[4, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    assert arrived == [[4, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert memory == {}


def test_ef21_comes_closer_to_a_constant_update_each_time():
    wire = channel("topk(1)", "ef21")
    sender, receiver, got = {}, {}, []
    for number in (1, 2, 3):
        place = Place(number, 7)
        sent = wire.encode({"model": {"w": np.array([4, 3, 2, 0], "f4")}}, SPEC, {}, place, sender)
        received = wire.decode(sent.payloads, SPEC, {}, place, receiver)
        sender, receiver = sent.memory, received.memory
        got.append(received.parts["model"]["w"].tolist())
    assert got == [[4, 0, 0, 0], [4, 3, 0, 0], [4, 3, 2, 0]]
    np.testing.assert_array_equal(sender["model"]["estimate"], receiver["model"]["estimate"])


@pytest.mark.parametrize("changed", [Place(4, 7), Place(3, 8)])
def test_random_draws_belong_to_round_and_client(changed):
    wire = channel("randomk(2)")
    parts = {"model": {"w": np.arange(1, 41, dtype="f4")}}
    spec = {"model": spec_of(parts["model"])}
    got = [exchange(wire, parts, spec, place=p)["model"]["w"].tolist() for p in (PLACE, changed)]
    assert got[0] != got[1]


def test_other_parts_than_were_asked_for_are_refused():
    payloads = channel().encode(PARTS, SPECS, {}, PLACE, {}).payloads
    with pytest.raises(RejectedUpdate, match=r"\['control', 'model'\].*\['model'\]"):
        channel().decode(payloads, {"model": SPECS["model"]}, {}, PLACE, {})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    parts = {"model": {"w": np.array([1, value, 2, 3], "f4")}}
    with pytest.raises(RejectedUpdate, match="NaN or absurdly large"):
        exchange(channel(), parts)
    with pytest.raises(ValueError, match="NaN"):
        channel("topk(2)").encode(parts, SPEC, {}, PLACE, {})


def test_an_absurd_scale_is_refused():
    parts = {"model": {"w": np.array([1, 10 * ABSURD, 2, 3], "f4")}}
    wire = channel("topk(2)")
    sent = wire.encode(parts, SPEC, {}, PLACE, {})
    with pytest.raises(RejectedUpdate, match="absurdly large"):
        wire.decode(sent.payloads, SPEC, {}, PLACE, {})
