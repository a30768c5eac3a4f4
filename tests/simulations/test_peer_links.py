"""When messages between clients arrive: worked by hand."""

import pytest

from federation.costs import covered_s
from federation.messages import Reply, Timing
from federation.peers import PeerMessage, Size
from simulations.peer_links import PeerLink, timetable
from simulations.speeds import Speed
from strategies.schedules import _ring

# Bit/s down and up: a byte takes 1 s down everywhere; up 2 s of client 0, else 1 s.
SPEEDS = {0: (8.0, 4.0), 1: (8.0, 8.0), 2: (8.0, 8.0)}


def link_of(client, round_number):
    down, up = SPEEDS[client]
    return PeerLink(Speed(0.5, down, up, 0.0))


def message(source, target, ready_s=0.0, size=10, after=()):
    return PeerMessage(1, source, target, "d-psgd", Size(size, size), ready_s, after)


def times(*messages):
    return [(one.start_s, one.end_s) for one in timetable(messages, link_of)]


def test_a_message_takes_the_slower_link_and_half_a_round_trip_of_either_side():
    assert times(message(0, 1)) == [(0.0, 21.0)]  # 20 s up, 2 x 0.5 s
    assert times(message(1, 0, ready_s=3.0)) == [(3.0, 14.0)]


def test_a_small_ring():
    # On to the next: all uplinks and downlinks are free; then back to the one before.
    steps = [message(0, 1), message(1, 2), message(2, 0), *(message(1, 0), message(2, 1))]
    assert times(*steps, message(0, 2)) == [
        (0.0, 21.0),
        (0.0, 11.0),
        (0.0, 11.0),
        (10.0, 21.0),  # when client 1 has sent; client 0's downlink is free then
        (20.0, 31.0),  # client 1 receives from 0 until 21: its first bit comes 1 s after it left
        (20.0, 41.0),
    ]


def test_nothing_is_passed_on_before_it_came():
    assert times(message(0, 1), message(1, 2, after=(0,)))[1] == (21.0, 32.0)


def test_the_clock_of_a_ring_all_reduce():
    # Three equal workers: 2 (N - 1) = 4 steps of a segment, each with its latency.
    replies = [_reply(client, trained_s=5.0) for client in range(3)]
    messages = _ring.messages(1, replies)
    found = timetable(messages, lambda client, number: PeerLink(Speed(0.5, 8.0, 8.0, 0.0)))
    step_s = messages[0].size.sent_bytes + 1.0
    assert {one.size.sent_bytes for one in messages} == {messages[0].size.sent_bytes}
    assert max(one.end_s for one in found) == pytest.approx(5.0 + 4 * step_s)
    assert len(found) == 12
    assert [one.size.raw_bytes for one in messages] == [8] * 12


def _reply(client, trained_s):
    import numpy as np

    parts = {"model": {"w": np.arange(6, dtype=np.float32) + client}}
    timing = Timing(0.0, trained_s)
    return Reply(client, 1, "train", {"weight": 2.0}, parts, timing=timing)


def test_a_ring_sums_weighted_values_in_their_own_precision():
    replies = [_reply(client, 0.0) for client in range(3)]
    total = _ring.summed(replies)
    assert total.parts["model"]["w"].tolist() == [2 * (3 * i + 3) for i in range(6)]
    assert (total.weight, total.count) == (6.0, 3)
    assert total.mean("model")["w"].tolist() == [i + 1 for i in range(6)]


def test_what_overlaps_counts_once():
    assert covered_s([(1.0, 3.0), (0.0, 2.0), (5.0, 6.0)]) == 4.0
