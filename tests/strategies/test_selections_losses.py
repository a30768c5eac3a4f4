"""What a policy remembers of the losses that clients report."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategies.selections.losses import last_losses, remembered


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(allow_nan=True)), max_size=40))
def test_the_last_finite_loss_counts(reports):
    memory, plain = {}, {}
    for start in range(0, len(reports), 7):
        batch = reports[start : start + 7]
        memory = remembered(memory, [c for c, _ in batch], [x for _, x in batch])
        plain |= {c: x for c, x in batch if math.isfinite(x)}
    losses = last_losses(memory, np.arange(31))
    assert losses.tolist() == [plain.get(client, math.inf) for client in range(31)]


def test_the_memory_holds_only_clients_that_reported():
    memory = remembered(remembered({}, [999_999, 5], [1.0, 2.0]), [5, 40], [3.0, math.nan])
    assert memory["clients"].tolist() == [5, 999_999]
    assert memory["losses"].tolist() == [3.0, 1.0]
    assert {str(value.dtype) for value in memory.values()} == {"int64", "float64"}
