"""Carbon intensity over time: files that are read, files that are refused, and clean hours."""

import pytest

from federation.energy.carbon_files import read_trace
from federation.energy.catalogue import open_grid
from federation.energy.ranges import Range
from federation.energy.regions import region_table
from federation.errors import RunError, ScenarioError

NOTES = "# unit = g/kWh\n# kind = average\n"
DAY = NOTES + "time_s,DEU,FRA\n0,400,60\n3600,300,50\n7200,200,70\n"
MAPS = """Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Data source
2023-01-01 00:00:00,Germany,Germany,{zone},300,{first},opendata
2023-01-01 01:00:00,Germany,Germany,{zone},310,360,opendata
2023-01-01 02:00:00,Germany,Germany,{zone},290,340,opendata
"""


@pytest.fixture
def trace(tmp_path):
    """Reads the trace in a file of that text."""

    def read(text, name="grid.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_trace(path)

    return read


def test_a_zone_has_its_mean_over_a_time(trace):
    day = trace(DAY)
    assert day.g_per_kwh("DEU", 0, 3600) == Range.exact(400.0)
    assert day.g_per_kwh("DEU", 1800, 5400).base == pytest.approx(350.0)
    assert day.g_per_kwh("FRA", 7000, 7000) == Range.exact(50.0)
    assert day.kind == "average"


def test_the_last_row_holds_for_a_step(trace):
    assert trace(DAY).covered_until_s() == 10800
    assert trace(DAY).g_per_kwh("DEU", 7200, 10800) == Range.exact(200.0)


def test_a_trace_that_ends_too_early_is_refused_by_name_with_the_remedy(trace):
    with pytest.raises(RunError) as caught:
        trace(DAY).g_per_kwh("DEU", 10000, 20000)
    assert str(caught.value) == (
        "carbon trace grid.csv goes from 0 to 10800 s of the run, which needs it from 10000 to "
        "20000 s: add rows at its end, or '# fill = repeat' at its top, and go on with --resume"
    )


def test_a_trace_that_will_not_suffice_is_refused_beforehand(trace):
    trace(DAY).check_covers(10800)
    trace("# fill = repeat\n" + DAY).check_covers(1e12)
    with pytest.raises(ScenarioError) as caught:
        trace(DAY).check_covers(10801)
    assert str(caught.value) == (
        "carbon trace grid.csv ends at 10800 s, the run takes at least 10801 s: give it more rows, "
        "put '# fill = repeat' at its top, or run fewer rounds"
    )


def test_a_trace_that_begins_too_late_is_refused(trace):
    late = trace(NOTES + "time_s,DEU\n3600,400\n7200,300\n")
    with pytest.raises(ScenarioError, match=r"grid\.csv begins at 3600 s, the run needs it from 0"):
        late.check(["DEU"])
    with pytest.raises(RunError, match=r"grid\.csv goes from 3600 to 10800 s of the run"):
        late.g_per_kwh("DEU", 0, 10)


def test_a_repeated_trace_never_ends(trace):
    again = trace("# fill = repeat\n" + DAY)
    assert again.g_per_kwh("DEU", 10800, 14400) == again.g_per_kwh("DEU", 0, 3600)
    assert again.g_per_kwh("DEU", 0, 1e6 * 10800).base == pytest.approx(300.0)


def test_straight_lines_between_rows(trace):
    line = trace("# fill = linear\n" + DAY)
    assert line.g_per_kwh("DEU", 1800, 1800) == Range.exact(350.0)
    assert line.covered_until_s() == 7200


@pytest.mark.parametrize(
    ("unit", "grams"), [("g/kWh", 400.0), ("kg/kWh", 400e3), ("lb/MWh", 400 * 0.45359237)]
)
def test_units_are_converted(trace, unit, grams):
    read = trace(DAY.replace("g/kWh", unit))
    assert read.g_per_kwh("DEU", 0, 1).base == pytest.approx(grams)


def test_an_unknown_zone_names_near_ones(trace):
    with pytest.raises(ScenarioError, match=r"grid\.csv: unknown region 'DE'; did you mean 'DEU'"):
        trace(DAY).check(["FRA", "DE"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DAY.replace("# unit = g/kWh\n", ""), "does not say its unit: begin it with"),
        (DAY.replace("# kind = average\n", ""), "does not say its kind"),
        (DAY.replace("g/kWh", "g/MWh"), "unknown unit 'g/MWh'"),
        ("# fill = zero\n" + DAY, "unknown fill 'zero'"),
        (DAY.replace("time_s", "hour"), "it must be time_s and then one name a column"),
        (DAY.replace("FRA", "DEU"), "each once"),
        (DAY.replace("3600,300,50", "3600,300"), "line 5: 2 cells below 3 headings"),
        (DAY.replace("3600,300", "3600,n/a"), "line 5: DEU = 'n/a' must be a number"),
        (DAY.replace("3600,300", "3600,-1"), "line 5: DEU = '-1' must be a number that is not neg"),
        (DAY.replace("7200", "3600"), "line 6: the time is not later than in the line before"),
        (NOTES + "time_s,DEU\n0,400\n", "needs a heading and two rows"),
        ("", "needs a heading and two rows"),
        (NOTES + 'time_s,DEU\n0,"400\n', "is no CSV file"),
    ],
)
def test_a_broken_file_is_refused_by_line(trace, text, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        trace(text)
    assert "grid.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"cannot read .*nowhere\.csv: No such file"):
        read_trace(tmp_path / "nowhere.csv")


def test_a_file_of_bytes_is_refused(tmp_path):
    (tmp_path / "grid.csv").write_bytes(b"\xff\xfe\x00time_s")
    with pytest.raises(ScenarioError, match="no CSV file in UTF-8"):
        read_trace(tmp_path / "grid.csv")


def test_electricity_maps_files_are_read_as_downloaded(trace):
    """Life cycle, seconds from the first row, the zone of the file."""
    read = trace(MAPS.format(zone="DE", first=350))
    assert read.g_per_kwh("DE", 0, 3600) == Range.exact(350.0)
    assert read.covered_until_s() == 3 * 3600
    assert read.kind == "average"


def test_the_older_headings_of_electricity_maps_are_known(trace):
    older = (
        MAPS.format(zone="DE", first=350).replace("(Life cycle)", "(LCA)").replace("id", "Id", 1)
    )
    assert trace(older.replace("intensity", "Intensity")).g_per_kwh("DE", 0, 1).base == 350


def test_a_folder_holds_a_file_a_zone(tmp_path):
    for zone, first in (("DE", 350), ("FR", 50)):
        text = MAPS.format(zone=zone, first=first)
        (tmp_path / f"{zone}_2023_hourly.csv").write_text(text, encoding="utf-8")
    both = read_trace(tmp_path)
    assert both.g_per_kwh("DE", 0, 3600).base == 350
    assert both.g_per_kwh("FR", 0, 3600).base == 50


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (MAPS.format(zone="DE", first=1), "zone DE stands in two files"),
        (MAPS.format(zone="FR", first=1).replace("2023-", "2024-"), "b.csv has other times than"),
        (MAPS.format(zone="FR", first=1).replace(" 02:", " 03:"), "b.csv has other times than"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, second, message):
    (tmp_path / "a.csv").write_text(MAPS.format(zone="DE", first=350), encoding="utf-8")
    (tmp_path / "b.csv").write_text(second, encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        read_trace(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("(Life cycle)", "(all)"), "no column 'Carbon intensity"),
        (("Zone id", "Zone"), "no column 'Zone id'"),
        (("310,360", "310,"), "line 3: Carbon intensity .* must be a number"),
        (("2023-01-01 01:00:00", "yesterday"), "line 3: 'yesterday' is no date"),
        (("Germany,DE,310", "Germany,AT,310"), "holds 2 zones"),
        ((",opendata\n2023-01-01 01", "\n2023-01-01 01"), "a row has fewer cells"),
    ],
)
def test_a_broken_electricity_maps_file_is_refused(trace, change, message):
    with pytest.raises(ScenarioError, match=message):
        trace(MAPS.format(zone="DE", first=350).replace(*change))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"holds no \.csv file"):
        read_trace(tmp_path)


