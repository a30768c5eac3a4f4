"""What clients keep: versions by round, so that nothing counts twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.arrays import digest
from federation.client_state import StateStore

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
PART_NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
ARRAYS = st.sampled_from(["<f4", "<f8", "<i8", "|b1", "|u1"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@pytest.fixture
def store(tmp_path):
    return StateStore(tmp_path / "clients")


def of_round(number):
    return {"control": {"w": np.array([number], "f4")}}


def kept(store, round_number, client=7):
    """The round in which the state was kept that a request of this round finds."""
    parts = store.load(client, round_number)
    return int(parts["control"]["w"][0]) if parts else None


def files(store, client=7):
    return sorted(path.name for path in (store.folder / f"client-{client}").iterdir())


@settings(max_examples=40)
@given(
    st.dictionaries(PART_NAMES, st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3), max_size=3)
)
def test_what_is_kept_comes_back_bit_for_bit(tmp_path_factory, parts):
    store = StateStore(tmp_path_factory.mktemp("state"))
    store.save(3, 1, parts)
    loaded = store.load(3, 2)
    assert digest(sorted_names(loaded)) == digest(sorted_names(parts))


def sorted_names(parts):
    return {part: dict(sorted(arrays.items())) for part, arrays in parts.items()}


def test_a_client_starts_with_nothing(store):
    assert store.load(7, 1) == {}


def test_a_round_finds_what_the_newest_round_before_it_kept(store):
    for number in (1, 4, 9):
        store.save(7, number, of_round(number))
    assert [kept(store, number) for number in (10, 100)] == [9, 9]
    assert kept(store, 9) == 4


def test_a_round_that_is_repeated_starts_from_what_was_before_it(store):
    store.save(7, 1, of_round(1))
    store.save(7, 2, of_round(2))
    assert kept(store, 2) == 1, "the crash came after the client's work and before the commit"
    store.save(7, 2, of_round(20))
    assert kept(store, 3) == 20


def test_rounds_that_were_undone_are_dropped(store):
    for number in (1, 2, 3):
        store.save(7, number, of_round(number))
    store.save(7, 2, of_round(20))  # the run went back to round 1
    assert files(store) == ["r000002.safetensors"]
    assert kept(store, 4) == 20


def test_the_two_newest_versions_are_kept(store):
    for number in range(1, 6):
        store.save(7, number, of_round(number))
    assert files(store) == ["r000004.safetensors", "r000005.safetensors"]


def test_clients_keep_for_themselves(store):
    store.save(1, 1, of_round(11))
    store.save(12, 1, of_round(12))
    assert [kept(store, 2, client) for client in (1, 12, 2)] == [11, 12, None]


def test_what_a_crash_left_half_written_is_not_found(store):
    store.save(7, 1, of_round(1))
    (store.folder / "client-7" / ".r000002.safetensors.123").write_bytes(b"half")
    assert kept(store, 3) == 1


def test_rounds_are_ordered_by_number_even_beyond_a_million(store):
    for number in (999_999, 1_000_000):
        store.save(7, number, of_round(1 if number == 999_999 else 2))
    assert kept(store, 10**6 + 1) == 2


def test_all_can_be_forgotten_even_twice(store):
    store.save(7, 1, of_round(1))
    store.forget()
    store.forget()
    assert store.load(7, 2) == {}
