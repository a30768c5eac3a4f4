"""Fetches replies from a grid, whatever their senders made of them.

Flower builds a message from the objects that its sender pushed and raises where they do not fit
together. By then the SuperLink has forgotten every reply of that call. So after the first such
failure replies are fetched one by one, and only the client at fault is refused. What was lost with
its reply is told as missing by the SuperLink the next time it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid
from google.protobuf.message import DecodeError

from federation.errors import RejectedUpdate

# What building a message from a stranger's objects raises; a lost connection is none of these.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    DecodeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_log = logging.getLogger("paceline")


@dataclass
class Arrivals:
    """The replies to the messages of one grid; what a `trusted` one raises is our own mistake."""

    grid: Grid
    trusted: bool = False
    one_by_one: bool = False

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, Message | RejectedUpdate]]:
        """What has arrived in reply to these messages, under their names."""
        for group in [[name] for name in names] if self.one_by_one else [names]:
            try:
                messages = list(self.grid.pull_messages(group))
            except _MALFORMED as error:
                if self.trusted:
                    raise
                reason = f"the message is malformed: {type(error).__name__}: {error}"
                if len(group) == 1:
                    yield group[0], RejectedUpdate(reason)
                elif not self.one_by_one:
                    _log.warning("a reply was lost with others: %s", reason)
                    self.one_by_one = True
            else:
                yield from self._named(messages, group)

    def _named(
        self, messages: Sequence[Message], asked: Sequence[str]
    ) -> Iterator[tuple[str, Message]]:
        """A reply to something else than was asked for is nobody's."""
        for message in messages:
            name = message.metadata.reply_to_message_id
            if name in asked:
                yield name, message
