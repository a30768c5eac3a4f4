"""The versions of the model that clients hold, on disk and in memory."""

import numpy as np
import pytest

from clients.held import HeldVersions
from federation.arrays import digest
from federation.downlink import WINDOW


@pytest.fixture
def held(tmp_path):
    return HeldVersions(tmp_path / "held")


def version(number):
    model = {"w": np.full((2, 3), number, "f4"), "steps": np.array(number), "none": np.zeros(0)}
    return {"model": model, "control": {"w": np.array([number], "f8")}}


def in_order(parts):
    return {part: dict(sorted(arrays.items())) for part, arrays in parts.items()}


def test_another_process_finds_a_version_bit_for_bit(held):
    held.save(3, version(3))
    other = HeldVersions(held.folder)
    assert digest(in_order(other.load(3))) == digest(in_order(version(3)))


def test_the_newest_versions_are_found_without_the_disk(held):
    for number in (1, 2, 3):
        held.save(number, version(number))
    for path in held.folder.iterdir():
        path.unlink()
    assert held.load(1) is None
    assert [int(held.load(number)["model"]["steps"]) for number in (2, 3)] == [2, 3]


def test_a_version_that_was_never_held_is_none(held):
    assert held.load(1) is None


def test_versions_that_no_letter_builds_on_are_dropped(held):
    for number in range(1, WINDOW + 3):
        held.save(number, {"model": {"w": np.zeros(1, "f4")}})
    other = HeldVersions(held.folder)
    assert other.load(1) is None
    assert other.load(2) is not None


def test_what_a_crash_left_half_written_is_not_found(held):
    held.save(1, version(1))
    (held.folder / ".v00000002.safetensors.123").write_bytes(b"half")
    assert HeldVersions(held.folder).load(2) is None
