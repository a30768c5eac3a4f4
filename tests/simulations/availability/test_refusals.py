"""What a user may get wrong at the far ends: refused in one line, and never a traceback."""

import math

import numpy as np
import pytest

from federation.errors import ScenarioError
from simulations.availability.catalogue import build_availability

HEADING = b"client,start_s,end_s\n"


def refusal(**given):
    with pytest.raises(ScenarioError) as caught:
        build_availability(given, seed=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("slot_s", [5e-324, 1e-300, 1e-9, 1e10, 1e308, math.inf, math.nan])
def test_slots_that_cannot_be_counted(slot_s):
    said = refusal(kind="probability", online=0.5, slot_s=slot_s)
    assert said.startswith(f"fleet.availability.slot_s = {slot_s}: must be a number from 0.001")


@pytest.mark.parametrize("slot_s", [1e-3, 1e9])
def test_the_shortest_and_the_longest_slot_work_for_thirty_years(slot_s):
    kind = build_availability({"kind": "probability", "online": 0.5, "slot_s": slot_s}, seed=1)
    for time_s in (0.0, 1e9):
        assert 0.4 < kind.available(np.arange(2000), time_s).mean() < 0.6
        assert time_s < kind.next_change(time_s) <= time_s + 1.001 * slot_s


@pytest.mark.parametrize(("start", "end"), [(24, 0), (0, 0), (24, 24), (7.5, 7.5)])
def test_hours_that_leave_no_time(start, end):
    said = refusal(kind="hours", start=start, end=end, utc_offset_h=0)
    assert f"start = {start:g}, end = {end:g}: leaves no time" in said


def test_hours_from_midnight_written_as_twenty_four():
    early = build_availability({"kind": "hours", "start": 24, "end": 6, "utc_offset_h": 0}, seed=1)
    assert (early.until(0, 0.0), early.next_change(6 * 3600.0)) == (6 * 3600.0, 24 * 3600.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"client,client,start_s,end_s\n0,0,1,2\n", "more than one column 'client'"),
        (b"client\xff,client,start_s,end_s\n0,0,1,2\n", "can't decode byte 0xff"),
        (b'"a\nb",start_s,end_s\n0,0,1\n', "no column 'client' among a b"),
        (HEADING + b"0,0,\xff\n", "conversion error to double"),
        (HEADING + b"9223372036854775807,0,5\n", "client 0 has no row"),
        (b"client;start_s;end_s\n0;0;5\n", "no column 'client' among client;start_s;end_s"),
    ],
)
@pytest.mark.parametrize("name", ["mine.csv", "my\ntrace.csv"])
def test_files_that_are_no_trace(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    said = refusal(kind="trace", path=str(tmp_path / name))
    assert said.startswith(f"availability trace {' '.join(name.split())}: ")
    assert message in said


@pytest.mark.parametrize("path", ["~nobody-of-that-name/mine.csv", "a\0b.csv", ".", ""])
def test_paths_that_lead_nowhere(path):
    assert "there is no such file" in refusal(kind="trace", path=path)


def test_a_name_that_no_disk_takes():
    assert "File name too long" in refusal(kind="trace", path="a" * 5000)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path):
    path = tmp_path / "windows.csv"
    path.write_bytes(b"\xef\xbb\xbfclient,start_s,end_s\r\n0,0,5\r\n")
    assert build_availability({"kind": "trace", "path": str(path)}, seed=1).until(0, 0.0) == 5
