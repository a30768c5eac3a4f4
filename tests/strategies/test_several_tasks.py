"""Clients with tasks of their own share hidden layers."""

import numpy as np
import pandas as pd
import pytest

from clients.build import workshop
from federation.errors import DataError
from federation.scenario.client import client_config
from simulations import prepare
from simulations.compare import compare
from simulations.launch import simulate

PARITY = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
DIGITS = list(range(10))


def planned(tmp_path, *settings):
    return prepare.plan("several-tasks", [*settings], str(tmp_path / "out"), False)


def test_clients_have_the_tasks_in_turn_for_training_and_testing(cache, tmp_path):
    run = planned(tmp_path, f"data.tasks={[DIGITS, PARITY]}")[0]
    made = prepare.materials(run.scenario)
    shop = workshop(client_config(run.scenario), None)
    holdings = shop.runtime(made.assignment.rows_of, tmp_path / "state").holdings
    for client in range(4):
        _, train = holdings.train(client)
        _, test = holdings.test(client)
        own = np.sort(np.concatenate([train.numpy(), test.numpy()]))
        labels = made.dataset.train.y[made.assignment.rows_of(client)]
        wanted = labels % 2 if client % 2 else labels
        assert own.tolist() == sorted(wanted.tolist())


@pytest.mark.parametrize(
    ("tasks", "said"),
    [([[0, 1]], "has 2 numbers"), ([[10] * 10], "the highest is 10"), ([[]], "0 numbers")],
)
def test_a_task_that_does_not_say_a_class_for_each_class_is_refused(cache, tmp_path, tasks, said):
    run = planned(tmp_path, f"data.tasks={tasks}")[0]
    with pytest.raises(DataError, match=said):
        prepare.materials(run.scenario)


def test_shared_layers_with_own_heads_beat_one_head_for_all_and_learning_alone(cache, tmp_path):
    """The bundled scenario, a quarter of it; the clients' own tests are in the tables."""
    runs = planned(tmp_path, "rounds=12", "evaluation.every=12", "data.clients=12")
    for run in runs:
        simulate(run)
    frame = compare([run.folder for run in runs], None).set_index("run")
    for run in runs:
        clients = pd.read_parquet(run.folder / "clients.parquet")
        last = clients[clients["round"] == 12]
        assert last.accuracy.notna().all()
        own = frame.client_accuracy[run.label]
        assert own == pytest.approx(last.accuracy.mean())
    assert frame.client_accuracy["shared-layers"] > frame.client_accuracy["alone"] + 0.01
    assert frame.client_accuracy["shared-layers"] > frame.client_accuracy["one-model"] + 0.2


def test_without_client_tests_the_comparison_has_no_such_column(cache, tmp_path):
    settings = ["rounds=1", "evaluation.per_client=false", "data.clients=3"]
    run = prepare.plan("several-tasks", settings, str(tmp_path / "out"), False)[0]
    simulate(run)
    assert "client_accuracy" not in compare([run.folder], None).columns
