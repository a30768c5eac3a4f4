"""The batches of a stack of clients, laid out so that a step is a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clients.engines.base import Job
from clients.engines.kernels.base import padded, unfold
from federation.models.batches import batches
from federation.scenario.schema import LocalConfig
from federation.seeds import integer_seed

CPU = torch.device("cpu")
_SEGMENT_NUMBERS = {"cpu": 1 << 18, "cuda": 1 << 26}  # a megabyte: what is gathered is soon used
_MOST_HELD_NUMBERS = 1 << 31  # rows that stay on a GPU, 8 GiB


def draws(seed: int, job: Job) -> torch.Generator:
    """What a client's dropout draws from in a round."""
    generator = torch.Generator()
    generator.manual_seed(integer_seed(seed, "dropout", job.round, job.client))
    return generator


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


@dataclass
class DeviceRows:
    """The clients' rows on the device that trains; what is there stays, as long as there is room.

    A client holds the same rows throughout a run.
    """

    device: torch.device
    _held: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def of(self, job: Job) -> tuple[Tensor, Tensor]:
        """Inputs (n, features) and targets."""
        assert job.targets is not None
        if self.device == CPU:
            return job.inputs.flatten(1), job.targets
        held = self._held.pop(job.client, None)
        if held is None:
            held = (job.inputs.flatten(1).to(self.device), job.targets.to(self.device))
            self._make_room(held[0].numel())
        self._held[job.client] = held  # last, as it is the newest
        return held

    def _make_room(self, numbers: int) -> None:
        """Drop those who trained longest ago."""
        total = numbers + sum(x.numel() for x, _ in self._held.values())
        while self._held and total > _MOST_HELD_NUMBERS:
            total -= self._held.pop(next(iter(self._held)))[0].numel()


class Feed:
    """Gathers segments of steps for the clients of one stack."""

    def __init__(
        self, clients: int, rows: int, features: int, columns: Columns, held: DeviceRows
    ) -> None:
        self._features, self.rows, self._held = features, rows, held
        width = padded(features + columns.ones) if columns.padded else features
        self.steps = max(1, _SEGMENT_NUMBERS[held.device.type] // (clients * rows * width))
        self._inputs = torch.zeros(clients, self.steps, rows, width, device=held.device)
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
        device = self._held.device
        chosen = torch.from_numpy(index).view(count, -1).to(device)
        targets = []
        for place, job in enumerate(jobs):
            inputs, wanted = self._held.of(job)
            out = flat[place, : steps * self.rows, : self._features]
            torch.index_select(inputs, 0, chosen[place], out=out)
            targets.append(wanted[chosen[place]])
        valid = np.arange(self.rows) < real
        shares = np.where(valid, 1 / np.maximum(real, 1), 0).astype(np.float32)
        return Segment(
            self._inputs[:count, :steps],
            unfold(torch.stack(targets), 1, (steps, self.rows)),
            torch.from_numpy(shares).unsqueeze(3).to(device),
        )
