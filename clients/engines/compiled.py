"""The reference engine with model and loss compiled by `torch.compile`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clients.engines.base import Job
from clients.engines.eager import EagerEngine
from federation.errors import ScenarioError
from federation.models.learner import Learner
from federation.scenario.schema import LocalConfig
from strategies.base import Trained

_MOST_SHAPES = 256


@dataclass(frozen=True)
class CompiledEngine:
    """Compiles each shape of batch once; torch keeps what it compiled on disk.

    Shapes are fixed while compiling: kernels for varying shapes would depend on the order in which
    a process meets them, and so would the bits. Random numbers are drawn as without the compiler.
    """

    eager: EagerEngine

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        import torch._dynamo.config
        import torch._inductor.config

        drawing = torch._inductor.config.patch(fallback_random=True)
        limits = torch._dynamo.config.patch(
            recompile_limit=_MOST_SHAPES, accumulated_recompile_limit=_MOST_SHAPES
        )
        with drawing, limits:
            return self.eager.run(jobs)


def compiled_engine(learner: Learner, local: LocalConfig, rounds: int, seed: int) -> CompiledEngine:
    """The engine. Raises ScenarioError where there is no C++ compiler."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    if not any(shutil.which(name) for name in names if name):
        raise ScenarioError(
            "engine.training = 'compiled': there is no C++ compiler here (looked for CXX, g++, "
            "clang++, cl); install one or use 'auto'"
        )

    def loss(given: Tensor, wanted: Tensor) -> Tensor:
        return learner.task.loss(learner.module(given), wanted)

    compiled = torch.compile(loss, dynamic=False)
    return CompiledEngine(EagerEngine(learner, local, rounds, seed, compiled))
