"""The batches of a stack of clients, laid out so that a step is a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clients.engines.base import Job
from clients.engines.batches import batches
from clients.engines.kernels.base import padded, unfold
from federation.scenario.schema import LocalConfig

_SEGMENT_NUMBERS = 1 << 18  # a megabyte: what is gathered is soon used


@dataclass(frozen=True)
class Timetable:
    """All steps of one client: rows, padded to the same number, and how many are real."""

    index: NDArray[np.int64]
    """(steps, rows); a padded place repeats a row that is there, and counts nothing."""
    counts: NDArray[np.int64]
    """(steps,)."""

    @classmethod
    def of(cls, local: LocalConfig, job: Job, seed: int, rows: int) -> Timetable:
        """What `batches` gives for a job."""
        steps = list(batches(local, len(job.inputs), seed, job.round, job.client))
        index = np.zeros((len(steps), rows), np.int64)
        for line, step in zip(index, steps, strict=True):
            line[: len(step)] = step
        return cls(index, np.array([len(step) for step in steps]))

    @property
    def steps(self) -> int:
        """How many."""
        return len(self.counts)


@dataclass(frozen=True)
class Columns:
    """What follows a row's numbers: a one for the bias, and zeros up to a multiple of 16."""

    ones: bool = False
    padded: bool = False


@dataclass(frozen=True)
class Segment:
    """Some steps of all clients that still train at the first of them."""

    inputs: Tensor
    """(K, steps, rows, columns): the row's numbers, ones, zeros."""
    targets: Tensor
    """(K, steps, rows, ...)."""
    shares: Tensor
    """(K, steps, rows, 1): 1 / real rows of the batch; 0 for padded ones."""


class Feed:
    """Gathers segments of steps for the clients of one stack."""

    def __init__(self, clients: int, rows: int, features: int, columns: Columns) -> None:
        self._features, self.rows = features, rows
        width = padded(features + columns.ones) if columns.padded else features
        self.steps = max(1, _SEGMENT_NUMBERS // (clients * rows * width))
        self._inputs = torch.zeros(clients, self.steps, rows, width)
        self._inputs[..., features : features + columns.ones] = 1

    def segment(
        self, jobs: Sequence[Job], tables: Sequence[Timetable], start: int, stop: int
    ) -> Segment:
        """Steps `start` to `stop` of the jobs; a client that has fewer counts nothing there."""
        count, steps = len(jobs), stop - start
        flat = self._inputs.view(self._inputs.shape[0], -1, self._inputs.shape[-1])
        index = np.zeros((count, steps, self.rows), np.int64)
        real = np.zeros((count, steps, 1), np.int64)
        for place, table in enumerate(tables):
            part = slice(start, min(stop, table.steps))
            index[place, : part.stop - start] = table.index[part]
            real[place, : part.stop - start, 0] = table.counts[part]
        chosen = torch.from_numpy(index).view(count, -1)
        for place, job in enumerate(jobs):
            out = flat[place, : steps * self.rows, : self._features]
            torch.index_select(job.inputs.flatten(1), 0, chosen[place], out=out)
        pairs = zip(jobs, chosen, strict=True)
        targets = torch.stack([_targets(job)[rows] for job, rows in pairs])
        targets = unfold(targets, 1, (steps, self.rows))
        valid = np.arange(self.rows) < real
        shares = np.where(valid, 1 / np.maximum(real, 1), 0).astype(np.float32)
        return Segment(self._inputs[:count, :steps], targets, torch.from_numpy(shares).unsqueeze(3))


def _targets(job: Job) -> Tensor:
    assert job.targets is not None
    return job.targets
