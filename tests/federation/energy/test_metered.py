"""From meters to the tables: what a client took, what a round took, and what nobody knows."""

import pytest

from federation.costs import Costs
from federation.energy.meter import Reading
from federation.energy.metered import MeteredAccountant
from federation.messages import Reply, Timing


def measured(joules, source="measured", scope="wall", seconds=5.0, flag=""):
    return Reading(joules, seconds, source, scope, flag)


NOTHING_FOUND = Reading(None, 5.0, None, None, "not measured")


def reply(client, reading=None, kind="train", sent_bytes=100, error=None):
    timing = Timing(10.0, 20.0)
    return Reply(
        client, 1, kind, sent_bytes=sent_bytes, error=error, timing=timing, reading=reading
    )


def costs(*replies):
    waiting_s = {one.client: 0.0 for one in replies}
    return Costs(replies, waiting_s, MeteredAccountant().bill(replies, waiting_s, 10.0, 20.0))


def of_client(found, client):
    row = found.of_client(client)
    return tuple(row[f"{name}"] for name in ("compute_j", "energy_source", "energy_scope"))


def flag_of(found, client):
    return found.of_client(client)["energy_flag"]


def test_a_round_is_the_sum_of_its_clients():
    found = costs(reply(0, measured(60.0)), reply(1, measured(0.25)))
    assert found.of_round()["compute_j"] == 60.25
    assert of_client(found, 0) == (60.0, "measured", "wall")
    assert of_client(found, 1) == (0.25, "measured", "wall")


def test_what_no_meter_measures_is_null():
    row = costs(reply(0, measured(60.0))).of_round()
    others = ("radio_j", "waiting_j", "network_j", "server_j", "carbon_g")
    assert [row[name] for name in others] == [None] * 5
    assert row["compute_j_low"] is None


def test_nodes_without_meters_leave_everything_null():
    found = costs(reply(0), reply(1))
    assert set(found.of_round().values()) == {None}
    assert set(found.of_client(0).values()) == {None}


def test_a_round_that_asked_nobody_took_nothing_that_is_known():
    assert costs().of_round()["compute_j"] is None


@pytest.mark.parametrize(
    "other",
    [
        reply(1),
        reply(1, NOTHING_FOUND),
        reply(1, error="no rows"),
        reply(1, measured(1.0, scope="gpu")),
    ],
    ids=["no meter", "a meter that failed", "a client that failed", "another scope"],
)
def test_a_sum_over_some_of_the_clients_is_not_told(other):
    found = costs(reply(0, measured(60.0)), other)
    assert found.of_round()["compute_j"] is None
    assert of_client(found, 0) == (60.0, "measured", "wall")


def test_a_client_that_never_answered_is_not_waited_for():
    found = costs(reply(0, measured(60.0)), reply(1, error="no reply within 5 s", sent_bytes=0))
    assert found.of_round()["compute_j"] == 60.0
    assert of_client(found, 1) == (None, None, None)


def test_a_clients_training_and_test_are_one_figure():
    found = costs(
        reply(0, measured(60.0)), reply(0, measured(2.0, flag="too short"), kind="evaluate")
    )
    assert of_client(found, 0) == (62.0, "measured", "wall")
    assert flag_of(found, 0) == "too short"
    assert found.of_round()["compute_j"] == 62.0


def test_a_figure_is_no_better_than_its_weakest_part():
    found = costs(reply(0, measured(1.0)), reply(0, measured(1.0, "estimated"), kind="evaluate"))
    assert of_client(found, 0) == (2.0, "estimated", "wall")


@pytest.mark.parametrize(
    ("test", "flag"),
    [
        (reply(0, kind="evaluate"), "measured in part"),
        (reply(0, NOTHING_FOUND, kind="evaluate"), "not measured; measured in part"),
        (reply(0, kind="evaluate", sent_bytes=0, error="gone"), "measured in part"),
        (reply(0, measured(1.0, scope="gpu"), kind="evaluate"), "several scopes"),
    ],
)
def test_a_clients_half_figure_is_not_told(test, flag):
    found = costs(reply(0, measured(60.0)), test)
    assert of_client(found, 0) == (None, None, None)
    assert flag_of(found, 0) == flag
    assert found.of_round()["compute_j"] is None


def test_a_meter_that_found_nothing_is_told_apart_from_none():
    found = costs(reply(0, NOTHING_FOUND), reply(1))
    assert (flag_of(found, 0), flag_of(found, 1)) == ("not measured", None)


def test_a_window_longer_than_its_exchange_is_not_believed():
    found = costs(reply(0, measured(60.0, seconds=10.2)), reply(1, measured(1.0, seconds=10.0)))
    assert of_client(found, 0) == (None, None, None)
    assert flag_of(found, 0) == "not measured; longer than the exchange"
    assert of_client(found, 1) == (1.0, "measured", "wall")
