"""Which engine trains a model.

The rule of `auto` depends on the model and the task alone, so a device with one client and a
simulation with a thousand choose alike, and get the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from clients.engines.base import Engine
from clients.engines.chain import Chain, NotAChainError, Shape
from clients.engines.compiled import compiled_engine
from clients.engines.criteria import criterion
from clients.engines.cuda import cuda_engine
from clients.engines.eager import EagerEngine
from clients.engines.general import GeneralStack
from clients.engines.mixed import MixedEngine
from clients.engines.native.build import native_engine
from clients.engines.stack import Stack
from clients.engines.stacked import StackedEngine
from clients.engines.tracing import read_chain
from federation.data.dataset import Dataset
from federation.errors import ScenarioError
from federation.models.learner import Learner
from federation.quantization.training import is_fake
from federation.scenario.client import ClientConfig

_CACHE_BYTES = 6 << 20
_MOST_TOGETHER = 32


@dataclass(frozen=True)
class Chosen:
    """An engine, and one line that says which and why.

    `together` says, for the rows of a batch, how many clients had better be trained at once. Where
    their bits depend on the company it is `fixed`: the same clients must be trained together.
    """

    engine: Engine
    name: str
    reason: str
    together: Callable[[int], int] = lambda _: 1
    fixed: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose(config: ClientConfig, learner: Learner, dataset: Dataset) -> Chosen:
    """The engine that the scenario asks for, or else the reference engine and why.

    Raises ScenarioError where a compiler or a GPU is asked for and is not there.
    """
    asked = config.training
    settings = (config.local, config.rounds, config.seed)
    if asked == "compiled":
        return Chosen(compiled_engine(learner, *settings), "compiled", "asked for")
    eager = EagerEngine(learner, *settings)
    if asked == "cuda":
        return _with_reference(_on_gpu(config, learner, dataset), eager)
    if asked == "eager":
        return Chosen(eager, "eager", "asked for")
    problem = _unknown(learner, dataset)
    if asked == "native":
        return _with_reference(_native(config, learner, dataset, problem), eager)
    if problem is None:
        try:
            return _with_reference(_written_out(config, learner, dataset), eager)
        except NotAChainError as error:
            problem = str(error)
        if asked == "stacked":
            try:
                return _with_reference(_general(config, learner, dataset, problem), eager)
            except NotAChainError as error:
                problem = f"{problem}; {error}"
    return Chosen(eager, "eager", f"the model cannot be stacked: {problem}")


def _with_reference(chosen: Chosen, eager: EagerEngine) -> Chosen:
    return replace(chosen, engine=MixedEngine(chosen.engine, eager))


def _unknown(learner: Learner, dataset: Dataset) -> str | None:
    if is_fake(learner.module):
        return "its layers round their operands (model.quantization), which no stack does"
    if criterion(learner.task) is None:
        return f"there is no stacked loss for {type(learner.task).__name__}"
    rows = dataset.inputs(dataset.train, slice(0, 1), normalize=True)
    return None if rows.dtype.name == "float32" else f"its inputs are {rows.dtype.name}"


def _written_out(config: ClientConfig, learner: Learner, dataset: Dataset) -> Chosen:
    learner.module.train()
    chain = read_chain(learner.module, _shape(dataset))
    dtype = torch.bfloat16 if config.local.precision == "bf16" else torch.float32
    most = partial(together, chain)
    engine = StackedEngine(
        learner.task,
        lambda clients, rows: Stack(chain, clients, rows, dtype),
        *(config.local, config.rounds, config.seed),
        most,
    )
    return Chosen(engine, "stacked", "a chain of layers with kernels written out", most)


def _native(
    config: ClientConfig, learner: Learner, dataset: Dataset, problem: str | None
) -> Chosen:
    settings = (config.local, config.rounds, config.seed)
    try:
        if problem is not None:
            raise NotAChainError(problem)
        learner.module.train()
        chain = read_chain(learner.module, _shape(dataset))
    except NotAChainError as error:
        raise ScenarioError(
            f"engine.training = 'native': no kernels for the model: {error}; use 'auto'"
        ) from None
    engine = native_engine(chain, learner.task, *settings)
    return Chosen(engine, "native", "asked for", partial(together, chain))


def together(chain: Chain, rows: int) -> int:
    """How many clients share a stack: as many as stay in the cache, and no more than 32."""
    if chain.wide:
        return 1
    return max(1, min(_MOST_TOGETHER, _CACHE_BYTES // (4 * chain.numbers(rows))))


def _general(config: ClientConfig, learner: Learner, dataset: Dataset, why: str) -> Chosen:
    if config.local.precision == "bf16":
        raise NotAChainError("bf16 is not for vmap")
    shape, module = _shape(dataset), learner.module
    module.train()
    GeneralStack(module, shape, 2, 2)
    engine = StackedEngine(
        learner.task,
        lambda clients, rows: GeneralStack(module, shape, clients, rows),
        *(config.local, config.rounds, config.seed),
        lambda _: _MOST_TOGETHER,
    )
    reason = f"vmap over the whole model, because {why}"
    return Chosen(engine, "stacked", reason, engine.together, fixed=True)


def _on_gpu(config: ClientConfig, learner: Learner, dataset: Dataset) -> Chosen:
    problem = _unknown(learner, dataset)
    if config.local.precision == "bf16":
        problem = "local.precision = 'bf16' is not for vmap"
    try:
        if problem is not None:
            raise NotAChainError(problem)
        settings = (config.local, config.rounds, config.seed)
        engine = cuda_engine(learner, _shape(dataset), *settings)
    except NotAChainError as error:
        raise ScenarioError(
            f"engine.training = 'cuda': the model cannot be stacked: {error}; use 'auto'"
        ) from None
    return Chosen(engine, "cuda", "asked for", engine.stacked.together, fixed=True)


def _shape(dataset: Dataset) -> Shape:
    return tuple(dataset.train.x.shape[1:])
