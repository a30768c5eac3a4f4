"""The app on a SuperLink with TLS and node authentication, and three SuperNodes."""

import pytest

from benchmarks.wire_overhead import Agreement, compare, crossed, ledger

pytestmark = pytest.mark.timeout(600)  # many process starts on a machine that may be busy

NODES = 3


@pytest.fixture(scope="module")
def results(deployment, scenario, tmp_path_factory):
    """The folder of what the scenario gave on the real nodes."""
    out = tmp_path_factory.mktemp("results") / "out"
    deployment.run(scenario, out)
    return out


def test_real_nodes_give_the_same_models_as_the_simulation(results, reference_models, models_in):
    models = models_in(results)
    assert len(models) == 2, "one run for each schedule, one of them compressed both ways"
    assert models == reference_models


def test_every_exchange_of_the_ledger_crossed_the_wire_to_the_byte(deployment, results):
    told = ledger(results)
    requests, replies, rounds, runs = 1, 1, 2, 2
    assert len(told) == NODES * (requests + replies) * rounds * runs
    assert compare(told, crossed(deployment.traffic)) == Agreement(len(told), [], [])


def test_a_node_whose_key_is_not_registered_is_refused(deployment):
    keys = deployment.processes.folder / "credentials" / f"node-{NODES}"
    stranger = deployment.start_supernode(keys, NODES)
    assert stranger.wait(timeout=60) != 0
    del deployment.processes.started[keys.name]  # its end was no accident
    assert deployment.nodes_online() == NODES
