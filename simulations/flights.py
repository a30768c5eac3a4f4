"""Requests under way on a virtual grid, and what comes back of them."""

from __future__ import annotations

from dataclasses import dataclass

from flwr.app import ConfigRecord, Error, Message, RecordDict

_APP_RAISED = 2  # Flower's code for an exception in a ClientApp


@dataclass(frozen=True)
class Flight:
    """A request under way; it cannot come back before `received_s`."""

    message: Message
    number: int
    client: int
    sent_s: float
    download_s: float

    @property
    def message_id(self) -> str:
        """The id that its reply will name."""
        return self.message.metadata.message_id

    @property
    def received_s(self) -> float:
        """When the client has it."""
        return self.sent_s + self.download_s

    def reply(self, content: RecordDict) -> Message:
        """A failed worker or ClientApp is told as Flower tells it, unless it is we who asked."""
        error = str(content.config_records.get("reply", ConfigRecord()).get("error", ""))
        if error and "request" not in self.message.content:
            return Message(Error(_APP_RAISED, error), reply_to=self.message)
        return Message(content, reply_to=self.message)
