"""Rows that everybody holds are no client's own, whatever the partition."""

import numpy as np
import pytest
from pydantic import ValidationError

from federation.data.partition import assign, cached_assignment
from federation.data.public import PublicRows, private_numbers, public_numbers, public_rows
from federation.enrolment import Enrolment
from federation.errors import DataError
from federation.scenario.schema import DataConfig

EVEN = np.arange(240) * 7 % 10
RECIPES = [
    {"kind": "iid"},
    {"kind": "dirichlet", "alpha": 0.5},
    {"kind": "shards", "shards_per_client": 2},
    {"kind": "pathological", "classes_per_client": 3},
    {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0, "min_examples": 2},
    {"kind": "linear"},
    {"kind": "sizes", "sizes": [20] * 8},
    {"kind": "resampled", "examples": 30},
    {"kind": "continuous", "column": "age", "strictness": 0.5},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["kind"])
def test_no_client_has_a_public_row(labelled, recipe):
    config = DataConfig(source="digits", clients=8, partition=recipe, public=40)
    shared = assign(config, labelled(EVEN), 1, {"age": np.arange(240.0)})
    public = set(public_numbers(240, 40, 1).tolist())
    held = [row for client in range(8) for row in shared.rows_of(client).tolist()]
    assert len(public) == 40
    assert not public & set(held)
    assert shared.sizes().tolist() == [len(shared.rows_of(client)) for client in range(8)]
    assert shared.provenance.endswith("40 public")
    if recipe["kind"] in ("iid", "dirichlet", "extended-dirichlet"):
        assert sorted(held) == private_numbers(240, 40, 1).tolist()
    if recipe["kind"] == "pathological":
        assert {len(set(EVEN[shared.rows_of(client)])) for client in range(8)} == {3}


def test_without_public_rows_nothing_is_changed(config, parts, labelled):
    data = labelled(EVEN)
    one, other = (assign(config(clients=8, public=n), data, 1) for n in (0, 0))
    assert parts(one) == parts(other)
    assert len(np.concatenate(parts(one))) == 240


def test_the_cache_keeps_partitions_with_public_rows_apart(config, parts, labelled):
    data = labelled(EVEN)
    few, more = (cached_assignment(config(clients=8, public=n), data, 1) for n in (10, 40))
    assert sum(few.sizes()) == 230
    assert sum(more.sizes()) == 200


def test_the_seed_draws_the_rows():
    assert public_numbers(240, 40, 1).tolist() == public_numbers(240, 40, 1).tolist()
    assert public_numbers(240, 40, 1).tolist() != public_numbers(240, 40, 2).tolist()


def test_no_row_left_to_the_clients_is_refused(labelled):
    with pytest.raises(DataError, match=r"data\.public = 240 leaves no rows of 240"):
        public_rows(labelled(EVEN), 240, True, 1)


def test_a_partition_that_names_all_rows_takes_no_public_ones():
    with pytest.raises(ValidationError, match="public rows are drawn"):
        DataConfig(source="digits", clients=2, public=3, partition={"kind": "file", "path": "x"})


@pytest.mark.parametrize("labels", [EVEN, None])
def test_a_device_with_data_of_its_own_is_sent_the_public_rows(labelled, labels):
    rows = public_rows(labelled(EVEN), 40, True, 1)
    sent = PublicRows(rows.x, rows.y if labels is not None else None)
    read = Enrolment.from_record(Enrolment("run", "{}", None, sent).to_record())
    assert read.rows is None
    np.testing.assert_array_equal(read.public.x, rows.x)
    if labels is None:
        assert read.public.y is None
    else:
        np.testing.assert_array_equal(read.public.y, EVEN[public_numbers(240, 40, 1)])
    assert Enrolment.from_record(Enrolment("run", "{}", np.arange(3)).to_record()).public is None
