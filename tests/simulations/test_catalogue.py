"""`paceline list` prints every kind, and every name that a scenario may use."""

import pytest

from federation.codecs._text import stages
from federation.errors import ScenarioError
from federation.models.zoo import zoo
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
    "models": set(zoo()),
    "partitions": {"iid", "dirichlet", "pathological", "shards", "extended-dirichlet", "natural"},
    "sources": {"digits", "mnist", "cifar10"},
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
