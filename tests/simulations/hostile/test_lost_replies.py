"""A reply that does not arrive is undone: client and server go on from the same past."""

import numpy as np
import pytest

from federation.client_state import StateStore

LIAR, LATER = 2, 99


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_both_estimates_of_ef21_stay_in_step(played_with_lost_replies, lost):
    folder = played_with_lost_replies("ef21", lost)
    client = StateStore(folder / "clients").load(LIAR, LATER)["channel model"]["estimate"]
    server = StateStore(folder / "estimates").load(LIAR, LATER)["model"]["estimate"]
    assert np.abs(client).max() > 0
    np.testing.assert_array_equal(client, server)


def test_a_client_drops_what_it_kept_in_rounds_that_did_not_count(tmp_path):
    store = StateStore(tmp_path)
    for number in (1, 4, 5):
        store.save(7, number, {"part": {"w": np.array([number])}})
    store.undo(7, 4)
    assert store.load(7, LATER) == {}  # of the two versions that were kept
    store.save(7, 6, {"part": {"w": np.array([6])}})
    store.undo(7, 7)
    assert int(store.load(7, LATER)["part"]["w"][0]) == 6
