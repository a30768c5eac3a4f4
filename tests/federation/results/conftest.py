"""Rows and folders that the tests of this package share."""

import pytest

from federation.results.folder import RunFolder
from federation.results.tables import ClientRow, ExchangeRow, RoundRow

SCENARIO = 'name = "tiny"\nrounds = 3\n'


def a_round(number, **changes):
    values = {
        "run": "tiny", "round": number, "schedule": "parallel", "algorithm": "fedavg",
        "uplink_codec": "none", "downlink_codec": "none",
        "accuracy": None, "loss": None, "train_loss": None,
        "clients_selected": 2, "clients_counted": 2, "clients_failed": 0,
        "virtual_time_s": 1.5 * number, "wall_time_s": 0.1 * number,
        "uplink_bytes": 10, "downlink_bytes": 20, "peer_bytes": 0,
        "raw_uplink_bytes": 40, "raw_downlink_bytes": 40,
        "compute_j": None, "radio_j": None, "waiting_j": None, "network_j": None,
        "server_j": None, "carbon_g": None,
    }  # fmt: skip
    return RoundRow(**(values | changes))


def a_client(round_, client, **changes):
    values = {
        "run": "tiny", "round": round_, "client": client, "device": "raspberry-pi-4",
        "network": "wifi4", "region": None, "examples": 7, "steps": 1, "train_loss": 0.5,
        "compute_s": 1.0, "compute_j": None, "waiting_s": 0.0, "waiting_j": None,
        "energy_source": None, "status": "counted", "reason": None,
    }  # fmt: skip
    return ClientRow(**(values | changes))


def an_exchange(round_, number, **changes):
    values = {
        "run": "tiny", "round": round_, "exchange": number, "source": "server", "target": "3",
        "link": "downlink", "kind": "train", "codec": "none", "raw_bytes": 40, "sent_bytes": 20,
        "start_s": 0.0, "end_s": 0.25, "radio_j": None, "network_j": 0.125, "status": "delivered",
    }  # fmt: skip
    return ExchangeRow(**(values | changes))


@pytest.fixture
def round_row():
    return a_round


@pytest.fixture
def client_row():
    return a_client


@pytest.fixture
def exchange_row():
    return an_exchange


@pytest.fixture
def run_folder(tmp_path):
    return RunFolder.create(tmp_path / "tiny", SCENARIO, {"python": "3"})
