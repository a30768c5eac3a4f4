"""Many clients in one set of batched kernels, written out for chains of common layers.

A client's bits do not depend on the company it trains in: a device that trains one client and a
worker that trains a hundred get the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from clients.engines.base import Job
from clients.engines.criteria import Criterion, criterion
from clients.engines.feed import CPU, DeviceRows, Feed, Timetable, draws
from clients.engines.general import GeneralStack
from clients.engines.kernels.base import Descent
from clients.engines.moves import Moves
from clients.engines.replay import WORTH, Replay, replay_of
from clients.engines.stack import Stack
from federation.models.batches import step_count
from federation.models.optimizers import rate
from federation.models.tasks import Task
from federation.precision import exact_kernels
from federation.scenario.schema import LocalConfig
from federation.seeds import integer_seed
from strategies.base import Trained

AnyStack = Stack | GeneralStack


@dataclass(frozen=True)
class StackedEngine:
    """Trains clients with batches of the same size together.

    `make` builds a stack for a number of clients and of rows; `together` says how many clients
    there may be in one for a number of rows. With `replays`, steps of plain descent are recorded.
    """

    task: Task
    make: Callable[[int, int], AnyStack]
    local: LocalConfig
    rounds: int
    seed: int
    together: Callable[[int], int]
    held: DeviceRows = field(default_factory=partial(DeviceRows, CPU))
    replays: bool = False
    _replays: dict[tuple[int, int, Descent], Replay] = field(default_factory=dict)
    _stacks: dict[tuple[int, int], tuple[AnyStack, Feed]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        settings = [job.train.local or self.local for job in jobs]
        if all(one == self.local for one in settings):
            return self._run(jobs)
        results: dict[int, Trained] = {}
        for local in dict.fromkeys(settings):
            places = [place for place, one in enumerate(settings) if one == local]
            alike = replace(self, local=local)._run([jobs[place] for place in places])
            results |= zip(places, alike, strict=True)
        return [results[place] for place in range(len(jobs))]

    def _run(self, jobs: Sequence[Job]) -> list[Trained]:
        results: dict[int, Trained] = {}
        kinds = [self._kind(job) for job in jobs]
        order = sorted(range(len(jobs)), key=lambda place: kinds[place])
        with exact_kernels(), torch.no_grad():
            for (rows, _), alike in itertools.groupby(order, lambda place: kinds[place][:2]):
                places = list(alike)
                stacks = math.ceil(len(places) / self.together(rows))
                for part in np.array_split(places, stacks):
                    trained = self._train([jobs[place] for place in part])
                    results |= zip(part.tolist(), trained, strict=True)
        return [results[place] for place in range(len(jobs))]

    def _kind(self, job: Job) -> tuple[int, float, int]:
        """What must be equal in a stack, rows of a batch and rate; then, most steps first."""
        steps = step_count(self.local, len(job.inputs))
        return self._rows(job), rate(self.local, job.round, self.rounds), -steps

    def _rows(self, job: Job) -> int:
        """Rows that a batch is padded to; it depends on the client alone."""
        rows, asked = len(job.inputs), self.local.batch_size
        if asked != "full" and rows >= asked:
            return asked
        grain = 1 << max(2, rows.bit_length() - 4)
        wide = -(-rows // grain) * grain
        return wide if asked == "full" else min(wide, asked)

    def _train(self, jobs: Sequence[Job]) -> list[Trained]:
        stack, feed = self._stack(len(jobs), self._rows(jobs[0]))
        stack.narrow(len(jobs))
        if stack.draws_together:
            first = jobs[0]
            torch.manual_seed(integer_seed(self.seed, "dropout", first.round, first.client))
        for place, job in enumerate(jobs):
            stack.load(place, job.train.start)
        tables = [Timetable.of(self.local, job, self.seed, stack.rows) for job in jobs]
        losses = _Run(self, stack, feed, jobs, tables).train()
        return [
            Trained(
                stack.arrays(place),
                table.steps,
                len(job.inputs),
                processed := int(table.counts.sum()),
                float(losses[place] / processed),
            )
            for place, (job, table) in enumerate(zip(jobs, tables, strict=True))
        ]

    def _stack(self, count: int, rows: int) -> tuple[AnyStack, Feed]:
        """Kept from call to call; the last two kinds only, for ragged data bring many."""
        for clients, kept in [*self._stacks]:
            if kept == rows and clients >= count:
                return self._stacks[clients, kept]
        stack = self.make(count, rows)
        feed = Feed(count, rows, math.prod(stack.inputs), stack.columns, self.held)
        self._stacks[count, rows] = stack, feed
        while len(self._stacks) > 2:
            del self._stacks[next(iter(self._stacks))]
        self._replays.clear()  # they belong to stacks that may be gone
        return stack, feed

    def replay(self, stack: AnyStack, count: int, descent: Descent) -> Replay | None:
        """A step of the first clients of a stack, recorded the first time it is asked for."""
        if not (self.replays and isinstance(stack, GeneralStack)):
            return None
        key = id(stack), count, descent
        if key not in self._replays:
            self._replays[key] = replay_of(self.task, stack, count, descent)
        return self._replays[key]


class _Run:
    """One training of one stack."""

    def __init__(
        self,
        engine: StackedEngine,
        stack: AnyStack,
        feed: Feed,
        jobs: Sequence[Job],
        tables: Sequence[Timetable],
    ) -> None:
        self._engine = engine
        self._stack, self._feed, self._jobs, self._tables = stack, feed, jobs, tables
        self._moves = Moves(stack, jobs, engine.local, engine.rounds)
        if self._moves.descent is None:
            stack.want_gradients()
            stack.narrow(len(jobs))
        self._replayed = self._moves.plain if engine.replays else None
        found = criterion(engine.task)
        assert found is not None, "a task without a stacked loss is not given to this engine"
        self._criterion: Criterion = found
        self._generators = [draws(engine.seed, job) for job in jobs] if stack.draws else []

    def train(self) -> NDArray[np.float64]:
        """All steps; the sum of each client's losses over the rows it processed."""
        sums = np.zeros(len(self._jobs))
        start, last = 0, self._tables[0].steps
        while start < last:
            stop = min(last, start + self._feed.steps)
            sums += self._segment(start, stop)
            start = stop
        return sums

    def _segment(self, start: int, stop: int) -> NDArray[np.float64]:
        count = sum(table.steps > start for table in self._tables)
        tables = self._tables[:count]
        segment = self._feed.segment(self._jobs[:count], tables, start, stop)
        self._criterion.begin(segment.targets, segment.shares, self._stack.outputs)
        active = -1
        replay: Replay | None = None
        for step, batch in enumerate(segment.inputs.unbind(1)):
            still = self._still(start + step, count)
            if still != active:
                active = still
                self._narrow(active)
                replay = self._replay(active, start + step)
            if replay is not None:
                replay.take(batch if active == count else batch[:active], self._criterion, step)
                continue
            if self._generators:
                rows = [int(table.counts[start + step]) for table in tables[:active]]
                self._stack.expect(self._generators[:active], rows)
            outputs = self._stack.forward(batch if active == count else batch[:active])
            gradient = self._criterion.gradient(step, outputs)
            self._moves.step(active, partial(self._stack.backward, gradient))
        valid = segment.shares.squeeze(3) > 0
        sums = np.zeros(len(self._jobs))
        sums[:count] = (self._criterion.losses().double() * valid).sum((1, 2)).cpu().numpy()
        return sums

    def _replay(self, active: int, step: int) -> Replay | None:
        """A recorded step, where enough steps with these clients follow."""
        if self._replayed is None:
            return None
        ends = self._tables[0 if self._replayed.keep == 1 else active - 1].steps
        if ends - step < WORTH:
            return None
        return self._engine.replay(self._stack, active, self._replayed)

    def _still(self, step: int, count: int) -> int:
        """How many clients go on with that step; the first have most.

        All of them where steps are replayed and a step without rows moves nothing.
        """
        if self._replayed is not None and self._replayed.keep == 1:
            return count
        while self._tables[count - 1].steps <= step:
            count -= 1
        return count

    def _narrow(self, active: int) -> None:
        self._stack.narrow(active)
        self._moves.narrow(active)
