"""The table of carbon intensities: every row with its year, kind and source."""

import re

import pytest

from federation.energy.ranges import Range
from federation.energy.regions import region_table
from federation.errors import ScenarioError


@pytest.fixture(scope="module")
def table():
    return region_table()


def test_every_row_says_where_it_comes_from(table):
    assert len(table.regions) == 26
    for row in table.regions.values():
        assert re.fullmatch(r"[A-Z]{3}|WORLD", row.code)
        assert row.g_per_kwh > 0
        assert 2019 <= row.year <= 2023
        assert row.kind in ("average", "marginal")
        assert row.status in ("V", "D", "R")
        assert row.source


@pytest.mark.parametrize(
    ("code", "g_per_kwh"),
    [("DEU", 380.9), ("FRA", 56.0), ("NOR", 30.1), ("IND", 713.4), ("WORLD", 475.0)],
)
def test_a_region_has_its_figure_at_all_times(table, code, g_per_kwh):
    assert table.g_per_kwh(code, 0, 1) == table.g_per_kwh(code, 1e9, 2e9) == Range.exact(g_per_kwh)


def test_known_regions_pass_the_check(table):
    table.check(["DEU", "FRA", "WORLD"])


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("deu", "DEU (Germany)"),
        ("DE", "DEU (Germany)"),
        ("germany", "DEU (Germany)"),
        ("Swizerland", "CHE (Switzerland)"),
        ("GBP", "GBR (United Kingdom)"),
    ],
)
def test_an_unknown_region_names_near_ones(table, wrong, near):
    with pytest.raises(ScenarioError) as caught:
        table.check(["FRA", wrong])
    message = str(caught.value)
    assert message.startswith(f"unknown region {wrong!r}; did you mean ")
    assert near in message
    valid = ", ".join(sorted(table.regions))
    assert message.endswith(f"Valid: {valid}; another zone needs a trace, named in energy.carbon")
    assert "\n" not in message


def test_a_region_like_no_other_lists_the_valid_ones(table):
    with pytest.raises(ScenarioError, match="unknown region 'qqqq'; Valid: AUS, BRA"):
        table.g_per_kwh("qqqq", 0, 1)
