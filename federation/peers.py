"""What clients send to each other: messages from client to client, and what became of them.

In a simulation such messages take the sender's uplink and the receiver's downlink, and the server
has no part in them. On real nodes it relays: there the requests and replies are the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flwr.app import MetricRecord, RecordDict

from federation.arrays import Parts, raw_bytes, spec_of
from federation.codecs._chain import Chain
from federation.messages import parts_record
from federation.transport import Channel, Place
from federation.wire import content_bytes


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a message: of its values, and of its content as it is really encoded."""

    raw_bytes: int
    sent_bytes: int

    def __add__(self, other: Size) -> Size:
        return Size(self.raw_bytes + other.raw_bytes, self.sent_bytes + other.sent_bytes)


@dataclass(frozen=True, slots=True)
class PeerMessage:
    """A message from one client to another.

    It leaves when its sender is ready, at `ready_s`, and when the messages at the places `after`
    (of the list that it stands in) have arrived.
    """

    round: int
    source: int
    target: int
    kind: str
    size: Size
    ready_s: float = 0.0
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerExchange:
    """A message that has arrived.

    Times count from the start of the run; `transfer_s` is how long its bits were on the links,
    without the latency.
    """

    message: PeerMessage
    start_s: float
    end_s: float
    transfer_s: float


def size_of(parts: Parts, numbers: Mapping[str, float] | None = None) -> Size:
    """Of values that travel as they are, with `numbers` beside them: what they really encode to."""
    plain = Channel(Chain(()), 0, "peer")
    specs = {part: spec_of(arrays) for part, arrays in parts.items()}
    payloads = plain.encode(parts, specs, {}, Place(0), {}).payloads
    content = RecordDict({"parts": parts_record(payloads)})
    if numbers:
        content["metrics"] = MetricRecord(dict(numbers))
    return Size(sum(raw_bytes(arrays) for arrays in parts.values()), content_bytes(content))