def test_a_user_says_table_or_a_path(tmp_path):
    (tmp_path / "grid.csv").write_text(DAY)
    assert open_grid("table") is region_table()
    assert open_grid(str(tmp_path / "grid.csv")).g_per_kwh("DEU", 0, 1).base == 400


CLEAN_AT_NIGHT = NOTES + "time_s,DEU\n0,400\n100,300\n200,100\n300,500\n400,500\n"


@pytest.mark.parametrize(
    ("now", "slack", "duration", "start"),
    [
        (0, 0, 50, 0),  # no slack: now
        (0, 400, 100, 200),  # the clean row fits it
        (0, 400, 50, 200),  # half of it: the earliest of equals
        (0, 120, 100, 120),  # not that far: as far as it may
        (0, 400, 200, 100),  # longer than the clean row: from the row before
        (250, 100, 100, 250),  # it only gets worse
        (0, 1e9, 100, 200),  # no further than the trace
    ],
)
def test_the_cleanest_start_within_the_slack(trace, now, slack, duration, start):
    assert trace(CLEAN_AT_NIGHT).cleanest_start_s("DEU", now, slack, duration) == start


def test_no_start_in_reach_is_cleaner(trace):
    grid = trace(CLEAN_AT_NIGHT)
    best = grid.cleanest_start_s("DEU", 30, 300, 70)
    least = grid.g_per_kwh("DEU", best, best + 70).base
    for start in range(30, 331):
        assert least <= grid.g_per_kwh("DEU", start, start + 70).base + 1e-9


def test_clean_hours_come_again(trace):
    nights = trace("# fill = repeat\n" + CLEAN_AT_NIGHT)
    assert nights.cleanest_start_s("DEU", 310, 1000, 100) == 700
