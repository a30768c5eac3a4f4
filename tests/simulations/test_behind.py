"""Tested behind the next round, a run has the bits that it has where every round waits."""

import pytest

from federation.scenario.files import resolve
from federation.session import Session
from simulations.launch import simulate
from simulations.prepare import PlannedRun

TABLE = {
    "name": "behind",
    "rounds": 6,
    "data": {"source": "digits", "clients": 12, "holdout": 0.2},
    "model": {"name": "2nn"},
    "local": {"lr": 0.1, "batch_size": 16},
    "strategy": {"clients_per_round": 4},
}
VARIANTS = {
    "plain": {},
    "lossy": {"uplink": {"codec": "int8 | range"}, "downlink": {"codec": "stc(0.05)"}},
    "clients test too": {"evaluation": {"every": 2, "per_client": True}},
    "serial": {"strategy": {"clients_per_round": 4, "schedule": "serial"}},
    "dropout": {"model": {"name": "mlp", "args": {"dropout": 0.5}}},
    "batteries": {
        "fleet": [{"device": "phone-mid", "network": "lte", "battery": [0.5, 0.9]}],
    },
    "losses choose": {
        "strategy": {"clients_per_round": 4, "selection": "power-of-choice"},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_bits_are_those_of_rounds_that_wait(tmp_path, monkeypatch, bits, variant):
    scenario, lagged, plain = resolve(TABLE | VARIANTS[variant], variant), [], Session._may_lag

    def noted(session, entry):
        lagged.append(plain(session, entry))
        return lagged[-1]

    monkeypatch.setattr(Session, "_may_lag", noted)
    simulate(PlannedRun("behind", scenario, tmp_path / "behind"))
    assert any(lagged)

    monkeypatch.setattr(Session, "_may_lag", lambda session, entry: False)
    simulate(PlannedRun("behind", scenario, tmp_path / "waiting"))
    assert bits(tmp_path / "behind") == bits(tmp_path / "waiting")
