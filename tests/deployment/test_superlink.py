"""The app on a SuperLink with TLS and node authentication, and three SuperNodes."""

import pytest

pytestmark = pytest.mark.timeout(600)  # many process starts on a machine that may be busy

NODES = 3


def test_real_nodes_give_the_same_models_as_the_simulation(
    deployment, scenario, reference_models, models_in, tmp_path
):
    deployment.run(scenario, tmp_path / "out")
    models = models_in(tmp_path / "out")
    assert len(models) == 2, "one run for each schedule"
    assert models == reference_models


def test_a_node_whose_key_is_not_registered_is_refused(deployment):
    keys = deployment.processes.folder / "credentials" / f"node-{NODES}"
    stranger = deployment.start_supernode(keys, NODES)
    assert stranger.wait(timeout=60) != 0
    del deployment.processes.started[keys.name]  # its end was no accident
    assert deployment.nodes_online() == NODES
