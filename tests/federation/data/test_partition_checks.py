"""A partition that does not fit the data is refused before it is drawn, in one clear line."""

import numpy as np
import pytest

from federation.errors import DataError

ROWS = 240  # as `share` has them


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
def test_recipes_that_cannot_be_met_are_one_clear_line(share, recipe, clients, words):
    columns = {
        "user": np.arange(ROWS) % 4,
        "name": np.full(ROWS, "x", dtype=object),
        "hole": np.full(ROWS, np.nan),
        "flat": np.ones(ROWS),
    }
    with pytest.raises(DataError) as error:
        share(recipe, clients, columns=columns)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


TARGETS = np.linspace(0, 1, ROWS, dtype=np.float32)


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "dirichlet", "alpha": 1.0},
        {"kind": "pathological", "classes_per_client": 2},
        {"kind": "shards", "shards_per_client": 2},
        {"kind": "extended-dirichlet", "classes_per_client": 2, "alpha": 10.0},
        {"kind": "inner-dirichlet", "sizes": [30] * 8, "alpha": 0.5},
    ],
    ids=lambda recipe: recipe["kind"],
)
def test_recipes_by_label_need_classes(share, recipe):
    with pytest.raises(DataError, match=f"kind '{recipe['kind']}' needs class labels"):
        share(recipe, labels=TARGETS, classes=None)


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "iid"},
        {"kind": "linear"},
        {"kind": "square"},
        {"kind": "sizes", "sizes": [30] * 8},
        {"kind": "continuous", "column": "target", "strictness": 1.0},
        {"kind": "resampled", "examples": 30},
    ],
    ids=lambda recipe: recipe["kind"],
)
def test_other_recipes_serve_for_regression(share, recipe):
    shared = share(recipe, labels=TARGETS, classes=None, columns={"target": TARGETS})

    assert shared.sizes().sum() == ROWS
