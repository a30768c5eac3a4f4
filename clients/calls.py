"""The unit of work of a client process: a request's content, addressed to one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flwr.app import RecordDict


@dataclass(frozen=True)
class Call:
    """What one client is asked. Calls of a broadcast share one content object."""

    client: int
    message_type: str
    content: RecordDict


class Handler(Protocol):
    """Does the work of a list of calls."""

    def handle(self, calls: Sequence[Call]) -> list[RecordDict]:
        """The replies' contents, in the order of the calls; a client's failure is its reply."""
