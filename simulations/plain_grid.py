"""What Flower expects of any grid beside pushing and pulling: one run, and messages of its make."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

RUN_ID = 1


class PlainGrid(Grid):
    """A grid of one run, whose time is `now`."""

    @property
    @abstractmethod
    def now(self) -> float:
        """Seconds since the start of the run."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send all and wait for all, or until `timeout` virtual seconds have passed."""
        waiting = self.push_messages(messages)
        until = float("inf") if timeout is None else self.now + timeout
        replies: list[Message] = []
        while waiting:
            arrived = self.pull_messages(waiting)
            if not arrived or self.now > until:
                break
            replies += arrived
            answered = {reply.metadata.reply_to_message_id for reply in arrived}
            waiting = [name for name in waiting if name not in answered]
        return replies

    def set_run(self, run: Run) -> None:
        """Flower's launcher names the run; a simulated grid has one run only."""

    @property
    def run(self) -> Run:
        """An otherwise empty description of the run."""
        return Run.create_empty(RUN_ID)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to a node, as Flower's older strategies make them."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)
