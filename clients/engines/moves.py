"""How the weights of a stack move in a step: descent, optimisers, and what algorithms add."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from clients.engines.base import Job
from clients.engines.extras import Extras, Moved, clip_each
from clients.engines.kernels.base import Descent
from federation.models.optimizers import Optimizer, build_optimizer, rate
from federation.scenario.schema import LocalConfig

Backward = Callable[[Descent | None], None]
"""Moves the weights along their gradient, or (None) fills the stack's gradients."""


class Moves:
    """The steps of one training of one stack."""

    def __init__(self, stack: Moved, jobs: Sequence[Job], local: LocalConfig, rounds: int) -> None:
        self._stack, self._clip_norm = stack, local.clip_norm
        lr = rate(local, jobs[0].round, rounds)
        self._optimizer: Optimizer = build_optimizer(local, lr)
        self._extras = Extras(stack, jobs)
        self.descent: Descent | None = None
        if local.optimizer == "sgd" and local.momentum == 0 and local.clip_norm is None:
            self.descent = Descent(lr, 1 - lr * local.weight_decay)

    @property
    def plain(self) -> Descent | None:
        """Descent, where nothing is added to it."""
        return None if self._extras.any or self._extras.masked else self.descent

    def narrow(self, active: int) -> None:
        """Go on with the first `active` clients."""
        self._optimizer.narrow(active)

    def step(self, active: int, backward: Backward) -> None:
        """One step. What the algorithm adds comes last, so adding zero changes no bit."""
        stack = self._stack
        extra = self._extras.gradients(active) if self._extras.any else []
        backward(self.descent)
        if self.descent is not None:
            if extra:
                torch._foreach_add_(stack.parameters, extra, alpha=-self.descent.rate)
            self._extras.hold(stack.parameters)
            return
        gradients = stack.gradients
        if extra:
            torch._foreach_add_(gradients, extra)
        self._extras.hold(gradients)
        if self._clip_norm is not None:
            clip_each(gradients, self._clip_norm)
        self._optimizer.step(stack.parameters, gradients)
