"""The versions of the model that clients hold, on disk and in memory."""

from dataclasses import replace

import numpy as np
import pytest

from clients.held import HeldVersions
from federation.arrays import digest, spec_of
from federation.codecs._chain import Chain
from federation.codecs._text import parse_chain
from federation.downlink import NOT_HELD, WINDOW, Publisher
from federation.errors import ClientError
from federation.transport import Channel


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


CHANNEL = Channel(Chain(parse_chain("topk(0.5)")), 1, "downlink")
SPECS = {part: spec_of(arrays) for part, arrays in version(0).items()}


def test_a_client_that_was_never_asked_builds_on_its_own_start(tmp_path):
    sender = Publisher(CHANNEL, SPECS, version(0))
    sender.publish(version(5))
    own = HeldVersions(tmp_path, version(0))
    received = own.receive(CHANNEL, sender.letter(3), SPECS)
    assert digest(in_order(received)) == digest(in_order(sender.held))


def test_a_client_whose_start_differs_asks_for_the_model_and_is_in_step_from_then_on(tmp_path):
    sender = Publisher(CHANNEL, SPECS, version(0))
    other = HeldVersions(tmp_path, version(1))
    with pytest.raises(ClientError, match=NOT_HELD):
        other.receive(CHANNEL, sender.letter(3), SPECS)
    sender.lost(3)
    assert digest(in_order(other.receive(CHANNEL, sender.letter(3), SPECS))) == digest(
        in_order(version(0))
    )
    sender.delivered(3)
    sender.publish(version(5))
    received = other.receive(CHANNEL, sender.letter(3), SPECS)
    assert digest(in_order(received)) == digest(in_order(sender.held))


def test_clients_of_one_machine_build_on_what_one_of_them_decoded(tmp_path):
    """The payload of version 1 is spoilt: only who builds on the start would read it."""
    sender, shared = Publisher(CHANNEL, SPECS, version(0)), HeldVersions(tmp_path, version(0))
    sender.publish(version(5))
    shared.receive(CHANNEL, sender.letter(3), SPECS)
    sender.publish(version(6))
    letter = sender.letter(4)
    spoilt = {name: b"" if name.endswith("@1") else data for name, data in letter.payloads.items()}
    received = shared.receive(CHANNEL, replace(letter, payloads=spoilt), SPECS)
    assert digest(in_order(received)) == digest(in_order(sender.held))
