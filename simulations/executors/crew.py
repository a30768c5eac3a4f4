"""Who does which chunk: the longest first, each by the worker that would come to it first.

A worker has a chunk at hand beside the one it works on, so that it never waits for the driver. One
more would bind chunks to a worker while another runs out of work.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clients.calls import Call
from federation.expectation import Expected
from simulations.executors.base import Chunk

AT_HAND = 2
_NEWEST = 0.5  # the weight of the last measurement of a worker's pace against all before it


@dataclass
class Task:
    """A chunk, whole or a single call of it, and how often it was tried."""

    chunk: Chunk
    tries: int = 0
    single: int | None = None

    @property
    def calls(self) -> Sequence[Call]:
        """What the worker is to do."""
        return self.chunk.calls if self.single is None else [self.chunk.calls[self.single]]

    @property
    def expected(self) -> Expected | None:
        """With which the worker sums the replies; a single call's reply comes as it is."""
        return self.chunk.expected if self.single is None else None

    @property
    def expected_s(self) -> float:
        """How long it may take a worker of ordinary pace."""
        parts = 1 if self.single is None else len(self.chunk.calls)
        return self.chunk.expected_s / parts


@dataclass
class Seat:
    """A worker, its tasks by what tells that they are done, and how it compares with others.

    `pace` is the seconds that it needs for what was expected to take one.
    """

    worker: Any
    pace: float = 1.0
    tasks: dict[Any, Task] = field(default_factory=dict)
    began_s: float = 0.0  # on its first task
    is_new: bool = True  # nothing came of it yet

    def left_s(self, now_s: float) -> float:
        """When it is expected to have nothing more to do."""
        if not self.tasks:
            return 0.0
        first_s, *later_s = (self.pace * task.expected_s for task in self.tasks.values())
        return max(0.0, first_s - (now_s - self.began_s)) + sum(later_s)


@dataclass
class Crew:
    """The workers and the tasks that none of them has yet."""

    seats: list[Seat] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    _queue: deque[Task] = field(default_factory=deque)

    def add(self, worker: Any) -> None:
        """A worker of which nothing is known is taken for one like the others."""
        paces = [seat.pace for seat in self.seats] or [1.0]
        self.seats.append(Seat(worker, sum(paces) / len(paces)))

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Queue chunks, the longest first; those of equal length in their order."""
        tasks = [Task(chunk) for chunk in chunks]
        self._queue.extend(sorted(tasks, key=lambda task: -task.expected_s))

    def again(self, tasks: Sequence[Task]) -> None:
        """Queue tasks ahead of all others."""
        self._queue.extendleft(reversed(tasks))

    def next_task(self) -> tuple[Seat, Task] | None:
        """A task and who is to do it now; None where all have enough at hand or nothing is left."""
        if not self._queue:
            return None
        now_s = self.clock()
        seat = min(self.seats, key=lambda seat: (seat.left_s(now_s), len(seat.tasks)))
        if len(seat.tasks) >= AT_HAND:
            # The next to end may be another than expected; nobody may be without work.
            seat = min(self.seats, key=lambda seat: len(seat.tasks))
            if seat.tasks:
                return None
        return seat, self._queue.popleft()

    def given(self, seat: Seat, task: Task, token: Any) -> None:
        """The task is on its way to this worker; `token` will tell that it is done."""
        if not seat.tasks:
            seat.began_s = self.clock()
        seat.tasks[token] = task

    def done(self, token: Any, busy_s: float | None) -> Task:
        """A task came back, and kept its worker busy for so long."""
        seat = self.seat_of(token)
        task = seat.tasks.pop(token)
        seat.began_s = self.clock()
        if busy_s is not None and task.expected_s:
            seat.pace += _NEWEST * (busy_s / task.expected_s - seat.pace)
        return task

    def seat_of(self, token: Any) -> Seat:
        """Who has the task of this token."""
        return next(seat for seat in self.seats if token in seat.tasks)

    def leave(self, seat: Seat) -> list[Task]:
        """A worker is gone; what it had not done, in its order."""
        self.seats.remove(seat)
        return list(seat.tasks.values())

    @property
    def tokens(self) -> list[Any]:
        """Of all tasks under way."""
        return [token for seat in self.seats for token in seat.tasks]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or queued."""
        return not self._queue and not any(seat.tasks for seat in self.seats)


def apart(task: Task) -> list[Task]:
    """A task for each call of a chunk."""
    return [replace(task, tries=0, single=place) for place in range(len(task.chunk.calls))]
