"""Flower's own strategies and anybody's ClientApp run under virtual time."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from simulations.devices import network_profile
from simulations.executors.inline import InlineExecutor
from simulations.virtual_grid import VirtualGrid
from simulations.workers import AppSetup

app = ClientApp()
BROKEN = 3  # this client's disk is full


@app.train()
def add_own_number(message, context):
    """Add the client's number to the model; it has so many examples, and one more."""
    number = context.node_config["partition-id"]
    if number == BROKEN:
        raise OSError("the disk is full")
    arrays = [value + number for value in message.content["arrays"].to_numpy_ndarrays()]
    metrics = MetricRecord({"num-examples": number + 1})
    return Message(
        RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message
    )


@app.evaluate()
def report_own_number(message, context):
    number = context.node_config["partition-id"]
    metrics = MetricRecord({"loss": float(number), "num-examples": 1})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


def fedavg_of_flower(pretend, clients, rounds):
    handler = AppSetup(lambda: app, clients).build()
    grid = VirtualGrid(InlineExecutor(handler), pretend(clients))
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=1.0, min_available_nodes=clients)
    start = ArrayRecord([np.array([1.0, 10.0], "f4")])
    return grid, strategy.start(grid, start, num_rounds=rounds)


def test_flowers_own_fedavg_runs_here_with_an_ordinary_client_app(pretend):
    grid, result = fedavg_of_flower(pretend, 3, rounds=2)
    drift = 2 * (0 * 1 + 1 * 2 + 2 * 3) / (1 + 2 + 3)
    (weights,) = result.arrays.to_numpy_ndarrays()
    np.testing.assert_allclose(weights, [1 + drift, 10 + drift], rtol=1e-6)
    assert result.evaluate_metrics_clientapp[2]["loss"] == pytest.approx(1.0)
    there_and_back_s = float(network_profile("wifi4").round_trip_ms) / 1000
    assert grid.now > 4 * there_and_back_s, "two rounds of training and two of testing"


def test_a_client_app_that_raises_is_left_out_by_flowers_own_fedavg(pretend):
    _, result = fedavg_of_flower(pretend, BROKEN + 1, rounds=1)
    drift = sum(n * (n + 1) for n in range(BROKEN)) / sum(n + 1 for n in range(BROKEN))
    (weights,) = result.arrays.to_numpy_ndarrays()
    np.testing.assert_allclose(weights, [1 + drift, 10 + drift], rtol=1e-6)


def test_a_client_app_that_raises_is_an_error_in_one_line(pretend):
    handler = AppSetup(lambda: app, BROKEN + 1).build()
    grid = VirtualGrid(InlineExecutor(handler), pretend(BROKEN + 1))
    (reply,) = grid.send_and_receive([Message(RecordDict(), BROKEN + 2, "train")])
    assert reply.error.reason == "OSError: the disk is full"
