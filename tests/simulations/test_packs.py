"""Chunks that a worker gets at once: everything once, nobody idle for it, and the same bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.scenario.files import resolve
from simulations import launch
from simulations.launch import simulate
from simulations.packs import Packing
from simulations.prepare import PlannedRun

SECONDS = st.lists(st.floats(0.01, 10.0), max_size=32)


def packs(workers, together, seconds, clients=1):
    return Packing(workers, together).packs(clients, seconds)


@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40), SECONDS)
def test_every_chunk_is_in_one_pack_with_no_more_clients_than_train_well(
    workers, together, clients, seconds
):
    found = packs(workers, together, seconds, clients)
    assert sorted(number for pack in found for number in pack) == list(range(len(seconds)))
    assert all(pack == sorted(pack) and pack for pack in found)
    assert all(len(pack) == 1 or len(pack) * clients <= together for pack in found)
    assert len(found) >= min(workers, len(seconds))


def test_ten_clients_on_two_workers_make_two_packs_of_five():
    assert [len(pack) for pack in packs(2, 6, [1.0] * 10)] == [5, 5]


def test_the_long_ones_are_shared_out():
    first, second = packs(2, 8, [8.0, 7.0, 1.0, 1.0, 1.0])
    assert {0, 1} <= {first[0], second[0]}


def test_chunks_with_enough_clients_go_one_by_one():
    assert packs(2, 6, [1.0] * 4, clients=7) == [[0], [1], [2], [3]]
    assert packs(2, 1, [1.0] * 3) == [[0], [1], [2]]


TABLE = {
    "name": "packs",
    "rounds": 2,
    "data": {"source": "digits", "clients": 40, "partition": {"kind": "dirichlet", "alpha": 0.5}},
    "local": {"lr": 0.1, "batch_size": 8, "epochs": 2},
    "uplink": {"codec": "topk(0.1) | int8", "error_feedback": True},
}


@pytest.mark.parametrize("model", ["2nn", "mlp"])
@pytest.mark.parametrize("asked", [5, 36])
def test_company_changes_no_bit(tmp_path, monkeypatch, bits, model, asked):
    table = TABLE | {"model": {"name": model}, "strategy": {"clients_per_round": asked}}
    scenario, found = resolve(table, "packs"), []
    kinds = [Packing(1, 1), Packing(1, 32), Packing(3, 4)]
    for number, packing in enumerate(kinds):
        monkeypatch.setattr(launch, "_packing", lambda *_, packing=packing: packing)
        simulate(PlannedRun("packs", scenario, tmp_path / str(number)))
        found.append(bits(tmp_path / str(number)))
    assert found[0] == found[1] == found[2]
