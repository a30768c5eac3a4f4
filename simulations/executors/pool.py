"""Runs the clients in other processes, and goes on where one of these dies.

A worker takes a chunk of clients per call and has the next at hand (`crew.py`). A worker that dies
is replaced and its chunks run again; a chunk that kills workers repeatedly is taken apart, so that
only the client that does it fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from flwr.app import RecordDict

from federation.messages import error_content
from simulations.executors.base import Chunk, ChunkDone, sum_contents
from simulations.executors.crew import Crew, Seat, Task, apart

_TRIES = 2


class Workers(Protocol):
    """What starts worker processes and speaks with them."""

    def start(self) -> Any:
        """A new worker."""

    def give(self, worker: Any, task: Task) -> Any:
        """Send a task; what comes back tells later that it is done."""

    def wait(self, tokens: Sequence[Any]) -> Any:
        """One of these tokens, whose task is done or whose worker is dead."""

    def take(self, token: Any) -> ChunkDone | None:
        """What came of a task; None where its worker died before."""

    def rest(self) -> None:
        """Nothing is under way: what was shared among tasks is no longer needed."""

    def stop(self, worker: Any) -> None:
        """End a worker."""


@dataclass
class _Apart:
    """A chunk that was taken apart: one content per call, as they come."""

    chunk: Chunk
    contents: list[RecordDict | None]


@dataclass
class Pool:
    """Keeps `count` workers busy."""

    workers: Workers
    count: int
    _crew: Crew = field(default_factory=Crew)
    _done: deque[ChunkDone] = field(default_factory=deque)
    _apart: dict[int, _Apart] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the workers."""
        for _ in range(self.count):
            self._crew.add(self.workers.start())

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Queue chunks and start what can be started."""
        self._crew.submit(chunks)
        self._start()

    def next_done(self) -> ChunkDone:
        """A finished chunk."""
        while not self._done:
            self._start()
            token = self.workers.wait(self._crew.tokens)
            if not self._take(token):
                self._replace(self._crew.seat_of(token))
            self._start()
        if self._crew.is_idle:
            self.workers.rest()
        return self._done.popleft()

    def close(self) -> None:
        """Stop the workers."""
        for seat in self._crew.seats:
            self.workers.stop(seat.worker)
        self._crew = Crew()

    def _start(self) -> None:
        while (found := self._crew.next_task()) is not None:
            seat, task = found
            self._crew.given(seat, task, self.workers.give(seat.worker, task))

    def _take(self, token: Any) -> bool:
        """Read what came of a task; False where its worker died before."""
        done = self.workers.take(token)
        if done is None:
            return False
        seat = self._crew.seat_of(token)
        if seat.is_new:  # it imported and compiled meanwhile: that says nothing of its clients
            seat.is_new, done = False, replace(done, busy_s=None)
        self._finish(self._crew.done(token, done.busy_s), done)
        return True

    def _replace(self, seat: Seat) -> None:
        """The worker is dead. Of its tasks the first that is not done was under way."""
        for token in list(seat.tasks):
            if not self._take(token):
                break
        fatal, *others = self._crew.leave(seat)
        self.workers.stop(seat.worker)
        self._crew.add(self.workers.start())
        self._crew.again(others)
        self._retry(fatal)

    def _retry(self, task: Task) -> None:
        task.tries += 1
        if task.tries < _TRIES:
            self._crew.again([task])
        elif task.single is None:
            self._apart[task.chunk.index] = _Apart(task.chunk, [None] * len(task.chunk.calls))
            self._crew.again(apart(task))
        else:
            error = f"the worker died {_TRIES} times while running this client"
            self._finish(task, ChunkDone(task.chunk.index, [error_content(error)]))

    def _finish(self, task: Task, done: ChunkDone) -> None:
        if task.single is None:
            self._done.append(done)
            return
        parts = self._apart[task.chunk.index]
        parts.contents[task.single] = done.contents[0]
        contents = [content for content in parts.contents if content is not None]
        if len(contents) == len(parts.contents):
            del self._apart[task.chunk.index]
            if task.chunk.expected is None:
                self._done.append(ChunkDone(task.chunk.index, contents))
            else:
                self._done.append(sum_contents(task.chunk, contents))
