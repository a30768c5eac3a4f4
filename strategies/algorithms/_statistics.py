"""Running statistics of batch normalisation, counted by one client for a model that stays as it is.

Each batch weighs the same, and so the mean of clients' statistics, weighted by their batches, is
what one model would have counted that went from client to client (`momentum=None` in PyTorch).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from federation.arrays import Arrays
from federation.scenario.schema import LocalConfig
from strategies.work import Computed

if TYPE_CHECKING:
    from torch import Tensor

    from federation.models.learner import Learner

_FORWARD = 1 / 3  # of a training example


def statistics(
    learner: Learner, x: Tensor, y: Tensor | None, model: Arrays, local: LocalConfig
) -> Computed:
    """The learner's arrays after all batches of `x`, of even length, and how many these are.

    The value is a pair; all arrays but the statistics are those of `model`.
    """
    import torch
    from torch.nn.modules.batchnorm import _NormBase

    learner.load(model)
    layers = [part for part in learner.module.modules() if isinstance(part, _NormBase)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    size = len(x) if local.batch_size == "full" else local.batch_size
    batches = math.ceil(len(x) / size)
    learner.module.eval()  # nothing drops out, as where the statistics will be used
    for layer in layers:
        layer.train()
    with torch.no_grad():
        for rows in torch.tensor_split(torch.arange(len(x)), batches):
            learner.module(learner.task.batch(x[rows], None if y is None else y[rows])[0])
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
    value: tuple[dict[str, Any], int] = learner.arrays(), batches
    return Computed(value, len(x), len(x) * _FORWARD)
