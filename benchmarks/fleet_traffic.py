"""What the HTTP calls between SuperNodes and a SuperLink are about (Flower 1.41, Fleet API).

A node asks for work (`pull-messages`) and is told a message's metadata and the tree of its objects;
it pulls each object and confirms. A reply goes the other way: `push-messages`, then each object
that the SuperLink does not hold yet. The root of a tree is the envelope; what is below it is the
content, which is what `sent_bytes` counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from flwr.app import ConfigRecord, MetricRecord
from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse, PushMessagesRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    Metadata,
    ObjectTree,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
)

from benchmarks.relay import Call

Link = Literal["downlink", "uplink"]
_FLEET = "/v1/fleet/"
_OK = 200


@dataclass
class Cost:
    """Calls, the bytes of their HTTP heads, and those of their bodies."""

    calls: int = 0
    head_bytes: int = 0
    body_bytes: int = 0

    def add(self, calls: int, head_bytes: int, body_bytes: int) -> None:
        """Count some more."""
        self.calls += calls
        self.head_bytes += head_bytes
        self.body_bytes += body_bytes


@dataclass
class Crossing:
    """A message on its way between a node and the SuperLink, and all calls that carried it.

    `metrics` are the numbers that stand in it.
    """

    node: int
    link: Link
    kind: str
    round: str
    content_ids: frozenset[str]
    cost: Cost = field(default_factory=Cost)
    sizes: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, object] = field(default_factory=dict)

    @property
    def content_bytes(self) -> int:
        """The bytes of the content's objects that crossed."""
        return sum(size for name, size in self.sizes.items() if name in self.content_ids)


@dataclass
class Traffic:
    """Sorts calls by what they are for.

    `crossings` are the messages in the order they began, `other` the calls that belong to none,
    by name; an empty `pull-messages` is a poll. `clients` are the nodes that said who they are.
    """

    crossings: list[Crossing] = field(default_factory=list)
    other: dict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))
    clients: dict[int, int] = field(default_factory=dict)
    _latest: dict[tuple[int, Link], Crossing] = field(default_factory=dict)

    def see(self, call: Call) -> None:
        """Sort a call in. A node handles one message at a time, so it belongs to the latest."""
        name = call.path.removeprefix(_FLEET)
        crossing = self._crossing(name, call) if call.status == _OK else None
        cost = self.other[name] if crossing is None else crossing.cost
        cost.add(1, call.head_bytes, len(call.request) + len(call.response))

    def _crossing(self, name: str, call: Call) -> Crossing | None:
        match name:
            case "pull-messages":
                return self._pulled(call)
            case "push-messages":
                pushed = PushMessagesRequest.FromString(call.request)
                metadata, tree = pushed.messages_list[0].metadata, pushed.message_object_trees[0]
                return self._begin(pushed.node.node_id, "uplink", metadata, tree)
            case "pull-object":
                asked = PullObjectRequest.FromString(call.request)
                data = PullObjectResponse.FromString(call.response).object_content
                return self._carry(asked.node.node_id, "downlink", asked.object_id, data)
            case "push-object":
                sent = PushObjectRequest.FromString(call.request)
                self._listen(sent.node.node_id, sent.object_content)
                return self._carry(sent.node.node_id, "uplink", sent.object_id, sent.object_content)
            case "confirm-message-received":
                confirmed = ConfirmMessageReceivedRequest.FromString(call.request)
                return self._latest.get((confirmed.node.node_id, "downlink"))
        return None

    def _pulled(self, call: Call) -> Crossing | None:
        told = PullMessagesResponse.FromString(call.response)
        if not told.messages_list:
            return None
        node = PullMessagesRequest.FromString(call.request).node.node_id
        metadata, tree = told.messages_list[0].metadata, told.message_object_trees[0]
        return self._begin(node, "downlink", metadata, tree)

    def _begin(self, node: int, link: Link, metadata: Metadata, tree: ObjectTree) -> Crossing:
        ids = frozenset(_ids_below(tree))
        crossing = Crossing(node, link, metadata.message_type, metadata.group_id, ids)
        self.crossings.append(crossing)
        self._latest[node, link] = crossing
        return crossing

    def _carry(self, node: int, link: Link, name: str, data: bytes) -> Crossing | None:
        crossing = self._latest.get((node, link))
        if crossing is not None and data:  # an object that is not there yet is asked for again
            crossing.sizes[name] = len(data)
            if data.startswith(MetricRecord.__qualname__.encode()):
                crossing.metrics.update(MetricRecord.inflate(data))
        return crossing

    def _listen(self, node: int, data: bytes) -> None:
        """A node's answer to the first query says which client it is (`enrolment.py`)."""
        if data.startswith(ConfigRecord.__qualname__.encode()):
            client = ConfigRecord.inflate(data).get("client")
            if isinstance(client, int):
                self.clients[node] = client


def _ids_below(tree: ObjectTree) -> Iterator[str]:
    for child in tree.children:
        yield child.object_id
        yield from _ids_below(child)
