"""Clients one after another, each in compiled steps; its weights stay in the cache meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from clients.engines.base import Job
from clients.engines.feed import CPU, DeviceRows, Feed, Timetable, draws
from clients.engines.moves import Moves
from clients.engines.native.stack import NativeStack
from federation.precision import exact_kernels
from federation.scenario.schema import LocalConfig
from strategies.base import Trained

_KEPT = 4


@dataclass(frozen=True)
class NativeEngine:
    """Trains clients one by one; `make` builds the model for a number of rows of a batch."""

    make: Callable[[int], NativeStack]
    local: LocalConfig
    rounds: int
    seed: int
    _stacks: dict[int, tuple[NativeStack, Feed]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        with exact_kernels(), torch.no_grad():
            return [self._train(job) for job in jobs]

    def _train(self, job: Job) -> Trained:
        if job.train.local is not None and job.train.local != self.local:
            return replace(self, local=job.train.local)._train(job)
        asked = self.local.batch_size
        rows = len(job.inputs) if asked == "full" else min(asked, len(job.inputs))
        stack, feed = self._stack(rows, math.prod(job.inputs.shape[1:]))
        stack.load(job.train.start)
        table = Timetable.of(self.local, job, self.seed, stack.rows)
        processed = int(table.counts.sum())
        loss = self._steps(stack, feed, job, table) / processed
        return Trained(stack.arrays(), table.steps, len(job.inputs), processed, loss)

    def _stack(self, rows: int, features: int) -> tuple[NativeStack, Feed]:
        """Kept from call to call; the last few only, for ragged data bring many."""
        found = self._stacks.pop(rows, None)
        if found is None:
            stack = self.make(rows)
            found = stack, Feed(1, stack.rows, features, stack.columns, DeviceRows(CPU))
        self._stacks[rows] = found  # last, as it is the newest
        while len(self._stacks) > _KEPT:
            del self._stacks[next(iter(self._stacks))]
        return found

    def _steps(self, stack: NativeStack, feed: Feed, job: Job, table: Timetable) -> float:
        """All steps; the sum of the losses of the rows processed."""
        moves = Moves(stack, [job], self.local, self.rounds)
        generator = draws(self.seed, job)
        total = 0.0
        for start in range(0, table.steps, feed.steps):
            stop = min(table.steps, start + feed.steps)
            segment = feed.segment([job], [table], start, stop)
            counts = table.counts[start:stop]
            stack.begin(segment, counts.tolist(), generator)
            if moves.plain is not None:
                stack.take(0, stop - start, moves.plain)
            else:
                for step in range(stop - start):
                    moves.step(1, partial(stack.take, step, step + 1))
            real = np.arange(stack.rows) < counts[:, None]
            total += float(stack.losses.astype(np.float64)[real].sum())
        return total
