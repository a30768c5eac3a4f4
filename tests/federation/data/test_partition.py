"""Every partition gives rows to all clients, no row to two, and the same rows for the same seed."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.data import partition, source
from federation.data.dataset import Dataset, Split
from federation.data.partition import Table, assign, cached_assignment, split_holdout
from federation.errors import DataError
from federation.scenario.schema import DataConfig

ROWS = 240
LABELS = np.arange(ROWS) * 7 % 10
UNEVEN = [5, 10, 15, 20, 25, 30, 35, 100]


def share(labelled, recipe, clients=8, seed=1, labels=LABELS, columns=None, classes=10):
    config = DataConfig(source="digits", clients=clients, partition=recipe)
    return assign(config, labelled(labels, classes), seed, columns)


def clients_for(recipe):
    """Eight, but for shares that grow so fast that 240 rows are enough for six only."""
    return 6 if recipe["kind"] == "exponential" else 8


def parts(assignment):
    return [assignment.rows_of(client).tolist() for client in range(assignment.clients)]


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


def named(recipe):
    return "-".join(str(value) for value in recipe.values() if not isinstance(value, list))


@pytest.mark.parametrize("recipe", COVERING, ids=named)
def test_every_row_goes_to_one_client_and_no_client_goes_empty(labelled, recipe):
    shared = share(labelled, recipe, clients_for(recipe), columns=AGES)

    assert sorted(shared.rows) == list(range(ROWS))
    assert shared.clients == clients_for(recipe)
    assert shared.sizes().tolist() == [len(part) for part in parts(shared)]
    assert shared.sizes().min() >= 1


@pytest.mark.parametrize("recipe", COVERING, ids=named)
def test_the_seed_decides(labelled, recipe):
    first, again, other = (
        share(labelled, recipe, clients_for(recipe), seed, columns=AGES) for seed in (1, 1, 2)
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


def test_iid_is_flowers_on_the_same_shuffled_rows(labelled):
    from datasets import Dataset as Rows
    from flwr_datasets.partitioner import IidPartitioner

    ours = share(labelled, {"kind": "iid"}, clients=7)
    flowers = IidPartitioner(7)
    flowers.dataset = Rows.from_dict({"row": ours.rows})

    assert parts(ours) == [list(flowers.load_partition(client)["row"]) for client in range(7)]


@pytest.mark.filterwarnings("ignore:Specifying null_placement")  # datasets 4.8 on pyarrow 25
@pytest.mark.parametrize("recipe", [
    ({"kind": "dirichlet", "alpha": 1.0}, "DirichletPartitioner", (8, "y", 1.0, 1)),
    ({"kind": "shards", "shards_per_client": 2}, "ShardPartitioner", (8, "y", 2)),
    ({"kind": "pathological", "classes_per_client": 3}, "PathologicalPartitioner", (8, "y", 3)),
], ids=lambda recipe: recipe[1])  # fmt: skip
def test_flowers_partitioners_get_the_shuffled_rows_and_the_seed(labelled, recipe):
    from datasets import Dataset as Rows
    from flwr_datasets import partitioner

    from federation.seeds import generator, integer_seed

    settings, name, arguments = recipe
    order = generator(5, "partition").permutation(ROWS)
    flowers = getattr(partitioner, name)(*arguments, seed=integer_seed(5, "partition"))
    flowers.dataset = Rows.from_dict({"row": order, "y": LABELS[order]})

    assert parts(share(labelled, settings, seed=5)) == [
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


def test_pathological_clients_hold_that_many_classes(labelled):
    shared = share(labelled, {"kind": "pathological", "classes_per_client": 3})

    assert {len(set(LABELS[part])) for part in parts(shared)} == {3}


def test_shards_are_equal_runs_of_the_sorted_labels(labelled):
    shared = share(labelled, {"kind": "shards", "shards_per_client": 2}, clients=5)

    assert set(shared.sizes()) == {48}
    assert all(len(set(LABELS[part])) <= 2 for part in parts(shared))


def test_rows_that_no_client_gets_are_counted_in_the_provenance(labelled):
    shared = share(labelled, {"kind": "shards", "shards_per_client": 7})

    assert shared.sizes().tolist() == [28] * 8
    assert shared.provenance.endswith(", 224 of 240 rows used")


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("linear", [24, 48, 72, 96]), ("square", [8, 32, 72, 128]), ("exponential", [7, 20, 56, 157])],
)
def test_sizes_follow_the_clients_number(labelled, kind, sizes):
    """240 rows in the proportions 1:2:3:4, 1:4:9:16 and e:e2:e3:e4; the last takes the rest."""
    assert share(labelled, {"kind": kind}, clients=4).sizes().tolist() == sizes


@pytest.mark.parametrize("kind", ["sizes", "inner-dirichlet"])
def test_sizes_are_as_given(labelled, kind):
    recipe = {"kind": kind, "sizes": UNEVEN} | ({"alpha": 0.1} if kind != "sizes" else {})

    assert share(labelled, recipe).sizes().tolist() == UNEVEN


def test_natural_clients_are_the_sorted_values_of_a_column(labelled):
    users = {"user": np.array(["b", "a", "c", "a"] * 3, dtype=object)}
    labels = np.zeros(12, np.int64)

    one = share(labelled, {"kind": "natural", "column": "user"}, 3, 1, labels, users)
    two = share(
        labelled, {"kind": "natural", "column": "user", "group_size": 2}, 2, 1, labels, users
    )

    assert parts(one) == [[1, 3, 5, 7, 9, 11], [0, 4, 8], [2, 6, 10]]
    assert [sorted(part) for part in parts(two)] == [[0, 1, 3, 4, 5, 7, 8, 9, 11], [2, 6, 10]]


def test_natural_reads_its_column_from_the_source(config, parquet):
    path = parquet({"x": np.arange(20.0), "y": [0] * 20, "user": [row % 4 for row in range(20)]})
    settings = config(path, clients=4, partition={"kind": "natural", "column": "user"})
    data = source.load(settings)

    shared = assign(settings, data, 1)

    for client, rows in enumerate(parts(shared)):
        assert set(data.train.x[rows, 0] % 4) == {client}


def test_continuous_with_strictness_one_is_sorted(labelled):
    recipe = {"kind": "continuous", "column": "age", "strictness": 1.0}
    age = (np.arange(ROWS) * 77 % ROWS).astype(np.float64)

    shared = share(labelled, recipe, clients=4, columns={"age": age})

    assert [sorted(age[part]) for part in parts(shared)] == [
        list(range(start, start + 60)) for start in (0, 60, 120, 180)
    ]


@pytest.mark.parametrize("name", ["C1", "C2"])
def test_published_partition_files_have_their_published_statistics(config, data_dir, name):
    path = f"partitions/mnist_exdir_{name}_alpha10_M500.json"
    settings = config(
        "mnist", clients=500, dir=str(data_dir), partition={"kind": "file", "path": path}
    )
    mnist = source.load(settings)

    shared = assign(settings, mnist, 1)
    sizes = shared.sizes()
    classes = [len(set(mnist.train.y[shared.rows_of(client)])) for client in range(500)]

    published = {"C1": (29, 118, 250, 120), "C2": (55, 117, 241, 120)}[name]
    assert (sizes.min(), np.median(sizes), sizes.max(), sizes.mean()) == published
    assert np.bincount(classes).tolist() == {"C1": [0, 500], "C2": [0, 14, 486]}[name]
    assert sorted(shared.rows.tolist()) == list(range(60000))
    assert shared.provenance.startswith(f"file mnist_exdir_{name}_alpha10_M500.json sha256 ")
    assert shared.rows_of(0)[:3].tolist() == json.loads((data_dir / path).read_text())["0"][:3]


def test_a_partition_file_is_found_beside_the_user_first(labelled, tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "p.json").write_text('{"0": [1], "1": [0]}')
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path / "base"))
    recipe = {"kind": "file", "path": "p.json"}

    assert parts(share(labelled, recipe, clients=2)) == [[1], [0]]
    (tmp_path / "here" / "p.json").write_text('{"0": [0], "1": [1]}')
    assert parts(share(labelled, recipe, clients=2)) == [[0], [1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[0], [1]]", "must hold an object"),
        ("{", "is not JSON"),
        ("\x00\xff", "is not JSON"),
        ('{"0": [0]}', "has 1 clients but data.clients = 2; set data.clients = 1"),
        ('{"0": [0], "2": [1]}', 'client 1 is missing; clients are named "0" to "1"'),
        ('{"0": [0], "1": []}', "client 1: '[]' is not a list of at least one row"),
        ('{"0": [0], "1": 3}', "client 1: '3' is not a list"),
        ('{"0": [0], "1": [240]}', "client 1: row 240 is not an integer from 0 to 239"),
        ('{"0": [-1], "1": [1]}', "client 0: row -1 is not an integer"),
        ('{"0": [0], "1": [1.5]}', "client 1: row 1.5 is not an integer"),
        ('{"0": [0], "1": [true]}', "client 1: row True is not an integer"),
        ('{"0": [0], "1": [99999999999999999999999]}', "client 1: row 99999999999999999999999 is"),
        ('{"0": [0, 5], "1": [1, 5]}', "client 1: row 5 is listed twice, first for client 0"),
        ('{"0": [0], "1": [5, 5]}', "client 1: row 5 is listed twice, first for client 1"),
    ],
)
def test_wrong_partition_files_name_client_and_row(labelled, tmp_path, text, words):
    (tmp_path / "here" / "p.json").write_text(text, encoding="latin-1")

    with pytest.raises(DataError) as error:
        share(labelled, {"kind": "file", "path": "p.json"}, clients=2)

    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_partition_file_lists_where_it_was_sought(labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))

    with pytest.raises(DataError, match=rf"'p.json' is not in .*here, {tmp_path}; set data.dir"):
        share(labelled, {"kind": "file", "path": "p.json"})


@pytest.mark.parametrize(
    ("recipe", "clients", "words"),
    [
        ({"kind": "iid"}, 241, "data.clients = 241 is more than the 240 training rows"),
        ({"kind": "dirichlet", "alpha": 1.0, "min_examples": 31}, 8, "need 248 rows, but there"),
        ({"kind": "pathological", "classes_per_client": 11}, 8, "more than the 10 classes"),
        ({"kind": "pathological", "classes_per_client": 9}, 200, "partition pathological with 200"),
        ({"kind": "shards", "shards_per_client": 31}, 8, "a smaller shards_per_client"),
        ({"kind": "extended-dirichlet", "classes_per_client": 11, "alpha": 1.0}, 8, "10 classes"),
        ({"kind": "extended-dirichlet", "classes_per_client": 1, "alpha": 1.0}, 8, "without a cl"),
        ({"kind": "extended-dirichlet", "classes_per_client": 2, "alpha": 0.1}, 24, "min_examples"),
        ({"kind": "linear"}, 100, "leave client 0 without data; use fewer clients"),
        ({"kind": "square"}, 40, "leave client 0 without data"),
        ({"kind": "exponential"}, 7, "leave client 0 without data"),
        ({"kind": "exponential"}, 240, "leave client 0 without data"),
        ({"kind": "sizes", "sizes": [1, 240]}, 2, "need 241 rows, but there are 240"),
        ({"kind": "inner-dirichlet", "sizes": [241], "alpha": 1.0}, 1, "need 241 rows"),
        ({"kind": "natural", "column": "user"}, 8, "has 4 values but data.clients = 8; set"),
        ({"kind": "natural", "column": "user", "group_size": 3}, 8, "2 groups of 3 values"),
        ({"kind": "natural", "column": "age"}, 8, "'digits' has no column 'age'"),
        ({"kind": "continuous", "column": "name", "strictness": 0.5}, 8, "is not numeric"),
        ({"kind": "continuous", "column": "hole", "strictness": 0.5}, 8, "has NaN or infinity"),
        ({"kind": "continuous", "column": "flat", "strictness": 0.5}, 8, "near-zero std"),
        ({"kind": "resampled", "examples": 241}, 8, "more than the 240 training rows"),
    ],
)  # fmt: skip
def test_recipes_that_cannot_be_met_are_one_clear_line(labelled, recipe, clients, words):
    columns = {
        "user": np.arange(ROWS) % 4,
        "name": np.full(ROWS, "x", dtype=object),
        "hole": np.full(ROWS, np.nan),
        "flat": np.ones(ROWS),
    }
    with pytest.raises(DataError) as error:
        share(labelled, recipe, clients, columns=columns)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("recipe", COVERING, ids=named)
def test_only_recipes_by_label_need_classes(labelled, recipe):
    by_label = recipe["kind"] in {
        "dirichlet", "pathological", "shards", "extended-dirichlet", "inner-dirichlet"
    }  # fmt: skip
    targets = np.linspace(0, 1, ROWS, dtype=np.float32)
    if by_label:
        with pytest.raises(DataError, match=f"kind '{recipe['kind']}' needs class labels"):
            share(labelled, recipe, labels=targets, classes=None)
    else:
        share(labelled, recipe, clients_for(recipe), labels=targets, columns=AGES, classes=None)


def test_classes_that_the_training_rows_lack_do_no_harm(labelled):
    labels = np.array([0, 5, 9] * 20)
    for recipe in ({"kind": "inner-dirichlet", "sizes": [20, 40], "alpha": 1.0},
                   {"kind": "pathological", "classes_per_client": 3},
                   {"kind": "dirichlet", "alpha": 1.0}):  # fmt: skip
        assert share(labelled, recipe, 2, labels=labels).sizes().sum() == 60


def test_a_million_resampled_clients_cost_nothing_until_they_are_asked(labelled):
    tracemalloc.start()
    crowd = share(labelled, {"kind": "resampled", "examples": 12}, clients=1_000_000)
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


def test_a_million_iid_clients_are_two_arrays(labelled):
    labels = np.zeros(1_000_001, np.int8)

    crowd = share(labelled, {"kind": "iid"}, clients=1_000_000, labels=labels)

    assert crowd.offsets.nbytes + crowd.rows.nbytes < 13_000_000
    assert crowd.sizes()[:2].tolist() == [2, 1]


def test_rows_of_a_client_are_a_read_only_view(labelled):
    shared = share(labelled, {"kind": "iid"})

    assert np.shares_memory(shared.rows_of(3), shared.rows)
    assert not shared.rows_of(3).flags.writeable
    for client in (-1, 8):
        with pytest.raises(IndexError):
            shared.rows_of(client)


def test_the_second_asker_maps_what_the_first_has_drawn(config, monkeypatch):
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
def test_anything_else_is_another_cache_entry(config, change):
    usual = {"clients": 20, "partition": {"kind": "dirichlet", "alpha": 1.0}, "seed": 1}

    def cached(seed, **settings):
        return cached_assignment(config(**settings), source.load(config(**settings)), seed)

    assert parts(cached(**usual)) != parts(cached(**usual | change))


def test_a_changed_partition_file_is_read_again(config, tmp_path):
    settings = config(clients=1, partition={"kind": "file", "path": "p.json"})
    data = source.load(settings)
    path = tmp_path / "here" / "p.json"

    path.write_text('{"0": [1, 2]}')
    assert parts(cached_assignment(settings, data, 1)) == [[1, 2]]
    path.write_text('{"0": [1, 2, 3]}')
    assert parts(cached_assignment(settings, data, 1)) == [[1, 2, 3]]


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
