"""How much arithmetic one training example costs."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from federation.data.dataset import Dataset
from federation.models.learner import Learner
from federation.models.tasks import as_tensor


def training_flop_per_example(learner: Learner, dataset: Dataset) -> float:
    """Floating-point operations of one forward and backward pass, per example.

    Counted by `torch.utils.flop_counter` on a batch of two; it sees products and convolutions,
    which are nearly all of it. The learner's weights and torch's random state stay as they are.
    """
    rows = slice(0, 2)
    x = as_tensor(dataset.inputs(dataset.train, rows, normalize=False))
    y = None if dataset.train.y is None else as_tensor(dataset.train.y[rows].copy())
    counter = FlopCounterMode(display=False)
    buffers = learner.arrays()
    with torch.random.fork_rng(devices=[]), counter:
        outputs_in, targets = learner.task.batch(x, y)
        learner.task.loss(learner.module(outputs_in), targets).backward()  # type: ignore[no-untyped-call]
    learner.module.zero_grad(set_to_none=True)
    learner.load(buffers)
    return counter.get_total_flops() / len(x)
