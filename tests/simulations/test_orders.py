"""Whether two runs with ranges could change places: closed intervals that can be drawn on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.orders import notes, rivals


def taken(*figures, name="joules_to"):
    """Runs a, b, c, ... that took so much: a number, (low, base, high), or None."""
    records = []
    for letter, figure in zip("abcdefghij", figures, strict=False):
        record = {"run": letter, name: figure, f"{name}_low": None, f"{name}_high": None}
        if isinstance(figure, tuple):
            record |= dict(zip((f"{name}_low", name, f"{name}_high"), figure, strict=True))
        records.append(record)
    return records


@pytest.mark.parametrize(
    ("one", "other", "is_open"),
    [
        ((10, 12, 14), (12, 13, 15), True),
        ((12, 13, 15), (10, 12, 14), True),
        ((10, 11, 12), (13, 14, 15), False),
        ((10, 11, 12), (12, 13, 14), False),  # they touch: at most a tie
        ((8, 10, 12), 10, True),
        (10, (8, 10, 12), True),
        (10, (10, 11, 12), False),
        (12, (10, 11, 12), False),
        ((8, 10, 12), (8, 10, 12), True),
        (10, 10, False),  # a tie is a tie
        (10, 11, False),
        ((8, 10, 12), None, False),
        (None, None, False),
    ],
)
def test_the_order_is_open_where_either_could_be_the_cheaper_one(one, other, is_open):
    assert rivals(taken(one, other), "joules_to") == (["b", "a"] if is_open else [None, None])


ENDS = st.lists(st.integers(0, 12), min_size=3, max_size=3).map(sorted).map(tuple)


@given(st.lists(ENDS | st.integers(0, 12) | st.none(), max_size=8))
def test_a_run_has_a_rival_wherever_a_point_of_each_range_reverses_the_order(figures):
    spans = [(x, x, x) if isinstance(x, int) else x for x in figures]

    def reversible(one, other):
        return one and other and one[0] < other[2] and other[0] < one[2]

    expected = [
        {"abcdefgh"[j] for j, other in enumerate(spans) if i != j and reversible(one, other)}
        for i, one in enumerate(spans)
    ]
    found = rivals(taken(*figures), "joules_to")
    assert [set((names or "").split("; ")) - {""} for names in found] == expected


def test_rivals_are_named_from_the_cheapest_on():
    records = taken((10, 20, 40), (10, 12, 40), (10, 30, 40))
    assert rivals(records, "joules_to") == ["b; c", "a; c", "b; a"]


def test_totals_of_a_run_that_is_not_finished_are_compared_with_nothing():
    records = taken((8, 10, 12), (9, 11, 13), name="energy_j")
    records[0]["status"] = "unfinished (round 3 of 9)"
    assert rivals(records, "energy_j") == [None, None]
    records[0]["status"] = "finished"
    assert rivals(records, "energy_j") == ["b", "a"]


def test_a_note_says_both_ranges_and_who_is_lower_at_the_ends():
    (note,) = notes(taken((12, 13, 15), (10, 12, 14)), "joules_to")
    assert note == (
        "b and a: the order in joules is open: 10.0 J to 14.0 J against 12.0 J to 15.0 J; "
        "b is lower at both ends"
    )
    (note,) = notes(taken((10, 12, 16), (12, 13, 15), name="carbon_g"), "carbon_g")
    assert note.endswith("; a is lower at the low ends, b at the high ends")
    (note,) = notes(taken(11, (10, 12, 14)), "joules_to")
    assert "is open: 11.0 J against 10.0 J to 14.0 J; b is lower at the low ends, a at the" in note
    (note,) = notes(taken((10, 12, 14), (10, 13, 15)), "joules_to")
    assert note.endswith("against 10.0 J to 15.0 J")


def test_of_many_open_pairs_the_cheapest_are_told_and_the_others_counted():
    said = list(notes(taken(*[(1, 10 - place, 20) for place in range(5)]), "joules_to"))
    assert [line.split(":")[0] for line in said[:5]] == [
        "e and d", "e and c", "e and b", "e and a", "d and c"
    ]  # fmt: skip
    assert said[5:] == [
        "The order in joules is open in 5 more pairs (--format csv: joules_to_open)"
    ]
