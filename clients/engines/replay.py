"""A step of a stack that is recorded once and replayed: on a GPU one launch instead of hundreds.

Only plain descent without additions is recorded: what a step reads and writes must lie at the same
place each time, and recording takes a few steps, whose effect on the weights is undone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from clients.engines.criteria import Criterion, criterion
from clients.engines.general import GeneralStack
from clients.engines.kernels.base import Descent
from federation.models.tasks import Classification, Task

WORTH = 16
"""Recording takes about as long as so many steps."""
_WARM_UP = 3  # PyTorch's advice: libraries choose their kernels and get their workspace


@dataclass
class Replay:
    """One step of the stack's first clients, on a batch and a criterion of its own.

    On a CPU nothing is recorded: the step is taken as it is.
    """

    stack: GeneralStack
    batch: Tensor
    criterion: Criterion
    descent: Descent
    _graph: torch.cuda.CUDAGraph | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Record the step where that is possible."""
        if self.batch.is_cuda:
            self._graph = self._record()

    def take(self, batch: Tensor, criterion: Criterion, step: int) -> None:
        """Take this step of a segment."""
        self.batch.copy_(batch)
        self.criterion.take(criterion, step)
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()
        self.criterion.give(criterion, step)

    def _step(self) -> None:
        outputs = self.stack.forward(self.batch)
        self.stack.backward(self.criterion.gradient(0, outputs), self.descent)

    def _record(self) -> torch.cuda.CUDAGraph:
        before = [value.clone() for value in self.stack.parameters]
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        torch._foreach_copy_(self.stack.parameters, before)
        return graph


def replay_of(task: Task, stack: GeneralStack, count: int, descent: Descent) -> Replay:
    """A step of the first `count` clients of the stack."""
    slot = criterion(task)
    assert slot is not None
    slot.begin(*_nothing(task, stack, count), stack.outputs)
    shape = (count, stack.rows, math.prod(stack.inputs))
    return Replay(stack, torch.zeros(shape, device=stack.device), slot, descent)


def _nothing(task: Task, stack: GeneralStack, count: int) -> tuple[Tensor, Tensor]:
    """Targets and shares of a segment of one step, to be filled."""
    shape = (count, 1, stack.rows)
    shares = torch.zeros(*shape, 1, device=stack.device)
    if isinstance(task, Classification):
        return torch.zeros(shape, dtype=torch.int64, device=stack.device), shares
    return torch.zeros(*shape, stack.outputs, device=stack.device), shares
