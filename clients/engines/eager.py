"""The reference engine: one client after another, plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clients.engines.base import Job
from clients.optimizers import Optimizer, build_optimizer, clip, rate, recall, remembered
from federation.arrays import Arrays
from federation.models.learner import Learner
from federation.models.tasks import as_tensor
from federation.precision import exact_kernels
from federation.scenario.schema import LocalConfig
from federation.seeds import generator, integer_seed
from strategies.base import Trained


@dataclass(frozen=True)
class EagerEngine:
    """Trains with one module that is loaded anew for each job."""

    learner: Learner
    local: LocalConfig
    rounds: int
    seed: int

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        with exact_kernels(), torch.random.fork_rng(devices=[]):
            return [self._train(job) for job in jobs]

    def _train(self, job: Job) -> Trained:
        learner = self.learner
        torch.default_generator.manual_seed(
            integer_seed(self.seed, "dropout", job.round, job.client)
        )
        learner.load(job.train.start)
        local = job.train.local or self.local
        learner.module.train()
        named = {n: p for n, p in learner.module.named_parameters() if p.requires_grad}
        trained: list[Tensor] = list(named.values())
        optimizer = build_optimizer(local, rate(local, job.round, self.rounds))
        recall(optimizer, list(named), job.train.optimizer or {})
        extra = _Extra.of(learner, job)
        loss_sum, processed, steps = 0.0, 0, 0
        for rows in batches(local, len(job.inputs), self.seed, job.round, job.client):
            loss_sum += self._step(job, local, torch.from_numpy(rows), trained, optimizer, extra)
            processed += len(rows)
            steps += 1
        memory = {} if job.train.optimizer is None else remembered(optimizer, list(named))
        mean_loss, examples = loss_sum / processed, len(job.inputs)
        return Trained(learner.arrays(), steps, examples, processed, mean_loss, memory)

    def _step(
        self,
        job: Job,
        local: LocalConfig,
        index: Tensor,
        trained: list[Tensor],
        optimizer: Optimizer,
        extra: _Extra,
    ) -> float:
        """One update; returns the batch's loss times its rows."""
        learner = self.learner
        targets = None if job.targets is None else job.targets[index]
        given, wanted = learner.task.batch(job.inputs[index], targets)
        for parameter in trained:
            parameter.grad = None
        loss = learner.task.loss(learner.module(given), wanted)
        (loss + extra.penalty() if extra.has_penalty else loss).backward()  # type: ignore[no-untyped-call]
        extra.correct_gradients()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        if local.clip_norm is not None:
            clip(gradients, local.clip_norm)
        with torch.no_grad():
            optimizer.step(trained, gradients)
        return float(loss.detach()) * len(index)


@dataclass(frozen=True)
class _Extra:
    """What the algorithm adds to plain SGD."""

    job: Job
    parameters: Mapping[str, torch.nn.Parameter]
    start: Mapping[str, Tensor]
    correction: Mapping[str, Tensor]

    @classmethod
    def of(cls, learner: Learner, job: Job) -> _Extra:
        parameters = dict(learner.module.named_parameters())
        start = {}
        if job.train.penalty is not None:
            start = {name: value.detach().clone() for name, value in parameters.items()}
        return cls(job, parameters, start, _tensors(job.train.correction, parameters))

    @property
    def has_penalty(self) -> bool:
        return self.job.train.penalty is not None

    def penalty(self) -> Tensor:
        assert self.job.train.penalty is not None
        return self.job.train.penalty(self.parameters, self.start)

    def correct_gradients(self) -> None:
        for name, value in self.correction.items():
            gradient = self.parameters[name].grad
            if gradient is not None:
                gradient.add_(value)


def _tensors(arrays: Arrays | None, names: Mapping[str, object]) -> dict[str, Tensor]:
    if arrays is None:
        return {}
    return {name: as_tensor(np.array(arrays[name])) for name in names if name in arrays}


def batches(
    local: LocalConfig, examples: int, seed: int, round_number: int, client: int
) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The row numbers of each step: shuffled every epoch, the last batch of an epoch smaller.

    With `steps`, epochs follow one another until the steps are done.
    """
    rng = generator(seed, "batches", round_number, client)
    size = examples if local.batch_size == "full" else local.batch_size
    steps_per_epoch = -(-examples // size)
    left = local.steps if local.steps is not None else local.passes * steps_per_epoch
    while left > 0:
        order = rng.permutation(examples)
        for start in range(0, examples, size)[:left]:
            yield order[start : start + size]
        left -= steps_per_epoch
