"""The rows that a round made by hand gives."""

import pytest

from federation.evaluation import Evaluation
from federation.messages import Reply, Timing
from federation.recording import Recorder
from federation.rounds import Outcome, RoundResult, outcome_of
from federation.scenario import files

METRICS = {"weight": 9.0, "examples": 9.0, "steps": 3.0, "processed": 18.0, "train_loss": 0.5}
SENT = {"raw_bytes": 400, "sent_bytes": 100, "request_raw_bytes": 400, "request_sent_bytes": 410}
PLACES = {
    0: ("raspberry-pi-4", "wifi4", "DEU"),
    1: ("raspberry-pi-4", "wifi4", "FRA"),
    2: (None, None, None),
}


@pytest.fixture
def recorder():
    scenario = files.resolve(
        {
            "name": "hand-made",
            "rounds": 3,
            "data": {"source": "digits", "clients": 3},
            "model": {"name": "logistic"},
            "local": {"lr": 0.1},
            "strategy": {"schedule": "serial"},
        },
        "test",
    )
    return Recorder("run-a", scenario, PLACES.__getitem__)


def good(client, arrived_s, **metrics):
    timing = Timing(10.0, arrived_s, download_s=0.5, compute_s=arrived_s - 12, upload_s=1.5)
    return Reply(client, 2, "train", METRICS | metrics, timing=timing, **SENT)


def failed(client, **more):
    sent = {"request_raw_bytes": 400, "request_sent_bytes": 410}
    timing = Timing(10.0, 11.0)
    return Reply(client, 2, "train", error="no rows", timing=timing, **(sent | more))


@pytest.fixture
def rows(recorder):
    replies = [good(0, 14.0), good(1, 20.0, processed=6.0, train_loss=2.5), failed(2)]
    outcomes = tuple(outcome_of(reply) for reply in replies)
    result = RoundResult(2, {"model": {}}, outcomes, started_s=10.0, ended_s=20.0)
    return recorder.rows(result, Evaluation(0.25, 0.75, 0.75, 100), [], result.ended_s, 33.0)


def test_a_round_counts_its_clients_and_adds_up_its_bytes(rows):
    row = rows.round
    assert (row.run, row.round, row.schedule, row.algorithm) == ("run-a", 2, "serial", "fedavg")
    assert (row.clients_selected, row.clients_counted, row.clients_failed) == (3, 2, 1)
    assert (row.uplink_bytes, row.raw_uplink_bytes) == (2 * 100, 2 * 400)
    assert (row.downlink_bytes, row.raw_downlink_bytes, row.peer_bytes) == (3 * 410, 3 * 400, 0)
    assert (row.virtual_time_s, row.wall_time_s) == (20.0, 33.0)
    assert (row.accuracy, row.loss, row.metric) == (0.75, 0.25, 0.75)


def test_the_training_loss_is_a_mean_over_the_rows_processed(rows):
    assert rows.round.train_loss == pytest.approx((0.5 * 18 + 2.5 * 6) / (18 + 6))


def test_what_was_not_measured_is_null_and_not_zero(rows):
    row = rows.round
    energies = (row.compute_j, row.radio_j, row.waiting_j, row.network_j, row.server_j)
    assert {*energies, row.carbon_g} == {None}


def test_a_client_waits_while_the_others_are_still_busy(rows):
    assert [row.waiting_s for row in rows.clients] == [10.0 - 4.0, 0.0, 10.0 - 1.0]
    assert [row.compute_s for row in rows.clients] == [2.0, 8.0, None]


def test_a_client_is_named_by_its_number_and_its_place(rows):
    first = rows.clients[1]
    assert (first.client, first.device, first.region) == (1, "raspberry-pi-4", "FRA")
    assert (first.examples, first.steps, first.train_loss) == (9, 3, 2.5)


def test_a_failed_client_is_a_row_with_its_reason(rows):
    row = rows.clients[2]
    assert (row.status, row.reason) == ("failed", "no rows")
    assert (row.examples, row.steps, row.train_loss) == (None, None, None)
    assert [row.status for row in rows.clients[:2]] == ["counted", "counted"]
    assert [row.reason for row in rows.clients[:2]] == [None, None]


def test_every_exchange_is_a_row_of_its_own(rows):
    legs = [(row.source, row.target, row.link, row.sent_bytes) for row in rows.exchanges]
    assert legs == [
        ("server", "client 0", "downlink", 410),
        ("client 0", "server", "uplink", 100),
        ("server", "client 1", "downlink", 410),
        ("client 1", "server", "uplink", 100),
        ("server", "client 2", "downlink", 410),  # it sent nothing back
    ]
    assert [row.exchange for row in rows.exchanges] == [0, 1, 2, 3, 4]
    assert [(row.start_s, row.end_s) for row in rows.exchanges[:2]] == [(10.0, 10.5), (12.5, 14.0)]
    assert rows.exchanges[4].end_s is None, "nobody saw when the download ended"


def test_what_a_rejected_client_sent_is_in_the_bytes(recorder):
    reply = failed(1, sent_bytes=77, raw_bytes=77, fault="rejected")
    result = RoundResult(2, {"model": {}}, (outcome_of(reply),), 10.0, 11.0)
    rows = recorder.rows(result, None, [], result.ended_s, 1.0)
    assert (rows.round.uplink_bytes, rows.round.clients_failed) == (77, 1)
    assert (rows.clients[0].status, rows.exchanges[1].status) == ("rejected", "rejected")


def test_a_round_that_is_not_tested_has_no_accuracy(recorder):
    row = recorder.rows(RoundResult(0, {"model": {}}, (), 0.0, 0.0), None, [], 0.0, 0.5).round
    assert (row.accuracy, row.loss, row.metric, row.train_loss) == (None, None, None, None)
    assert (row.clients_selected, row.uplink_bytes) == (0, 0)


def test_a_schedules_own_verdict_is_kept(recorder):
    late = Outcome(good(0, 25.0), "late", "after the deadline")
    rows = recorder.rows(RoundResult(2, {"model": {}}, (late,), 10.0, 20.0), None, [], 20.0, 1.0)
    assert (rows.round.clients_counted, rows.round.train_loss) == (0, None)
    assert (rows.clients[0].status, rows.clients[0].reason) == ("late", "after the deadline")
    assert rows.clients[0].waiting_s == 0.0, "busy to the end, so it never waited"


def test_the_clients_own_tests_stand_in_their_rows_and_cost_bytes(recorder):
    timing = Timing(20.0, 21.0, 0.5, 0.0, 0.5)
    tests = [
        Reply(
            0, 2, "evaluate", {"accuracy": 0.5, "loss": 1.5, "metric": 0.5}, timing=timing, **SENT
        ),
        Reply(1, 2, "evaluate", error="no rows for testing", timing=timing, **SENT),
    ]
    outcomes = (outcome_of(good(0, 20.0)), outcome_of(good(1, 20.0)))
    rows = recorder.rows(
        RoundResult(2, {"model": {}}, outcomes, 10.0, 20.0), None, tests, 21.0, 1.0
    )
    assert [(row.accuracy, row.loss) for row in rows.clients] == [(0.5, 1.5), (None, None)]
    assert rows.round.uplink_bytes == 4 * 100
    kinds = [(row.kind, row.status) for row in rows.exchanges]
    assert (
        kinds
        == [("train", "counted")] * 4 + [("evaluate", "counted")] * 2 + [("evaluate", "failed")] * 2
    )
