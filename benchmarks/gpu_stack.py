"""Clients on one device: one after another in plain PyTorch, or as the engine stacks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from clients.engines.base import Job
from clients.engines.cuda import device_stack
from federation.data.dataset import Dataset, Split
from federation.models.learner import build_learner
from federation.scenario.schema import LocalConfig, ModelConfig
from strategies.base import Train, Trained


def one_by_one(module: nn.Module, jobs: Sequence[Job], batch: int, lr: float) -> None:
    """What anybody would write; the module is on the device, and so are the jobs' rows."""
    for job in jobs:
        module.load_state_dict({n: torch.from_numpy(v) for n, v in job.train.start.items()})
        optimizer = torch.optim.SGD(module.parameters(), lr=lr)
        assert job.targets is not None
        order = torch.randperm(len(job.inputs), device=job.inputs.device)
        for rows in torch.split(order, batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(job.inputs[rows]), job.targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def workload(
    name: str, clients: int, rows: int, batch: int, lr: float, device: torch.device
) -> tuple[nn.Module, list[Job], Callable[[], list[Trained]]]:
    """A model on the device, jobs of so many clients, and their training by the engine."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(clients * rows, 1, 28, 28, generator=generator)
    y = torch.randint(10, (len(x),), generator=generator)
    split = Split(x.numpy(), y.numpy())
    data = Dataset(split, split, "numeric", 10, (), (), 255.0, "random")
    learner = build_learner(ModelConfig(name=name), data, 1)
    local = LocalConfig(lr=lr, batch_size=batch)
    engine = device_stack(learner, (1, 28, 28), local, 100, 1, device)
    train, starts = Train(learner.arrays()), range(0, len(x), rows)
    x, y = x.to(device), y.to(device)
    jobs = [
        Job(train, client, 1, x[at : at + rows], y[at : at + rows])
        for client, at in enumerate(starts)
    ]
    bare = build_learner(ModelConfig(name=name), data, 1).module.to(device)
    return bare, jobs, lambda: engine.run(jobs)
