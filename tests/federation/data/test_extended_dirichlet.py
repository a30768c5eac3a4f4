"""The Extended Dirichlet recipe of Li and Lyu (2023)."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from federation.data.extended_dirichlet import draw
from federation.errors import DataError
from federation.scenario.partitions import ExtendedDirichlet
from federation.seeds import generator


def recipe(classes_per_client, alpha, min_examples):
    return ExtendedDirichlet(
        kind="extended-dirichlet",
        classes_per_client=classes_per_client,
        alpha=alpha,
        min_examples=min_examples,
    )


@given(
    classes=st.integers(2, 6),
    clients=st.integers(1, 15),
    rows_per_class=st.integers(10, 60),
    alpha=st.floats(0.5, 20),
    data=st.data(),
)
def test_few_classes_enough_rows_and_nothing_left_over(
    classes, clients, rows_per_class, alpha, data
):
    each = data.draw(st.integers(1, classes))
    least = data.draw(st.integers(1, 5))
    labels = np.arange(classes * rows_per_class) % classes
    try:
        parts = draw(recipe(each, alpha, least), labels, clients, generator(1, "test"))
    except DataError:
        # Impossible, or nearly so: refused, never met by half.
        assume(clients * each >= 3 * classes and rows_per_class * classes >= 8 * least * clients)
        raise

    assert len(parts) == clients
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    assert max(len(set(labels[part])) for part in parts) <= each
    assert min(map(len, parts)) >= least


def test_the_papers_setting_has_the_published_shape():
    """MNIST's 500 clients: sizes 29 to 250 with median 118, 41 to 60 holders a class, C = 1."""
    labels = np.repeat(np.arange(10), 6000)

    parts = draw(recipe(1, 10.0, 10), labels, 500, generator(1, "test"))
    sizes = np.array([len(part) for part in parts])
    holders = np.bincount([labels[part[0]] for part in parts])

    assert all(len(set(labels[part])) == 1 for part in parts)
    assert sizes.sum() == 60000
    assert 110 <= np.median(sizes) <= 125
    assert 15 <= sizes.min() <= 60
    assert 200 <= sizes.max() <= 350
    assert holders.min() >= 500 // 10 // 5


def test_a_client_with_its_even_share_gets_nothing_more():
    """Two clients hold both classes; who has half of all rows after the first gets no second.

    But for the remainder of rounding, which goes to the last holder.
    """
    labels = np.repeat([0, 1], [90, 10])
    full = 0
    for seed in range(20):
        parts = draw(recipe(2, 0.2, 1), labels, 2, generator(seed, "test"))
        small, large = sorted(parts, key=lambda part: (labels[part] == 0).sum())
        if (labels[large] == 0).sum() >= 50:
            full += 1
            assert (labels[large] == 1).sum() <= 1
            assert (labels[small] == 1).sum() >= 9
    assert full > 10
