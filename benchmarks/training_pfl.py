"""One case on pfl-research, put together as its own CIFAR-10 benchmark does.

Runs under `torch.distributed.run` in an environment of its own (`training_pfl_setup`); the process
of rank 0 tells the result. Users are drawn with replacement and their rows are not shuffled: that
is how pfl-research does it. Its evaluation on users' data is left out but for the warm-up round.
"""

from __future__ import annotations

import time
from itertools import pairwise
from types import MethodType
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByUser
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.internal.ops.pytorch_ops import get_default_device
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn

from benchmarks.memory import peak_mb
from benchmarks.training_cases import (
    BATCH,
    RATE,
    SEED,
    TASKS,
    Case,
    Measured,
    measured_rounds,
    rounds_in_all,
)
from benchmarks.training_data import Material, material


class _Clock(TrainingProcessCallback):  # type: ignore[misc]
    """Notes when each round is over."""

    def __init__(self) -> None:
        self.ended_s = [time.perf_counter()]

    def after_central_iteration(
        self, aggregate_metrics: Any, model: Any, *, central_iteration: int
    ) -> tuple[bool, Any]:
        """Never ends the training."""
        self.ended_s.append(time.perf_counter())
        return False, Metrics()


def measure(case: Case, rounds: int) -> Measured | None:
    """Times of the rounds; None but for the first process."""
    task, made = TASKS[case.task], material(case)
    np.random.seed(SEED)  # noqa: NPY002 - pfl draws from it
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    clock = _Clock()
    train = NNTrainHyperParams(local_num_epochs=1, local_learning_rate=RATE, local_batch_size=BATCH)
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds_in_all(rounds),
            evaluation_frequency=10**9,
            train_cohort_size=task.cohort,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(_users(made), None, postprocessors=[WeightByUser()]),
        model=_model(made.module),
        model_train_params=train,
        model_eval_params=NNEvalHyperParams(local_batch_size=1000),
        callbacks=[clock],
    )
    if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
        return None
    durations = [after - before for before, after in pairwise(clock.ended_s)]
    return Measured(measured_rounds(durations), made.accuracy(), peak_mb())


def _users(made: Material) -> Any:
    device = get_default_device()
    rows = {user: [x.to(device), y.to(device)] for user, (x, y) in enumerate(made.rows)}
    return FederatedDataset.from_slices(rows, get_user_sampler("random", range(len(rows))))


def _model(module: nn.Module) -> Any:
    # What pfl calls; torch thinks that only tensors and modules belong here.
    module.__dict__ |= {name: MethodType(do, module) for name, do in _ASKED.items()}
    central = torch.optim.SGD(module.parameters(), lr=1.0)
    return PyTorchModel(module, torch.optim.SGD, central)


def _loss(self: nn.Module, inputs: Tensor, targets: Tensor, eval: bool = False) -> Tensor:
    self.train(not eval)
    return nn.functional.cross_entropy(self(inputs), targets)


@torch.no_grad()
def _metrics(self: nn.Module, inputs: Tensor, targets: Tensor, eval: bool = True) -> Any:
    self.train(not eval)
    logits = self(inputs)
    right = (logits.argmax(-1) == targets).sum().item()
    return {"accuracy": Weighted(right, len(inputs))}


_ASKED = {"loss": _loss, "metrics": _metrics}
