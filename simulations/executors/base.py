"""The executor port, and the worker that every executor runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from flwr.app import RecordDict

from clients.calls import Call, Handler
from federation.messages import Reply
from federation.reduce import Expected, Total, reduce_chunk


@dataclass(frozen=True)
class Chunk:
    """Calls that one worker does together; with `expected`, the replies are summed there.

    They are summed in groups of `group` calls, each apart. `expected_s` is how long all that may
    keep a worker busy: a hint for who does it when.
    """

    index: int
    calls: Sequence[Call]
    expected: Expected | None = None
    expected_s: float = 0.0
    group: int = 0


@dataclass(frozen=True)
class ChunkDone:
    """The replies' contents, or their sums and the replies without parts, in the calls' order.

    `busy_s` is how long it took the worker; None where that is not known.
    """

    index: int
    contents: Sequence[RecordDict] = ()
    totals: Sequence[Total] = ()
    replies: Sequence[Reply] = ()
    busy_s: float | None = None


class Setup(Protocol):
    """Tells a worker process how to make its handler; travels to it by pickle."""

    def build(self) -> Handler:
        """The handler, made once per worker."""


class Executor(Protocol):
    """Runs chunks on workers. The order in which they are done means nothing."""

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Queue chunks; returns at once."""

    def next_done(self) -> ChunkDone:
        """A finished chunk; waits for it. Call only while chunks are under way."""

    def close(self) -> None:
        """Stop the workers."""


def run_chunk(handler: Handler, chunk: Chunk) -> ChunkDone:
    """What a worker does with a chunk."""
    began = time.perf_counter()
    contents = handler.handle(chunk.calls)
    summed = chunk.expected is not None
    done = sum_contents(chunk, contents) if summed else ChunkDone(chunk.index, contents)
    return replace(done, busy_s=time.perf_counter() - began)


def sum_contents(chunk: Chunk, contents: Sequence[RecordDict]) -> ChunkDone:
    """Read the replies as the server would and sum those that may count, group by group."""
    assert chunk.expected is not None
    pairs = list(zip(chunk.calls, contents, strict=True))
    size = chunk.group or len(pairs)
    totals: list[Total] = []
    stripped: list[Reply] = []
    for start in range(0, len(pairs), size):
        group = pairs[start : start + size]
        replies = (chunk.expected.read_content(call.client, content) for call, content in group)
        total, headers = reduce_chunk(replies, chunk.expected.needs_replies)
        totals.append(total)
        stripped += headers
    return ChunkDone(chunk.index, totals=totals, replies=stripped)
