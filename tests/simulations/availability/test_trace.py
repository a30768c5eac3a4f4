"""Traces: read, repeated, refused."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from federation.errors import ScenarioError
from simulations.availability.intervals import Intervals
from simulations.availability.kinds.trace import Trace


def online(trace, clients, time_s):
    clients = np.array(clients)
    return clients[trace.available(clients, time_s)].tolist()


def test_a_trace_worked_out_by_hand(trace_file):
    trace = Trace(trace_file(["0,0,10", "0,30,40", "1,5,35", "2,20,20"]))
    assert [online(trace, [0, 1, 2], t) for t in (0, 5, 10, 29.9, 30, 35, 39)] == [
        *([0], [0, 1], [1], [1], [0, 1], [0], [0]),
    ]
    changes, time_s = [], 0.0
    while (time_s := trace.next_change(time_s)) < 40:
        changes.append(time_s)
    assert changes == [5, 10, 30, 35]
    assert [trace.until(0, 3), trace.until(1, 10), trace.until(2, 7)] == [10, 35, 7]


def test_more_clients_than_rows_take_them_again(trace_file):
    trace = Trace(trace_file(["0,0,10", "1,5,20", "2,0,3"]))
    assert online(trace, [0, 1, 2, 3, 4, 5, 999_999, 1_000_000], 4.0) == [0, 3, 999_999]


def test_a_trace_that_repeats_goes_on(trace_file):
    trace = Trace(trace_file(["0,0,10", "1,15,20"]), repeat=True)
    assert [online(trace, [0, 1], t) for t in (0, 12, 16, 20, 45, 55.5)] == [
        *([0], [], [1], [0], [0], [1]),
    ]
    assert trace.next_change(15.0) == 20
    assert trace.next_change(20.0) == 30
    assert trace.until(1, 36.0) == 40


def test_an_interval_goes_on_over_the_end_of_the_trace(trace_file):
    trace = Trace(trace_file(["0,0,5", "0,15,20", "1,0,20"]), repeat=True)
    assert trace.until(0, 16.0) == 25
    assert trace.until(1, 16.0) == math.inf


def test_the_length_may_be_longer_than_the_last_interval(trace_file):
    path = trace_file(["0,0,10"])
    assert online(Trace(path, length_s=30.0), [0], 29.0) == []
    assert Trace(path, repeat=True, length_s=30.0).next_change(10.0) == 30
    with pytest.raises(ScenarioError, match=r"length_s = 9\.0: the last interval of mine\.csv"):
        Trace(path, length_s=9.0)


def test_a_trace_that_ends_too_early_is_refused_by_name(trace_file):
    trace = Trace(trace_file(["0,0,10"]))
    assert trace.next_change(0.0) == 10  # what comes then is not known
    for ask in (
        lambda: trace.available(np.array([0]), 10.0),
        lambda: trace.until(0, 12.0),
        lambda: trace.next_change(10.0),
    ):
        with pytest.raises(ScenarioError, match=r"trace mine\.csv ends at 10 s.*repeat = true"):
            ask()


def test_rows_in_any_order_and_parquet_say_the_same(trace_file, tmp_path):
    rows = [(0, 0.0, 10.0), (0, 30.0, 40.5), (1, 5.0, 35.0), (2, 0.25, 7.0)]
    lines = [",".join(map(str, row)) for row in rows]
    clients, starts, ends = map(list, zip(*rows[::-1], strict=True))
    parquet.write_table(
        pa.table(
            {"end_s": ends, "more": ends, "client": pa.array(clients, "int32"), "start_s": starts}
        ),
        tmp_path / "mine.parquet",
    )
    traces = [
        Trace(trace_file(lines)),
        Trace(trace_file(lines[::-1], "back.csv")),
        Trace(str(tmp_path / "mine.parquet")),
    ]
    for time_s in np.arange(0, 40.5, 0.25):
        assert len({tuple(online(trace, range(9), time_s)) for trace in traces}) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,0,10", "0,9,12"], r"client 0 is online until 10 s and comes again at 9 s"),
        (["0,0,10", "0,20,12"], r"row 2 has client = 0, start_s = 20, end_s = 12; they must"),
        (["-1,0,10"], r"row 1 has client = -1"),
        (["0,-2,10"], r"row 1 has .* start_s = -2"),
        (["0,0,inf"], r"row 1 has .* end_s = inf"),
        (["0,nan,5"], r"row 1 has .* start_s = nan|the column start_s has empty cells"),
        (["0,1,9", "2,1,9"], r"client 1 has no row, client 2 has; number the clients from 0"),
        (["7000000000000,1,9"], r"client 0 has no row, client 7000000000000 has"),
        (["0,5,5"], r"nobody is ever online"),
        ([], r"nobody is ever online"),
        (["0,,5"], r"the column start_s has empty cells"),
        (["phone,0,5"], r"CSV conversion error to int64: invalid value 'phone'"),
        (["0,0"], r"Expected 3 columns, got 2"),
    ],
)
def test_a_bad_trace_is_refused_by_name_and_row(trace_file, lines, message):
    with pytest.raises(
        ScenarioError, match=rf"^availability trace mine\.csv: .*({message})"
    ) as caught:
        Trace(trace_file(lines))
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_named(trace_file):
    with pytest.raises(ScenarioError, match=r"no column 'end_s' among client, start_s, stop"):
        Trace(trace_file(["0,0,1"], heading="client,start_s,stop"))


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"PAR1 is not enough"])
@pytest.mark.parametrize("name", ["broken.csv", "broken.parquet"])
def test_what_is_no_table_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScenarioError, match=rf"^availability trace {name}") as caught:
        Trace(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@given(
    st.lists(
        st.lists(st.integers(0, 60), max_size=14, unique=True).map(sorted), min_size=1, max_size=5
    )
)
def test_a_lookup_finds_what_a_walk_through_the_intervals_finds(rows):
    """Each row's sorted times are taken as start, end, start, end ..."""
    pairs = [list(zip(row[::2], row[1::2], strict=False)) for row in rows]
    flat = np.array([pair for row in pairs for pair in row], dtype=float).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, pairs)])
    intervals = Intervals(flat[:, 0].copy(), flat[:, 1].copy(), offsets)
    for time_s in np.arange(0, 62, 0.5):
        inside = [[pair for pair in row if pair[0] <= time_s < pair[1]] for row in pairs]
        found = intervals.covers(np.arange(len(rows)), time_s)
        assert found.tolist() == [bool(pair) for pair in inside]
        for row, pair in enumerate(inside):
            assert intervals.end_of(row, time_s) == (pair[0][1] if pair else None)
