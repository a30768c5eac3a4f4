"""docs/profiles.md has every profile with its figures, and the source and status of each."""

import re
import tomllib
from pathlib import Path

import pytest

from simulations.devices import device_profile, network_profile, profile_names
from simulations.profiles.device import DeviceProfile
from simulations.profiles.network import NetworkProfile
from simulations.profiles.reference import row, source_rows

PAGE = Path(__file__).parents[1].joinpath("docs", "profiles.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROFILES = {
    "device": {name: device_profile(name) for name in profile_names("devices")},
    "network": {name: network_profile(name) for name in profile_names("networks")},
}


def rows(first):
    """The rows of the table whose first heading this is."""
    (lines,) = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]


@pytest.mark.parametrize("kind", PROFILES)
def test_the_page_has_every_profile_as_it_is(kind):
    assert rows(kind) == [row(name, profile) for name, profile in PROFILES[kind].items()]


def test_the_page_has_the_source_and_status_of_every_figure():
    wanted = [
        entry
        for profiles in PROFILES.values()
        for name, profile in profiles.items()
        for entry in source_rows(name, profile)
    ]
    assert rows("profile") == wanted


def test_the_examples_are_profiles():
    device, network = map(tomllib.loads, EXAMPLES)
    assert DeviceProfile.model_validate(device).missing_energy == ()
    assert NetworkProfile.model_validate(network).missing_energy == ()


@pytest.mark.parametrize("model", [DeviceProfile, NetworkProfile])
def test_the_page_names_every_key(model):
    for name, field in model.model_fields.items():
        assert re.search(rf"\b{field.alias or name}\b", PAGE), name
