"""The client's optimiser and its learning rate by round."""

from __future__ import annotations

import math

import torch
from torch import nn

from federation.scenario.schema import CosineRate, ExponentialRate, LocalConfig, StepRate


def build_optimizer(module: nn.Module, local: LocalConfig, lr: float) -> torch.optim.Optimizer:
    """A fresh optimiser: clients keep no optimiser state between rounds.

    Weight decay of SGD and Adam is added to the gradient after clipping; AdamW's is decoupled.
    """
    parameters = [value for value in module.parameters() if value.requires_grad]
    if local.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=lr,
            momentum=local.momentum,
            nesterov=local.nesterov,
            weight_decay=local.weight_decay,
        )
    kind = torch.optim.Adam if local.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=lr, weight_decay=local.weight_decay)


def rate(local: LocalConfig, round_number: int, rounds: int) -> float:
    """The learning rate of a round (1, 2, ...) of a run of `rounds` rounds."""
    schedule = local.lr_schedule
    if isinstance(schedule, ExponentialRate):
        return float(local.lr * schedule.decay ** (round_number - 1))
    if isinstance(schedule, StepRate):
        return float(local.lr * schedule.factor ** ((round_number - 1) // schedule.every))
    if isinstance(schedule, CosineRate):
        progress = (round_number - 1) / max(rounds - 1, 1)
        share = schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * progress)) / 2
        return local.lr * share
    return local.lr
