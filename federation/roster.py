"""Which Flower node is which client.

Flower's node ids are random; results name clients by partition id. On Flower's own grids the
nodes are asked once, and again when one comes back under another id. A simulated grid knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from federation.enrolment import Enrolment, Introduction, read_hello
from federation.errors import ClientError, RunError

EnrolmentOf = Callable[[int, bool], Enrolment]

_POLL_S = 0.2


@dataclass
class Roster:
    """Finds and enrols the nodes of a run; `enrolment_of(client, own_data)` says what to tell."""

    grid: Grid
    population: int
    enrolment_of: EnrolmentOf
    timeout_s: float
    _nodes: dict[int, int] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)

    def node_of(self, client: int) -> int | None:
        """The node of a client that is connected now, else None."""
        return self._nodes.get(client)

    def client_of(self, node: int) -> int | None:
        """The client that a node is."""
        return next((client for client, known in self._nodes.items() if known == node), None)

    def wait_for_all(self) -> None:
        """Wait until every client has a node. Raises RunError after `timeout_s`."""
        deadline = time.monotonic() + self.timeout_s
        while len(self._nodes) < self.population:
            self.refresh()
            if len(self._nodes) >= self.population:
                return
            if time.monotonic() > deadline:
                missing = [c for c in range(self.population) if c not in self._nodes]
                raise RunError(
                    f"{len(missing)} of {self.population} clients did not connect within "
                    f"{self.timeout_s:g} s, the first is client {missing[0]}; start a node with "
                    f"partition-id={missing[0]}, or lower data.clients"
                )
            time.sleep(_POLL_S)

    def refresh(self) -> None:
        """Forget nodes that left, greet and enrol new ones."""
        alive = set(self.grid.get_node_ids())
        self._nodes = {c: node for c, node in self._nodes.items() if node in alive}
        self._asked &= alive
        new = sorted(alive - self._asked)
        if not new:
            return
        self._asked.update(new)
        empty = RecordDict()
        found: dict[int, Introduction] = {}
        for reply in self._ask([(node, MessageType.QUERY, empty) for node in new]):
            introduction = read_hello(_content(reply))
            if introduction.client < self.population:
                found[reply.metadata.src_node_id] = introduction
        self._enrol(found)

    def enrol_again(self, client: int) -> None:
        """Tell a node once more, after it lost what it was told."""
        node = self._nodes[client]
        self._asked.discard(node)
        self.refresh()

    def _enrol(self, found: dict[int, Introduction]) -> None:
        letters = []
        for node, introduction in found.items():
            enrolment = self.enrolment_of(introduction.client, introduction.own_data)
            content = RecordDict({"enrolment": enrolment.to_record()})
            letters.append((node, f"{MessageType.QUERY}.enrol", content))
        for reply in self._ask(letters):
            _content(reply)
            node = reply.metadata.src_node_id
            self._nodes[found[node].client] = node

    def _ask(self, letters: Iterable[tuple[int, str, RecordDict]]) -> list[Message]:
        messages = [
            Message(content, node, kind, ttl=self.timeout_s) for node, kind, content in letters
        ]
        if not messages:
            return []
        waiting = {name for name in self.grid.push_messages(messages) if name}
        deadline, replies = time.monotonic() + self.timeout_s, []
        while waiting and time.monotonic() < deadline:
            arrived = list(self.grid.pull_messages(waiting))
            waiting -= {reply.metadata.reply_to_message_id for reply in arrived}
            replies += arrived
            if waiting:
                time.sleep(_POLL_S)
        return replies


def _content(reply: Message) -> RecordDict:
    if reply.has_error():
        raise ClientError(f"a node failed to join: {reply.error.reason}")
    return reply.content
