"""What the clients of one process share."""

from clients.build import workshop
from federation.arrays import digest
from federation.scenario import files
from federation.scenario.client import client_config

SCENARIO = {
    "name": "shared",
    "rounds": 2,
    "data": {"source": "digits", "clients": 4},
    "model": {"name": "logistic"},
    "local": {"lr": 0.1},
    "downlink": {"codec": "stc(0.1)"},
}


def test_every_client_of_a_process_begins_with_the_first_weights(tmp_path):
    """Also one that joins after another has trained with the shared model."""
    shop = workshop(client_config(files.resolve(SCENARIO, "test")), None)
    first = shop.runtime(lambda client: range(10), tmp_path / "a").held.start
    before = digest(first)
    trained = {name: value + 1 for name, value in shop.learner.arrays().items()}
    shop.learner.load(trained)
    later = shop.runtime(lambda client: range(10), tmp_path / "b").held.start
    assert digest(later) == digest(first) == before
