"""`paceline list` prints every kind, and every name that a scenario may use."""

import re

import pytest

from federation.codecs._text import stages
from federation.energy.catalogue import meters
from federation.errors import ScenarioError
from federation.models.zoo import language_models, zoo
from simulations.availability.catalogue import availabilities
from simulations.catalogue import kinds, print_catalogue
from simulations.devices import profile_names
from simulations.prepare import bundled_scenarios
from strategies.catalogue import algorithms, schedules
from strategies.selections.registry import selections

KNOWN = {
    "scenarios": set(bundled_scenarios()),
    "schedules": set(schedules().names()),
    "algorithms": set(algorithms().names()),
    "selections": set(selections().names()),
    "availabilities": set(availabilities().names()),
    "codecs": {"none", *stages().names()},
    "models": set(zoo()) | set(language_models()),
    "partitions": {"iid", "dirichlet", "pathological", "shards", "extended-dirichlet", "natural"},
    "sources": {"digits", "mnist", "cifar10"},
    "meters": set(meters().names()),
    "devices": set(profile_names("devices")),
    "networks": set(profile_names("networks")),
}


@pytest.fixture
def printed(capsys):
    def run(kind=None):
        print_catalogue(kind)
        return capsys.readouterr().out.splitlines()

    return run


def names(lines):
    """The first word of every entry; a description that goes on stands further in."""
    return {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}


def test_every_kind_is_known_here():
    assert set(kinds()) == set(KNOWN)


@pytest.mark.parametrize("kind", KNOWN)
def test_a_kind_lists_all_that_it_has(printed, kind):
    assert names(printed(kind)) >= KNOWN[kind]


@pytest.mark.parametrize("kind", KNOWN)
def test_every_entry_says_what_it_is(kind):
    assert [entry.name for entry in kinds()[kind]() if not entry.about.strip()] == []


def test_without_a_kind_all_kinds_are_listed_under_their_headings(printed):
    lines = printed()
    assert [line.rstrip(":") for line in lines if not line.startswith(" ")] == list(kinds())
    assert names(lines) >= set().union(*KNOWN.values())


def test_an_unknown_kind_lists_the_valid_ones():
    with pytest.raises(ScenarioError, match=r"unknown kind 'codec'; did you mean 'codecs'\?"):
        print_catalogue("codec")


WIDE, NARROW = 100, 80


@pytest.mark.parametrize("columns", [WIDE, NARROW])
@pytest.mark.parametrize("kind", ["devices", "networks"])
def test_profiles_are_a_line_each_in_columns(printed, monkeypatch, kind, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    heading, *rows = printed(kind)
    known = profile_names(kind)
    assert [row.split()[0] for row in rows[: len(known)]] == known
    starts = [heading.index(word) for word in re.split(r"\s{2,}", heading.strip())]
    for row in rows[: len(known)]:
        assert all(row[at - 2 : at] == "  " and row[at] != " " for at in starts), row
    assert all(len(line) <= columns for line in [heading, *rows])


def test_a_device_says_what_one_chooses_by(printed):
    lines = {line.split()[0]: line.split()[1:] for line in printed("devices") if line.strip()}
    assert lines["nvidia-t4"] == ["gpu", "4.48", "TFLOP/s", "9", "57", "board"]
    assert lines["phone-wu"] == ["phone", "21.1", "GFLOP/s", "-", "3", "board"]
    (note,) = [line for line in printed("devices") if line.startswith("  Levels")]
    assert note == "  Levels of power: nvidia-v100 (7), raspberry-pi-3b-plus (9)."


def test_a_network_says_what_a_megabyte_costs(printed):
    """LTE, up: 8 Mbit at 438.4 nJ/bit, and 1.288 W for 8/6 s; a WiFi radio is capped at 1.5 W."""
    lines = {line.split()[0]: line for line in printed("networks") if line.strip()}
    assert "5.2 / 1.2" in lines["lte"]
    assert "50 / 164" in lines["lte"]
    assert "0.6 / 0.24" in lines["wifi4"]
    assert lines["lora-sf7"].split()[-2:] == ["134", "-"]
