"""What an algorithm adds to the gradients of a stack, and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from clients.engines.base import Job
from federation.arrays import Arrays


class Moved(Protocol):
    """Weights and gradients of a stack of models, one tensor (K, ...) for each layer."""

    @property
    def parameters(self) -> list[Tensor]:
        """Weights of the clients that still train."""

    @property
    def gradients(self) -> list[Tensor]:
        """Of `parameters`."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's own shapes by name."""

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Views by the model's names into tensors like the parameters, or like one client's."""

    def write(self, into: Sequence[Tensor], client: int, arrays: Arrays) -> None:
        """Put named arrays into tensors shaped like the parameters."""


class Extras:
    """Corrections and penalties of the clients of one stack."""

    def __init__(self, stack: Moved, jobs: Sequence[Job]) -> None:
        self._stack, self._jobs = stack, jobs
        self._corrections: list[Tensor] = []
        self._starts: list[Tensor] = []
        self._sums: list[Tensor] = []
        if any(job.train.correction is not None for job in jobs):
            self._corrections = [torch.zeros_like(value) for value in stack.parameters]
        for place, job in enumerate(jobs):
            if job.train.correction is not None:
                stack.write(self._corrections, place, job.train.correction)
        self._masks: list[Tensor] = []
        if any(job.train.mask is not None for job in jobs):
            self._masks = [torch.ones_like(value) for value in stack.parameters]
        for place, job in enumerate(jobs):
            if job.train.mask is not None:
                stack.write(self._masks, place, job.train.mask)
        if any(job.train.penalty is not None for job in jobs):
            self._starts = [value.clone() for value in stack.parameters]
            self._sums = [torch.zeros_like(value) for value in stack.parameters]

    @property
    def any(self) -> bool:
        """Whether there is anything to add."""
        return bool(self._corrections or self._starts)

    @property
    def masked(self) -> bool:
        """Whether some weights are held at 0."""
        return bool(self._masks)

    def hold(self, values: Sequence[Tensor]) -> None:
        """Set weights or gradients of the first clients to 0 where they are masked."""
        if self._masks:
            torch._foreach_mul_(list(values), [one[: len(values[0])] for one in self._masks])

    def gradients(self, count: int) -> list[Tensor]:
        """Of the first `count` clients, shaped like the weights; the caller only reads them."""
        if not self._starts:
            return [value[:count] for value in self._corrections]
        sums = [value[:count] for value in self._sums]
        if self._corrections:
            torch._foreach_copy_(sums, [value[:count] for value in self._corrections])
        else:
            torch._foreach_zero_(sums)
        for place in range(count):
            self._penalise(place, sums)
        return sums

    def _penalise(self, place: int, into: Sequence[Tensor]) -> None:
        penalty = self._jobs[place].train.penalty
        if penalty is None:
            return
        shapes = self._stack.shapes
        named = self._stack.named([value[place] for value in self._stack.parameters])
        here = {n: v.reshape(shapes[n]).detach().requires_grad_() for n, v in named.items()}
        start = self._stack.named([value[place] for value in self._starts])
        with torch.enable_grad():
            value = penalty(here, {n: v.reshape(shapes[n]) for n, v in start.items()})
            found = torch.autograd.grad(value, list(here.values()), allow_unused=True)
        views = self._stack.named([value[place] for value in into])
        for view, gradient in zip(views.values(), found, strict=True):
            if gradient is not None:
                view.add_(gradient.reshape(view.shape))


def clip_each(gradients: Sequence[Tensor], max_norm: float) -> None:
    """Scale each client's gradient, in place, to an L2 norm of at most `max_norm`.

    Each client's norms are taken by themselves: how one call over all clients adds up depends on
    their number.
    """
    count = len(gradients[0])
    apart = [gradient[place] for place in range(count) for gradient in gradients]
    norms = torch.stack(torch._foreach_norm(apart)).view(count, -1)
    whole = torch.stack([torch.linalg.vector_norm(one) for one in norms])
    scales = torch.where(whole > max_norm, max_norm / whole, torch.ones_like(whole))
    for gradient in gradients:
        gradient.mul_(scales.view(count, *[1] * (gradient.dim() - 1)))
