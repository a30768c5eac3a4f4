"""Workers as long-lived Ray actors, on this machine or on a cluster.

The content of a broadcast is put into Ray's object store once and read once per worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flwr.app import RecordDict

from clients.calls import Call, Handler
from federation.errors import RunError
from federation.expectation import Expected
from simulations.executors.base import Chunk, ChunkDone, Setup, run_chunk
from simulations.executors.crew import Task
from simulations.executors.memory import keep_freed_memory
from simulations.executors.ray_cluster import connect, shutdown, worker_variables

__all__ = ["RayWorkers", "shutdown"]


class _Worker:
    """Lives in an actor: keeps data, model and handler for the whole run."""

    def __init__(
        self, setup: Setup, python_path: Sequence[str], variables: Mapping[str, str]
    ) -> None:
        os.environ.update(variables)
        sys.path[:0] = [path for path in python_path if path not in sys.path]
        keep_freed_memory()
        self._handler: Handler = setup.build()

    def run(
        self,
        index: int,
        calls: Sequence[tuple[int, str, int]],
        expected: Expected | None,
        group: int,
        *contents: RecordDict,
    ) -> ChunkDone:
        """Run calls given as (client, message type, place of the content)."""
        whole = [Call(client, kind, contents[place]) for client, kind, place in calls]
        return run_chunk(self._handler, Chunk(index, whole, expected, group=group))


@dataclass
class RayWorkers:
    """Actors, each with so many (or such a part) of the GPUs.

    Raises RunError where Ray cannot be started or joined, or has too few processors.
    """

    setup: Setup
    count: int
    address: str | None = None
    gpus: float = 0.0
    _puts: dict[int, tuple[object, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start or join Ray. It stays for the next run; see `shutdown`."""
        import ray

        connect(self.count, self.address)
        have = ray.cluster_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        if have < self.count:
            raise RunError(
                f"engine.workers = {self.count} but Ray has {have:g} CPUs; lower engine.workers"
            )

    def start(self) -> Any:
        """A new actor."""
        import ray

        actor = ray.remote(num_cpus=1, num_gpus=self.gpus, max_restarts=0)(_Worker)
        if self.address is not None:
            # On a machine of our own the workers that Ray has at hand will do.
            actor = actor.options(runtime_env={"env_vars": worker_variables()})
        paths = [os.path.abspath(place) for place in sys.path]
        return actor.remote(self.setup, paths, worker_variables())

    def give(self, worker: Any, task: Task) -> Any:
        """Call the actor; gives Ray's reference to what will come of it."""
        places: dict[int, int] = {}
        refs: list[Any] = []
        for call in task.calls:
            if id(call.content) not in places:
                places[id(call.content)] = len(refs)
                refs.append(self._put(call.content))
        lines = [(call.client, call.message_type, places[id(call.content)]) for call in task.calls]
        expected: Any = task.expected
        if expected is not None and not expected.is_light:
            expected = self._put(expected)
        return worker.run.remote(task.chunk.index, lines, expected, task.chunk.group, *refs)

    def wait(self, tokens: Sequence[Any]) -> Any:
        """The first that is done, or whose actor is dead."""
        import ray

        ready, _ = ray.wait(list(tokens), num_returns=1)
        return ready[0]

    def take(self, token: Any) -> ChunkDone | None:
        """What came of a task; None where its actor died before."""
        import ray

        try:
            done: ChunkDone = ray.get(token)
        except ray.exceptions.RayActorError:
            return None
        return done

    def rest(self) -> None:
        """Let the object store forget what was shared."""
        self._puts.clear()

    def stop(self, worker: Any) -> None:
        """End an actor."""
        import ray

        ray.kill(worker)

    def _put(self, shared: object) -> Any:
        """Into the object store, once for all chunks that share it."""
        import ray

        if id(shared) not in self._puts:
            self._puts[id(shared)] = (shared, ray.put(shared))
        return self._puts[id(shared)][1]
