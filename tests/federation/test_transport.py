"""A channel's draws are named, and it lets through only what was asked for."""

from dataclasses import dataclass

import numpy as np
import pytest

from federation.arrays import digest, spec_of
from federation.codecs._base import Codec
from federation.codecs.none import Dense
from federation.errors import RejectedUpdate
from federation.transport import Channel

PARTS = {"model": {"w": np.arange(6, dtype="f4").reshape(2, 3)}, "control": {"w": np.ones(2)}}
SPECS = {part: spec_of(arrays) for part, arrays in PARTS.items()}


@dataclass(frozen=True)
class Draws(Codec):
    """Sends what it draws, so that two equal payloads are two equal draws."""

    def encode(self, arrays, rng):
        return rng.bytes(16)

    def decode(self, data, spec):
        raise ValueError("nothing can be read from noise")


def channel(codec, seed=1, name="uplink"):
    return Channel(codec, seed, name)


def test_parts_arrive_as_they_were_sent():
    wire = channel(Dense())
    assert digest(wire.decode(wire.encode(PARTS, 3, 7), SPECS)) == digest(PARTS)


def test_a_repeated_encoding_draws_the_same_numbers():
    assert channel(Draws()).encode(PARTS, 3, 7) == channel(Draws()).encode(PARTS, 3, 7)


def test_every_seed_direction_part_round_and_client_draws_for_itself():
    sent = [
        channel(Draws()).encode(PARTS, 3, 7),
        channel(Draws()).encode(PARTS, 3, 8),
        channel(Draws()).encode(PARTS, 4, 7),
        channel(Draws(), seed=2).encode(PARTS, 3, 7),
        channel(Draws(), name="downlink").encode(PARTS, 3, 7),
    ]
    draws = [payload for payloads in sent for payload in payloads.values()]
    assert len(set(draws)) == len(draws) == 10


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model": None}, r"parts \['control'\] where \['control', 'model'\] were expected"),
        ({"extra": b""}, r"parts \['control', 'extra', 'model'\] where"),
        ({"model": b"123"}, "part 'model': payload of 3 bytes where 24"),
        ({"control": np.array([1, np.nan]).tobytes()}, "part 'control' holds NaN or infinite"),
    ],
)
def test_anything_else_is_rejected_by_its_part(change, complaint):
    wire = channel(Dense())
    payloads = wire.encode(PARTS, 1, 0) | change
    given = {name: data for name, data in payloads.items() if data is not None}
    with pytest.raises(RejectedUpdate, match=complaint):
        wire.decode(given, SPECS)


def test_what_a_codec_cannot_read_is_rejected():
    with pytest.raises(RejectedUpdate, match="part 'model': nothing can be read from noise"):
        channel(Draws()).decode({"model": b""}, {"model": SPECS["model"]})
