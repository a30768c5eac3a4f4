"""A trial step: whether model, task and data fit together, asked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.data.dataset import Dataset
from federation.errors import BadInput, ScenarioError
from federation.scenario.schema import Scenario

if TYPE_CHECKING:
    from federation.models.learner import Learner

_LOOKED_AT = 100_000  # rows; looking through more would cost seconds


def check_step(scenario: Scenario, dataset: Dataset, learner: Learner) -> None:
    """One training step and one test on two rows; the learner's weights may be used up by it.

    Raises ScenarioError naming the shapes where the model, or a task of the user's, fails.
    """
    import torch

    seen: dict[str, str] = {}
    with torch.random.fork_rng(devices=[]):
        try:
            _step(scenario, dataset, learner, seen)
        except BadInput:
            raise
        except Exception as error:  # noqa: BLE001 - a user's model may fail in any way
            text = str(error).strip().splitlines()
            reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
            shapes = ", ".join(f"{name} {what}" for name, what in seen.items())
            raise ScenarioError(
                f"model.name = {scenario.model.name!r}: the model does not fit the data: "
                f"{shapes}: {reason}"
            ) from None


def _step(scenario: Scenario, dataset: Dataset, learner: Learner, seen: dict[str, str]) -> None:
    """Forward, backward and metric; `seen` is filled with what came so far."""
    import torch

    from federation.models.tasks import as_tensor

    rows, split = _telling_rows(dataset), dataset.train
    x = as_tensor(dataset.inputs(split, rows, scenario.data.normalize))
    y = None if split.y is None else as_tensor(np.array(split.y[rows]))
    seen["inputs"] = _shape(x)
    given, targets = learner.task.batch(x, y)
    seen |= {"inputs": _shape(given), "targets": _shape(targets)}
    learner.module.train()
    outputs = learner.module(given)
    seen["outputs"] = _shape(outputs)
    learner.task.loss(outputs, targets).backward()  # type: ignore[no-untyped-call]
    learner.module.eval()
    with torch.no_grad():
        learner.task.metric_sum(learner.module(given), targets)
    learner.module.train()
    learner.module.zero_grad(set_to_none=True)


def _telling_rows(dataset: Dataset) -> NDArray[Any]:
    """Two rows, with the largest token and the largest label: a model too small fails on them."""
    x, y = dataset.train.x[:_LOOKED_AT], dataset.train.y
    first = int(x.max(axis=1).argmax()) if dataset.kind == "tokens" else 0
    second = 0 if y is None or dataset.classes is None else int(y[:_LOOKED_AT].argmax())
    return np.array([first, second])


def _shape(value: object) -> str:
    """The shape and type of a tensor, or what the value is instead.

    >>> _shape((1, 2))
    'tuple'
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None:
        return type(value).__name__
    return f"{tuple(shape)} {str(dtype).removeprefix('torch.')}"
