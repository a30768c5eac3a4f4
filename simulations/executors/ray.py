"""Runs the clients on long-lived Ray actors, on this machine or on a cluster.

The content of a broadcast is put into Ray's object store once and read once per worker. A worker
takes a chunk of clients per call. A worker that dies is replaced and its chunk run again; a chunk
that kills workers repeatedly is taken apart, so that only the client that does it fails.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flwr.app import RecordDict

from clients.calls import Call, Handler
from federation.errors import RunError
from federation.messages import error_content
from federation.reduce import Expectation
from simulations.executors.base import Chunk, ChunkDone, Setup, run_chunk, sum_contents
from simulations.executors.memory import keep_freed_memory
from simulations.interrupts import keeping_sigterm

_TRIES = 2
_PROBE_S = 5.0


class _Worker:
    """Lives in an actor: keeps data, model and handler for the whole run."""

    def __init__(self, setup: Setup, python_path: Sequence[str]) -> None:
        sys.path[:0] = [path for path in python_path if path not in sys.path]
        keep_freed_memory()
        self._handler: Handler = setup.build()

    def run(
        self,
        index: int,
        calls: Sequence[tuple[int, str, int]],
        expected: Expectation | None,
        *contents: RecordDict,
    ) -> ChunkDone:
        """Run calls given as (client, message type, place of the content)."""
        whole = [Call(client, kind, contents[place]) for client, kind, place in calls]
        return run_chunk(self._handler, Chunk(index, whole, expected))


@dataclass
class _Task:
    """A chunk, whole or a single call of it, and how often it was tried."""

    chunk: Chunk
    tries: int = 0
    single: int | None = None


@dataclass
class _Apart:
    """A chunk that was taken apart: one content per call, as they come."""

    chunk: Chunk
    contents: list[RecordDict | None]


@dataclass
class RayExecutor:
    """Keeps `workers` actors busy; chunks go to whoever is free."""

    setup: Setup
    workers: int
    address: str | None = None
    _idle: list[Any] = field(default_factory=list)
    _running: dict[Any, tuple[Any, _Task]] = field(default_factory=dict)
    _queue: deque[_Task] = field(default_factory=deque)
    _done: deque[ChunkDone] = field(default_factory=deque)
    _apart: dict[int, _Apart] = field(default_factory=dict)
    _puts: dict[int, tuple[object, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start or join Ray, then the actors. Raises RunError where that cannot be done."""
        self._connect()
        self._idle = [self._new_actor() for _ in range(self.workers)]

    def submit(self, chunk: Chunk) -> None:
        """Queue a chunk and start what can be started."""
        self._queue.append(_Task(chunk))
        self._start()

    def next_done(self) -> ChunkDone:
        """A finished chunk."""
        import ray

        while not self._done:
            self._start()
            ready, _ = ray.wait(list(self._running), num_returns=1)
            actor, task = self._running.pop(ready[0])
            try:
                done = ray.get(ready[0])
            except ray.exceptions.RayActorError:
                self._idle.append(self._new_actor())
                self._retry(task)
            else:
                self._idle.append(actor)
                self._finish(task, done)
        if not self._queue and not self._running:
            self._puts.clear()
        return self._done.popleft()

    def close(self) -> None:
        """Stop the actors. Ray itself stays for the next run; see `shutdown`."""
        import ray

        for actor in [*self._idle, *(actor for actor, _ in self._running.values())]:
            ray.kill(actor)
        self._idle, self._running = [], {}

    def _connect(self) -> None:
        import ray

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if not ray.is_initialized():
            _probe(self.address)
            try:
                self._init_ray()
            except (ConnectionError, RuntimeError, ValueError) as error:
                where = self.address or "this machine"
                raise RunError(f"Ray on {where} cannot be used: {_first_line(error)}") from None
        have = ray.cluster_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        if have < self.workers:
            self.close()
            raise RunError(
                f"engine.workers = {self.workers} but Ray has {have:g} CPUs; lower engine.workers"
            )

    def _init_ray(self) -> None:
        import ray

        common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        with keeping_sigterm():
            if self.address is None:
                cpus = max(self.workers, os.cpu_count() or 1)
                ray.init(num_cpus=cpus, include_dashboard=False, **common)
            else:
                ray.init(address=self.address, **common)

    def _new_actor(self) -> Any:
        import ray

        actor = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        variables = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("PACELINE_", "FLWR_", "HF_"))
        }
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {"env_vars": {**variables, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}}
        return actor.options(runtime_env=environment).remote(
            self.setup, [os.path.abspath(place) for place in sys.path]
        )

    def _start(self) -> None:
        while self._idle and self._queue:
            task, actor = self._queue.popleft(), self._idle.pop()
            chunk = task.chunk
            calls = chunk.calls if task.single is None else [chunk.calls[task.single]]
            places: dict[int, int] = {}
            refs: list[Any] = []
            for call in calls:
                if id(call.content) not in places:
                    places[id(call.content)] = len(refs)
                    refs.append(self._put(call.content))
            lines = [(call.client, call.message_type, places[id(call.content)]) for call in calls]
            summed = chunk.expected is not None and task.single is None
            expected = self._put(chunk.expected) if summed else None
            reference = actor.run.remote(chunk.index, lines, expected, *refs)
            self._running[reference] = (actor, task)

    def _put(self, shared: object) -> Any:
        """Into the object store, once for all chunks that share it."""
        import ray

        if id(shared) not in self._puts:
            self._puts[id(shared)] = (shared, ray.put(shared))
        return self._puts[id(shared)][1]

    def _retry(self, task: _Task) -> None:
        task.tries += 1
        if task.tries < _TRIES:
            self._queue.appendleft(task)
        elif task.single is None:
            self._take_apart(task)
        else:
            error = f"the worker died {_TRIES} times while running this client"
            self._finish(task, ChunkDone(task.chunk.index, [error_content(error)]))

    def _take_apart(self, task: _Task) -> None:
        count = len(task.chunk.calls)
        self._apart[task.chunk.index] = _Apart(task.chunk, [None] * count)
        self._queue.extendleft(_Task(task.chunk, single=place) for place in reversed(range(count)))

    def _finish(self, task: _Task, done: ChunkDone) -> None:
        if task.single is None:
            self._done.append(done)
            return
        apart = self._apart[task.chunk.index]
        apart.contents[task.single] = done.contents[0]
        contents = [content for content in apart.contents if content is not None]
        if len(contents) == len(apart.contents):
            del self._apart[task.chunk.index]
            if task.chunk.expected is None:
                self._done.append(ChunkDone(task.chunk.index, contents))
            else:
                self._done.append(sum_contents(task.chunk, contents))


def shutdown() -> None:
    """Stop Ray, or leave the cluster, if this process ever used it."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def _probe(address: str | None) -> None:
    """Ray itself would try for minutes to reach a cluster that is not there."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except OSError as error:
        raise RunError(
            f"engine.address = {address!r}: no Ray cluster answers there ({error}); "
            "start one with 'ray start --head', or leave engine.address out"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
