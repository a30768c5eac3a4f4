"""The reference engine: one client after another, plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from clients.engines.base import Job
from federation.arrays import Arrays
from federation.models.batches import batches
from federation.models.learner import Learner
from federation.models.optimizers import Optimizer, build_optimizer, clip, rate, recall, remembered
from federation.models.tasks import as_tensor
from federation.precision import exact_kernels
from federation.scenario.schema import LocalConfig
from federation.seeds import integer_seed
from strategies.base import Trained

Loss = Callable[[Tensor, Tensor], Tensor]
"""What the model gives for a batch, held against what is wanted."""


@dataclass(frozen=True)
class EagerEngine:
    """Trains with one module that is loaded anew for each job.

    `compiled` stands in for the module and the task's loss, where given.
    """

    learner: Learner
    local: LocalConfig
    rounds: int
    seed: int
    compiled: Loss | None = None

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        with exact_kernels(), torch.random.fork_rng(devices=[]):
            return [self._for(job)._train(job) for job in jobs]

    def _for(self, job: Job) -> EagerEngine:
        """An engine of the model that a job is to train."""
        if job.train.model is None:
            return self
        return replace(self, learner=job.train.model(self.learner), compiled=None)

    def _train(self, job: Job) -> Trained:
        learner, local = self.learner, job.train.local or self.local
        torch.default_generator.manual_seed(
            integer_seed(self.seed, "dropout", job.round, job.client)
        )
        learner.load(job.train.start)
        learner.module.train()
        extra = _Extra.of(learner, job)
        named = extra.trained
        optimizer = build_optimizer(local, rate(local, job.round, self.rounds))
        recall(optimizer, list(named), job.train.optimizer or {})
        step = _Step(self, job, local.clip_norm, list(named.values()), optimizer, extra)
        losses, counts = [], []
        for rows in batches(local, len(job.inputs), self.seed, job.round, job.client):
            losses.append(step.take(torch.from_numpy(rows)))
            counts.append(len(rows))
        means = torch.stack(losses).numpy().astype(np.float64)
        processed = sum(counts)
        loss = float(means @ np.array(counts)) / processed
        memory = {} if job.train.optimizer is None else remembered(optimizer, list(named))
        told = (len(counts), len(job.inputs), processed, loss, memory, job.train.share)
        return Trained(learner.arrays(), *told)

    def loss(self, inputs: Tensor, targets: Tensor | None, other: Loss | None = None) -> Tensor:
        """The mean loss of a batch, in float32; `other` stands in place of the task's."""
        with self._precision():
            if other is not None:
                assert targets is not None
                return other(self.learner.module(inputs), targets).float()
            given, wanted = self.learner.task.batch(inputs, targets)
            if self.compiled is not None:
                return self.compiled(given, wanted).float()
            return self.learner.task.loss(self.learner.module(given), wanted).float()

    def _precision(self) -> AbstractContextManager[object]:
        if self.local.precision == "fp32":
            return nullcontext()
        return torch.autocast("cpu", torch.bfloat16)


@dataclass(frozen=True)
class _Step:
    """The updates of one job."""

    engine: EagerEngine
    job: Job
    clip_norm: float | None
    trained: list[Tensor]
    optimizer: Optimizer
    extra: _Extra

    def take(self, index: Tensor) -> Tensor:
        """One update; the batch's mean loss."""
        job, extra, trained = self.job, self.extra, self.trained
        inputs = torch.index_select(job.inputs, 0, index)
        targets = None if job.targets is None else torch.index_select(job.targets, 0, index)
        loss = self.engine.loss(inputs, targets, job.train.loss)
        whole = loss + extra.penalty() if extra.has_penalty else loss
        gradients = list(torch.autograd.grad(whole, trained, materialize_grads=True))
        extra.correct(gradients)
        extra.hold(gradients)
        if self.clip_norm is not None:
            clip(gradients, self.clip_norm)
        with torch.no_grad():
            self.optimizer.step(trained, gradients)
        return loss.detach()


@dataclass(frozen=True)
class _Extra:
    """What the algorithm adds to plain SGD."""

    job: Job
    parameters: Mapping[str, torch.nn.Parameter]
    trained: Mapping[str, torch.nn.Parameter]
    start: Mapping[str, Tensor]
    corrections: Sequence[tuple[int, Tensor]]
    masks: Sequence[tuple[int, Tensor]] = ()

    @classmethod
    def of(cls, learner: Learner, job: Job) -> _Extra:
        parameters = dict(learner.module.named_parameters())
        start, frozen = {}, job.train.frozen
        if job.train.penalty is not None:
            start = {name: value.detach().clone() for name, value in parameters.items()}
        moved = {n: v for n, v in parameters.items() if v.requires_grad and n not in frozen}
        names = list(moved)
        corrections = _tensors(job.train.correction, names)
        masks = _tensors(job.train.mask, names)
        return cls(job, parameters, moved, start, corrections, masks)

    @property
    def has_penalty(self) -> bool:
        return self.job.train.penalty is not None

    def penalty(self) -> Tensor:
        assert self.job.train.penalty is not None
        return self.job.train.penalty(self.parameters, self.start)

    def correct(self, gradients: Sequence[Tensor]) -> None:
        for place, value in self.corrections:
            gradients[place].add_(value)

    def hold(self, gradients: Sequence[Tensor]) -> None:
        """Nothing moves where the mask is 0."""
        for place, value in self.masks:
            gradients[place].mul_(value)


def _tensors(arrays: Arrays | None, names: Sequence[str]) -> list[tuple[int, Tensor]]:
    """With their places among the names; a correction may leave some out."""
    known = {} if arrays is None else arrays
    return [
        (place, as_tensor(np.array(known[name])))
        for place, name in enumerate(names)
        if name in known
    ]
