"""The executor port, and the worker that every executor runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flwr.app import RecordDict

from clients.calls import Call, Handler
from federation.messages import Reply
from federation.reduce import Expectation, Total, reduce_chunk


@dataclass(frozen=True)
class Chunk:
    """Calls that one worker does together; with `expected`, the replies are summed there."""

    index: int
    calls: Sequence[Call]
    expected: Expectation | None = None


@dataclass(frozen=True)
class ChunkDone:
    """The replies' contents, or their sum and the replies without parts, in the calls' order."""

    index: int
    contents: Sequence[RecordDict] = ()
    total: Total | None = None
    replies: Sequence[Reply] = ()


class Setup(Protocol):
    """Tells a worker process how to make its handler; travels to it by pickle."""

    def build(self) -> Handler:
        """The handler, made once per worker."""


class Executor(Protocol):
    """Runs chunks on workers. The order in which they are done means nothing."""

    def submit(self, chunk: Chunk) -> None:
        """Queue a chunk; returns at once."""

    def next_done(self) -> ChunkDone:
        """A finished chunk; waits for it. Call only while chunks are under way."""

    def close(self) -> None:
        """Stop the workers."""


def run_chunk(handler: Handler, chunk: Chunk) -> ChunkDone:
    """What a worker does with a chunk."""
    contents = handler.handle(chunk.calls)
    if chunk.expected is None:
        return ChunkDone(chunk.index, contents)
    return sum_contents(chunk, contents)


def sum_contents(chunk: Chunk, contents: Sequence[RecordDict]) -> ChunkDone:
    """Read the replies as the server would and sum those that may count."""
    assert chunk.expected is not None
    pairs = zip(chunk.calls, contents, strict=True)
    replies = (chunk.expected.read_content(call.client, content) for call, content in pairs)
    total, stripped = reduce_chunk(replies, chunk.expected.needs_replies)
    return ChunkDone(chunk.index, total=total, replies=stripped)
