"""Workers as plain processes of this machine, each at the other end of a pipe.

They start in two seconds and answer at once, where Ray takes several milliseconds to hand work over
and to bring results back; for a cluster there is Ray. What tasks share is sent to a worker once.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from simulations.executors.base import ChunkDone, Setup
from simulations.executors.crew import Task
from simulations.executors.ray_cluster import worker_variables

_MOST_HELD = 16  # contents of a worker that has nothing to do


@dataclass(frozen=True)
class Work:
    """A task as it travels: calls as (client, message type, key of the content)."""

    index: int
    calls: Sequence[tuple[int, str, int]]
    expected: int | None
    group: int
    fresh: dict[int, object]
    """What the worker does not have yet, by key."""
    forget: bool
    """Whether it needs nothing any more of what it has."""


@dataclass
class _Process:
    """A worker, and what it was given."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    under_way: list[object] = field(default_factory=list)
    held: dict[int, object] = field(default_factory=dict)
    """What it has, by key; as long as it lies here, too, its key is its own."""
    forget: bool = False


@dataclass(frozen=True, eq=False)
class _Token:
    """Of a task of a worker; a worker does its tasks in their order."""

    worker: _Process


@dataclass
class ProcessWorkers:
    """Starts `python -m simulations.executors.process_worker`, and speaks with it."""

    setup: Setup
    _workers: list[_Process] = field(default_factory=list)

    def start(self) -> _Process:
        """A new process; it lives no longer than this one."""
        ours, theirs = socket.socketpair()
        paths = [os.path.abspath(place) for place in sys.path]
        environment = {**os.environ, **worker_variables(), "PYTHONPATH": os.pathsep.join(paths)}
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "simulations.executors.process_worker",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a client prints belongs to no table
                start_new_session=True,  # an interrupt is for the process that drives
            )
        worker = _Process(process, Connection(ours.detach()))
        _send(worker, self.setup)
        self._workers.append(worker)
        return worker

    def give(self, worker: _Process, task: Task) -> _Token:
        """Send a task, and what it shares with others unless the worker has it."""
        # Where requests never pause, as in asynchronous runs, `rest` is never called.
        worker.forget |= len(worker.held) > _MOST_HELD and not worker.under_way
        if worker.forget:
            worker.held.clear()
        shared: dict[int, object] = {id(call.content): call.content for call in task.calls}
        if task.expected is not None:
            shared[id(task.expected)] = task.expected
        work = Work(
            task.chunk.index,
            [(call.client, call.message_type, id(call.content)) for call in task.calls],
            None if task.expected is None else id(task.expected),
            task.chunk.group,
            {key: what for key, what in shared.items() if key not in worker.held},
            worker.forget,
        )
        worker.held |= shared
        worker.forget = False
        _send(worker, work)
        token = _Token(worker)
        worker.under_way.append(token)
        return token

    def wait(self, tokens: Sequence[_Token]) -> _Token:
        """The oldest of a worker that has something to say, or is dead."""
        workers = {id(token.worker): token.worker for token in tokens}
        pipes = {id(worker.pipe): worker for worker in workers.values()}
        ready = wait([worker.pipe for worker in workers.values()])
        worker = pipes[id(ready[0])]
        return next(token for token in tokens if token is worker.under_way[0])

    def take(self, token: _Token) -> ChunkDone | None:
        """What came of a task; None where its worker died before. Raises what the worker raised."""
        try:
            found = token.worker.pipe.recv()
        except (EOFError, OSError):
            return None
        token.worker.under_way.remove(token)
        if isinstance(found, BaseException):
            raise found
        done: ChunkDone = found
        return done

    def rest(self) -> None:
        """Workers may forget what they hold, with their next task."""
        for worker in self._workers:
            worker.forget = True

    def stop(self, worker: _Process) -> None:
        """End a process."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.wait()


def _send(worker: _Process, what: Any) -> None:
    """To a dead worker too, of which `wait` will tell."""
    try:
        worker.pipe.send(what)
    except OSError:
        return
