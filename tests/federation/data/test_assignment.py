"""An assignment costs what is asked of it, is drawn once a machine, and holds rows out."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.data import partition, source
from federation.data.partition import Table, cached_assignment, split_holdout


def test_a_million_resampled_clients_cost_nothing_until_they_are_asked(share):
    tracemalloc.start()
    crowd = share({"kind": "resampled", "examples": 12}, clients=1_000_000)
    sizes = crowd.sizes()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert crowd.clients == len(sizes) == 1_000_000
    assert peak_bytes < 1_000_000
    last = crowd.rows_of(999_999)
    assert len(set(last.tolist())) == sizes[999_999] == 12
    assert last.tolist() == crowd.rows_of(999_999).tolist()
    assert last.tolist() != crowd.rows_of(999_998).tolist()
    with pytest.raises(IndexError):
        crowd.rows_of(1_000_000)


def test_a_million_iid_clients_are_two_arrays(share):
    labels = np.zeros(1_000_001, np.int8)

    crowd = share({"kind": "iid"}, clients=1_000_000, labels=labels)

    assert crowd.offsets.nbytes + crowd.rows.nbytes < 13_000_000
    assert crowd.sizes()[:2].tolist() == [2, 1]


def test_rows_of_a_client_are_a_read_only_view(share):
    shared = share({"kind": "iid"})

    assert np.shares_memory(shared.rows_of(3), shared.rows)
    assert not shared.rows_of(3).flags.writeable
    for client in (-1, 8):
        with pytest.raises(IndexError):
            shared.rows_of(client)


def test_the_second_asker_maps_what_the_first_has_drawn(parts, config, monkeypatch):
    settings = config(clients=20, partition={"kind": "dirichlet", "alpha": 1.0})
    data = source.load(settings)

    first = cached_assignment(settings, data, 1)
    monkeypatch.setattr(partition, "assign", None)  # drawing again would fail
    second = cached_assignment(settings, data, 1)

    assert parts(first) == parts(second)
    assert first.provenance == second.provenance
    assert isinstance(second, Table)
    assert isinstance(second.rows.base, np.memmap)


@pytest.mark.parametrize(
    "change", [{"clients": 21}, {"partition": {"kind": "dirichlet", "alpha": 2.0}}, {"seed": 2}]
)
def test_anything_else_is_another_cache_entry(parts, config, change):
    usual = {"clients": 20, "partition": {"kind": "dirichlet", "alpha": 1.0}, "seed": 1}

    def cached(seed, **settings):
        return cached_assignment(config(**settings), source.load(config(**settings)), seed)

    assert parts(cached(**usual)) != parts(cached(**usual | change))


@given(count=st.integers(1, 60), holdout=st.floats(0, 0.99), client=st.integers(0, 10**6))
def test_holdout_splits_a_clients_rows_and_leaves_one_to_train(count, holdout, client):
    rows = np.arange(count) * 3

    train, test = split_holdout(rows, holdout, 1, client)

    assert sorted([*train, *test]) == rows.tolist()
    assert len(train) >= 1
    assert len(test) == (0 if holdout == 0 or count == 1 else
                         min(max(round(holdout * count), 1), count - 1))  # fmt: skip
    assert train.tolist() == split_holdout(rows, holdout, 1, client)[0].tolist()


def test_holdout_differs_between_clients_and_seeds():
    rows = np.arange(100)

    held = [
        split_holdout(rows, 0.2, seed, client)[1].tolist()
        for seed, client in [(1, 1), (1, 2), (2, 1)]
    ]

    assert len({tuple(rows) for rows in held}) == 3
