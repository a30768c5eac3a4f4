"""Every partition gives rows to all clients, no row to two, and the same rows for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.data import source
from federation.data.dataset import Dataset, Split
from federation.data.partition import assign
from federation.scenario.schema import DataConfig

ROWS = 240
LABELS = np.arange(ROWS) * 7 % 10  # as `share` has them
UNEVEN = [5, 10, 15, 20, 25, 30, 35, 100]


COVERING = [
    {"kind": "iid"},
    {"kind": "dirichlet", "alpha": 0.3},
    {"kind": "dirichlet", "alpha": 0.01, "min_examples": 7},
    {"kind": "pathological", "classes_per_client": 4, "assignment": "deterministic"},
    {"kind": "pathological", "classes_per_client": 10},
    {"kind": "shards", "shards_per_client": 3},
    {"kind": "extended-dirichlet", "classes_per_client": 2, "alpha": 10.0},
    {"kind": "linear"},
    {"kind": "square"},
    {"kind": "exponential"},
    {"kind": "sizes", "sizes": UNEVEN},
    {"kind": "inner-dirichlet", "sizes": UNEVEN, "alpha": 0.5},
    {"kind": "continuous", "column": "age", "strictness": 0.5},
]
AGES = {"age": np.linspace(20, 60, ROWS)}


def clients_for(recipe):
    """Eight, but for shares that grow so fast that 240 rows are enough for six only."""
    return 6 if recipe["kind"] == "exponential" else 8


def named(recipe):
    return "-".join(str(value) for value in recipe.values() if not isinstance(value, list))


@pytest.mark.parametrize("recipe", COVERING, ids=named)
def test_every_row_goes_to_one_client_and_no_client_goes_empty(share, parts, recipe):
    shared = share(recipe, clients_for(recipe), columns=AGES)

    assert sorted(shared.rows) == list(range(ROWS))
    assert shared.clients == clients_for(recipe)
    assert shared.sizes().tolist() == [len(part) for part in parts(shared)]
    assert shared.sizes().min() >= 1


@pytest.mark.parametrize("recipe", COVERING, ids=named)
def test_the_seed_decides(share, parts, recipe):
    first, again, other = (
        share(recipe, clients_for(recipe), seed, columns=AGES) for seed in (1, 1, 2)
    )

    assert parts(first) == parts(again)
    assert parts(first) != parts(other)


@given(rows=st.integers(1, 400), data=st.data())
def test_iid_gives_equal_shares_the_first_ones_longer_by_one(rows, data):
    clients = data.draw(st.integers(1, rows))
    y = np.zeros(rows, np.int64)
    split = Split(y[:, None], y)
    dataset = Dataset(split, split, "numeric", 1, (), (), 1.0, "")

    shared = assign(DataConfig(source="digits", clients=clients), dataset, 3)

    longer = rows % clients
    expected = [rows // clients + 1] * longer + [rows // clients] * (clients - longer)
    assert shared.sizes().tolist() == expected
    assert sorted(shared.rows) == list(range(rows))


def test_iid_is_flowers_on_the_same_shuffled_rows(share, parts):
    from datasets import Dataset as Rows
    from flwr_datasets.partitioner import IidPartitioner

    ours = share({"kind": "iid"}, clients=7)
    flowers = IidPartitioner(7)
    flowers.dataset = Rows.from_dict({"row": ours.rows})

    assert parts(ours) == [list(flowers.load_partition(client)["row"]) for client in range(7)]


@pytest.mark.filterwarnings("ignore:Specifying null_placement")  # datasets 4.8 on pyarrow 25
@pytest.mark.parametrize("recipe", [
    ({"kind": "dirichlet", "alpha": 1.0}, "DirichletPartitioner", (8, "y", 1.0, 1)),
    ({"kind": "shards", "shards_per_client": 2}, "ShardPartitioner", (8, "y", 2)),
    ({"kind": "pathological", "classes_per_client": 3}, "PathologicalPartitioner", (8, "y", 3)),
], ids=lambda recipe: recipe[1])  # fmt: skip
def test_flowers_partitioners_get_the_shuffled_rows_and_the_seed(share, parts, recipe):
    from datasets import Dataset as Rows
    from flwr_datasets import partitioner

    from federation.seeds import generator, integer_seed

    settings, name, arguments = recipe
    order = generator(5, "partition").permutation(ROWS)
    flowers = getattr(partitioner, name)(*arguments, seed=integer_seed(5, "partition"))
    flowers.dataset = Rows.from_dict({"row": order, "y": LABELS[order]})

    assert parts(share(settings, seed=5)) == [
        list(flowers.load_partition(client)["row"]) for client in range(8)
    ]


def test_dirichlet_tops_up_where_flower_gives_up(config):
    """The scenario of the design page: 100 clients of `digits` at alpha 0.1."""
    settings = config(clients=100, partition={"kind": "dirichlet", "alpha": 0.1})

    shared = assign(settings, source.load(settings), 1)

    assert shared.sizes().min() == 1
    assert shared.sizes().max() > 30
    assert sorted(shared.rows.tolist()) == list(range(1437))
    assert "clients topped up to 1" in shared.provenance


def test_topping_up_takes_from_the_largest():
    from federation.data.flower_partitioners import top_up

    topped = top_up([np.array([], int), np.array([1, 2, 3, 4]), np.array([5, 6, 7])], 2)

    assert [rows.tolist() for rows in topped] == [[4, 3], [1, 2], [5, 6, 7]]


def test_pathological_clients_hold_that_many_classes(share, parts):
    shared = share({"kind": "pathological", "classes_per_client": 3})

    assert {len(set(LABELS[part])) for part in parts(shared)} == {3}


def test_shards_are_equal_runs_of_the_sorted_labels(share, parts):
    shared = share({"kind": "shards", "shards_per_client": 2}, clients=5)

    assert set(shared.sizes()) == {48}
    assert all(len(set(LABELS[part])) <= 2 for part in parts(shared))


def test_rows_that_no_client_gets_are_counted_in_the_provenance(share):
    shared = share({"kind": "shards", "shards_per_client": 7})

    assert shared.sizes().tolist() == [28] * 8
    assert shared.provenance.endswith(", 224 of 240 rows used")


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("linear", [24, 48, 72, 96]), ("square", [8, 32, 72, 128]), ("exponential", [7, 20, 56, 157])],
)
def test_sizes_follow_the_clients_number(share, kind, sizes):
    """240 rows in the proportions 1:2:3:4, 1:4:9:16 and e:e2:e3:e4; the last takes the rest."""
    assert share({"kind": kind}, clients=4).sizes().tolist() == sizes


@pytest.mark.parametrize("kind", ["sizes", "inner-dirichlet"])
def test_sizes_are_as_given(share, kind):
    recipe = {"kind": kind, "sizes": UNEVEN} | ({"alpha": 0.1} if kind != "sizes" else {})

    assert share(recipe).sizes().tolist() == UNEVEN


def test_natural_clients_are_the_sorted_values_of_a_column(share, parts):
    users = {"user": np.array(["b", "a", "c", "a"] * 3, dtype=object)}
    labels = np.zeros(12, np.int64)

    one = share({"kind": "natural", "column": "user"}, 3, labels=labels, columns=users)
    two = share(
        {"kind": "natural", "column": "user", "group_size": 2}, 2, labels=labels, columns=users
    )

    assert parts(one) == [[1, 3, 5, 7, 9, 11], [0, 4, 8], [2, 6, 10]]
    assert [sorted(part) for part in parts(two)] == [[0, 1, 3, 4, 5, 7, 8, 9, 11], [2, 6, 10]]


def test_natural_reads_its_column_from_the_source(parts, config, parquet):
    path = parquet({"x": np.arange(20.0), "y": [0] * 20, "user": [row % 4 for row in range(20)]})
    settings = config(path, clients=4, partition={"kind": "natural", "column": "user"})
    data = source.load(settings)

    shared = assign(settings, data, 1)

    for client, rows in enumerate(parts(shared)):
        assert set(data.train.x[rows, 0] % 4) == {client}


def test_continuous_with_strictness_one_is_sorted(share, parts):
    recipe = {"kind": "continuous", "column": "age", "strictness": 1.0}
    age = (np.arange(ROWS) * 77 % ROWS).astype(np.float64)

    shared = share(recipe, clients=4, columns={"age": age})

    assert [sorted(age[part]) for part in parts(shared)] == [
        list(range(start, start + 60)) for start in (0, 60, 120, 180)
    ]


def test_classes_that_the_training_rows_lack_do_no_harm(share):
    labels = np.array([0, 5, 9] * 20)
    for recipe in ({"kind": "inner-dirichlet", "sizes": [20, 40], "alpha": 1.0},
                   {"kind": "pathological", "classes_per_client": 3},
                   {"kind": "dirichlet", "alpha": 1.0}):  # fmt: skip
        assert share(recipe, 2, labels=labels).sizes().sum() == 60
