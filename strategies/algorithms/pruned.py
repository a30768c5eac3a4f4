"""FedAvg with global L1 pruning: the server drops the smallest weights, only the others travel.

    begin:  the server masks the smallest |w| of what is left, over all layers together
    client: train from x * mask with masked gradients;  send the change of the kept weights
    server: x <- x + server_lr * sum_i n_i (y_i - x) / sum_i n_i   on the kept weights

Weights are the trained float32 arrays of two dimensions or more; biases and buffers are never
pruned. How many are kept is known from the round alone; which, from a mask that each client gets
once (one bit a weight). With k of d weights kept an exchange takes 4k bytes each way, and d/8 more
where the mask is new. Before the first pruning it is FedAvg, to the bit.

Sparsity by round: "one-shot"; "iterative", each time a share of what is *left* as in PyTorch's
`prune.global_unstructured` (Frankle and Carbin 2019), so 1 - (1 - a)^n; "cubic" (Zhu and Gupta
2018), s_t = s_f * (1 - (1 - (t - t_0) / (n dt))^3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from federation.arrays import Array, Arrays, Field, Spec, cast_like
from federation.errors import ClientError, ScenarioError, unknown_choice
from federation.messages import Body, Task
from federation.reduce import Total
from federation.rounds import State
from federation.transport import PartSpecs
from strategies.algorithms._checks import require
from strategies.algorithms._masks import (
    Masks,
    count,
    kept_values,
    pack,
    prunable,
    smallest_dropped,
    spread,
    unpack,
)
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train

Pruning = Literal["one-shot", "iterative", "cubic"]
_KEPT = "kept weights"  # no parameter's name has a space
_MASK, _HOLDERS = "mask", "mask holders"
_PRUNED, _WITH_MASK = "pruned", "pruned-and-mask"


@dataclass(frozen=True)
class Pruned(FedAvg):
    """FedAvg over fewer and fewer weights.

    `sparsity` is the share that is 0 in the end ("one-shot", "cubic"), `amount` the share of what
    is left that each pruning drops ("iterative"). The first pruning is at the beginning of round
    `start`; `times` follow one another every `every` rounds.
    """

    pruning: Pruning = "one-shot"
    sparsity: float = 0.8
    amount: float = 0.2
    start: int = 2
    every: int = 1
    times: int = 5

    keeps_state: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a schedule that cannot be."""
        super().__post_init__()
        if self.pruning not in get_args(Pruning):
            choices = get_args(Pruning)
            raise ScenarioError(unknown_choice("strategy.args.pruning", self.pruning, choices))
        require("sparsity", self.sparsity, "[0, 1)")
        require("amount", self.amount, "[0, 1)")
        for name in ("start", "every", "times"):
            require(name, getattr(self, name), "[1, 1000000]")

    def kept(self, number: int, weights: int) -> int:
        """How many of `weights` are left in a round."""
        if number < self.start:
            return weights
        if self.pruning == "one-shot":
            return weights - round(self.sparsity * weights)
        done = (number - self.start) // self.every
        if self.pruning == "cubic":
            left = 1 - min(done, self.times) / self.times
            return weights - round(self.sparsity * (1 - left**3) * weights)
        kept = weights
        for _ in range(min(done + 1, self.times)):
            kept -= round(self.amount * kept)
        return kept

    def init(self, model: Arrays, spec: Spec) -> State:
        """Raises ScenarioError where there is nothing to prune, or nothing would be left."""
        fields = prunable(spec)
        weights = sum(field.size for field in fields)
        if not weights:
            raise ScenarioError(
                "strategy.algorithm: the model has no trained float32 weights to prune, only "
                "biases or other types"
            )
        if not self.kept(self.start + self.times * self.every, weights):
            raise ScenarioError(f"strategy.args: of {weights} weights none would be left")
        everything = {field.name: np.ones(field.shape, np.bool_) for field in fields}
        holders = {"clients": np.zeros(0, np.int64)}
        return {**super().init(model, spec), _MASK: everything, _HOLDERS: holders}

    def begin(self, state: State, number: int) -> State:
        """Prune where it is time to; nobody holds a new mask yet."""
        masks, model = state[_MASK], state["model"]
        kept = self.kept(number, sum(mask.size for mask in masks.values()))
        if kept >= count(masks):
            return state
        masks = smallest_dropped(model, masks, kept)
        model = {**model, **spread(kept_values(model, masks), masks)}
        holders = {"clients": np.zeros(0, np.int64)}
        return {**state, "model": model, _MASK: masks, _HOLDERS: holders}

    def ask(self, state: State, number: int, clients: Sequence[int]) -> list[Body]:
        """The kept weights, and the mask for those who do not hold it."""
        masks = state[_MASK]
        kept = count(masks)
        if kept == sum(mask.size for mask in masks.values()):
            return super().ask(state, number, clients)
        model = {"model": _only_kept(state["model"], masks)}
        whole = {**model, "mask": {"bits": pack(masks)}}
        plain = Body(number, "train", model, Task(_PRUNED, 0, kept))
        first = Body(number, "train", whole, Task(_WITH_MASK, 0, kept))
        holders = set(state[_HOLDERS]["clients"].tolist())
        return [plain if client in holders else first for client in clients]

    def specs(self, task: Task, client: int, model: Spec) -> tuple[PartSpecs, PartSpecs]:
        """K kept weights and all other arrays, both ways; the mask where it is sent."""
        fields = prunable(model)
        weights = sum(field.size for field in fields)
        if task.name not in (_PRUNED, _WITH_MASK) or not 0 < task.rows <= weights:
            raise ClientError(f"task {task.name!r} of {task.rows} of {weights} weights")
        names = {field.name for field in fields}
        others = tuple(field for field in model if field.name not in names)
        values = (Field(_KEPT, (task.rows,), "<f4"), *others)
        down: dict[str, Spec] = {"model": values}
        if task.name == _WITH_MASK:
            down["mask"] = (Field("bits", (-(-weights // 8),), "|u1", exact=True),)
        return down, {"change": values}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train under the mask; send how far the kept weights went, and keep the mask."""
        if context.task.name not in (_PRUNED, _WITH_MASK):
            return (yield from super().local(context))
        told = context.received.get("mask") or context.kept.get("mask")
        if told is None:
            raise ClientError("holds no mask of the kept weights")
        masks = unpack(told["bits"], prunable(context.spec))
        if count(masks) != context.task.rows:
            raise ClientError(f"{context.task.rows} weights came for a mask of {count(masks)}")
        came = context.received["model"]
        start = {**came, **spread(came[_KEPT], masks)}
        exact = {field.name for field in context.spec if field.exact}
        ones = {n: np.ones(np.shape(v), np.float32) for n, v in start.items() if n not in exact}
        mask = {**ones, **{name: one.astype(np.float32) for name, one in masks.items()}}
        done = yield Train({f.name: start[f.name] for f in context.spec}, mask=mask)
        after = _only_kept(done.arrays, masks)
        change = {n: v if n in exact else np.asarray(v - came[n]) for n, v in after.items()}
        return Contribution({"change": change}, done.examples, kept={"mask": told})

    def merge(self, state: State, total: Total) -> State:
        """FedAvg over what is kept; whoever was counted holds the mask."""
        if "change" not in total.parts:
            return super().merge(state, total)
        model, masks = state["model"], state[_MASK]
        mean, known = total.mean("change"), _only_kept(model, masks)
        new = {n: v if n in total.exact else known[n] + self.server_lr * v for n, v in mean.items()}
        typed = cast_like(new, known)
        after = {**typed, **spread(typed[_KEPT], masks)}
        holders = np.union1d(state[_HOLDERS]["clients"], np.array(total.clients, np.int64))
        merged = {name: after[name] for name in model}
        return {**state, "model": merged, _HOLDERS: {"clients": holders}}


def _only_kept(model: Arrays, masks: Masks) -> dict[str, Array]:
    """The kept weights as one array, then all arrays that are not pruned."""
    others = {name: value for name, value in model.items() if name not in masks}
    return {_KEPT: kept_values(model, masks), **others}
