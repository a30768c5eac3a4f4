"""Clients stacked on a GPU: `vmap` over the model, rows that stay there, recorded steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from clients.engines.base import Job
from clients.engines.chain import Shape
from clients.engines.feed import DeviceRows
from clients.engines.general import GeneralStack
from clients.engines.stacked import StackedEngine
from federation.errors import ScenarioError
from federation.models.learner import Learner
from federation.scenario.schema import LocalConfig
from strategies.base import Trained

TOGETHER = 256
"""Clients in a stack. Their weights, gradients and activations must fit the GPU's memory."""


@dataclass(frozen=True)
class CudaEngine:
    """A stacked engine on a GPU, with kernels that give the same bits each time."""

    stacked: StackedEngine

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        kernels = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with kernels, torch.random.fork_rng():
            return self.stacked.run(jobs)


def cuda_engine(
    learner: Learner, inputs: Shape, local: LocalConfig, rounds: int, seed: int
) -> CudaEngine:
    """The engine. Raises ScenarioError where there is no GPU, NotAChainError for models."""
    if not torch.cuda.is_available():
        raise ScenarioError(
            f"engine.training = 'cuda': PyTorch {torch.__version__} sees no GPU here; use 'auto', "
            "or install a PyTorch with CUDA on a machine that has one"
        )
    return CudaEngine(device_stack(learner, inputs, local, rounds, seed, torch.device("cuda")))


def device_stack(
    learner: Learner,
    inputs: Shape,
    local: LocalConfig,
    rounds: int,
    seed: int,
    device: torch.device,
) -> StackedEngine:
    """Stacks of the model as it is, on a device; steps are recorded where that can be done."""
    module = learner.module
    module.train()
    GeneralStack(module, inputs, 2, 2, device, draws_together=True)
    return StackedEngine(
        learner.task,
        lambda clients, rows: GeneralStack(module, inputs, clients, rows, device, True),
        local,
        rounds,
        seed,
        lambda _: TOGETHER,
        DeviceRows(device),
        replays=True,
    )


def gpu_share(workers: int) -> float:
    """How many of this machine's GPUs, or what part of one, each of so many workers gets."""
    gpus = torch.cuda.device_count()
    return float(gpus // workers) if gpus >= workers else gpus / workers
