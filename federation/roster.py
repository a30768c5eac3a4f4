"""Which Flower node is which client.

Flower's node ids are random; results name clients by partition id. Every node is asked once who it
is, and told about each run. A node that comes back under another id is asked again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from federation.enrolment import Enrolment, Introduction, read_hello
from federation.errors import ClientError, RunError

EnrolmentOf = Callable[[int, bool], Enrolment]

_TELL_EVERY_S = 30.0
_log = logging.getLogger("paceline")


@dataclass
class Pace:
    """Waits a little, then longer: a SuperLink serves every poll of every node."""

    first_s: float = 0.05
    most_s: float = 1.0
    _next_s: float = 0.0

    def wait(self) -> None:
        """Sleep; half as long again as the last time."""
        self._next_s = min(max(self._next_s * 1.5, self.first_s), self.most_s)
        time.sleep(self._next_s)


@dataclass
class Roster:
    """The nodes of a grid. `begin` starts a run; between runs the nodes stay known."""

    grid: Grid
    _known: dict[int, Introduction] = field(default_factory=dict)
    _ready: dict[int, int] = field(default_factory=dict)
    _population: int = 0
    _enrolment_of: EnrolmentOf | None = None

    def begin(self, population: int, enrolment_of: EnrolmentOf, timeout_s: float) -> None:
        """Tell all clients of a run about it; `enrolment_of(client, own_data)` says what.

        Raises RunError if not all of them are there after `timeout_s`.
        """
        self._population, self._enrolment_of, self._ready = population, enrolment_of, {}
        started, told, pace = time.monotonic(), float("-inf"), Pace()
        while True:
            self.refresh()
            missing = [client for client in range(population) if client not in self._ready]
            if not missing:
                return
            now = time.monotonic()
            if now - started > timeout_s:
                raise RunError(f"{_absent(missing, population)}; waited {timeout_s:g} s")
            if now - told > _TELL_EVERY_S:
                told = now
                _log.warning("waiting: %s", _absent(missing, population))
            pace.wait()

    def node_of(self, client: int) -> int | None:
        """The node of a client that is there and knows about the run, else None."""
        return self._ready.get(client)

    def refresh(self) -> None:
        """Forget nodes that left, greet new ones, tell about the run those that do not know."""
        alive = set(self.grid.get_node_ids())
        self._known = {node: known for node, known in self._known.items() if node in alive}
        self._ready = {client: node for client, node in self._ready.items() if node in alive}
        for reply in self._ask(
            (node, MessageType.QUERY, RecordDict()) for node in sorted(alive - self._known.keys())
        ):
            self._known[reply.metadata.src_node_id] = read_hello(_content(reply))
        self._enrol()

    def enrol_again(self, client: int) -> None:
        """Tell a node once more, after it lost what it was told."""
        self._ready.pop(client, None)  # it may have left meanwhile
        self._enrol()

    def _enrol(self) -> None:
        assert self._enrolment_of is not None
        letters = []
        for node, known in self._known.items():
            if known.client < self._population and known.client not in self._ready:
                record = self._enrolment_of(known.client, known.own_data).to_record()
                letters.append(
                    (node, f"{MessageType.QUERY}.enrol", RecordDict({"enrolment": record}))
                )
        for reply in self._ask(letters):
            _content(reply)
            node = reply.metadata.src_node_id
            self._ready[self._known[node].client] = node

    def _ask(self, letters: Iterable[tuple[int, str, RecordDict]]) -> list[Message]:
        """Send and wait; a node that leaves meanwhile is not waited for."""
        messages = [Message(content, node, kind) for node, kind, content in letters]
        if not messages:
            return []
        names = list(self.grid.push_messages(messages))
        waiting = {name: m.metadata.dst_node_id for name, m in zip(names, messages, strict=True)}
        replies: list[Message] = []
        pace = Pace()
        while waiting:
            arrived = list(self.grid.pull_messages(list(waiting)))
            for reply in arrived:
                waiting.pop(reply.metadata.reply_to_message_id, None)
            replies += arrived
            if waiting and not arrived:
                pace.wait()
                alive = set(self.grid.get_node_ids())
                waiting = {name: node for name, node in waiting.items() if node in alive}
        return replies


def _absent(missing: list[int], population: int) -> str:
    return (
        f"{len(missing)} of {population} clients are not connected, the first is client "
        f"{missing[0]}; start nodes with partition-id={missing[0]} and so on "
        "(flwr run . local: --federation-config num-supernodes=N), or lower data.clients"
    )


def _content(reply: Message) -> RecordDict:
    if reply.has_error():
        raise ClientError(f"a node failed to join: {reply.error.reason}")
    return reply.content
