"""HeteroFL (Diao et al. 2021): weak devices train a narrower model, nested in the whole one.

    client: trains the first r of the units of every hidden layer;  sends the change of that part
    server: each weight moves by the mean over the clients that hold it, weighted by rows

The first layer's inputs and the last layer's outputs are never narrowed, so a part has about r^2 of
the weights. `rates` are given out by the client's number in turn. A client with rate 1 does what it
does in FedAvg, and with all rates 1 it is FedAvg to the bit. Models are chains of layers.

Left out of the paper: the scaler (hidden activations divided by r in training), the masked
cross-entropy (labels that a client does not hold), and static batch normalisation (statistics are
averaged over the holders like all else).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from federation.arrays import Array, Arrays, Spec, cast_like, spec_of
from federation.errors import ClientError, ScenarioError
from federation.messages import TRAIN, Body, Task
from federation.reduce import Total
from federation.rounds import State
from federation.transport import PartSpecs
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train

_TASK = "narrow"
_PARTS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class HeteroFL(FedAvg):
    """FedAvg over nested widths; client c has the rate `rates[c % len(rates)]`."""

    rates: list[float] = field(default_factory=lambda: [1.0, 0.5])

    def __post_init__(self) -> None:
        """Refuse rates that are not of the paper."""
        super().__post_init__()
        strange = [rate for rate in self.rates if rate not in [1 / part for part in _PARTS]]
        if strange or not self.rates:
            told = f"{strange[0]:g}" if strange else "[]"
            raise ScenarioError(
                f"strategy.args.rates = {told}: must be of 1, 0.5, 0.25, 0.125, 0.0625"
            )

    def part(self, client: int) -> int:
        """One over the client's rate."""
        return round(1 / self.rates[client % len(self.rates)])

    def init(self, model: Arrays, spec: Spec) -> State:
        """Raises ScenarioError for a model that is no chain of layers."""
        narrowed(spec, 2)
        return super().init(model, spec)

    def ask(self, state: State, number: int, clients: Sequence[int]) -> list[Body]:
        """To each client the part of its width; one body for all of a width."""
        (whole,) = super().ask(state, number, clients[:1])
        bodies = {1: whole}
        for part in {self.part(client) for client in clients} - {1}:
            shapes = {f.name: f.shape for f in narrowed(spec_of(state["model"]), part)}
            cut = {"model": first(state["model"], shapes)}
            bodies[part] = Body(number, "train", cut, Task(_TASK, 0, part))
        return [bodies[self.part(client)] for client in clients]

    def specs(self, task: Task, client: int, model: Spec) -> tuple[PartSpecs, PartSpecs]:
        """The narrow arrays, both ways."""
        if task.name != _TASK or task.rows != self.part(client) or task.rows == 1:
            raise ClientError(f"task {task.name!r} of width 1/{task.rows} for client {client}")
        spec = narrowed(model, task.rows)
        return {"model": spec}, {change_of(task.rows): spec}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train the part inside the whole model, with nothing beside it."""
        part = context.task.rows if context.task != TRAIN else 1
        metrics = {rows_of(part): 0.0}
        if part == 1:
            done = yield Train(start=context.received["model"])
            metrics[rows_of(1)] = done.examples
            return Contribution({"model": done.arrays}, done.examples, metrics=metrics)
        came = context.received["model"]
        start = {f.name: inside(came[f.name], f.shape) for f in context.spec}
        exact = {f.name for f in context.spec if f.exact}
        mask = {
            f.name: inside(np.ones(came[f.name].shape, np.float32), f.shape)
            for f in context.spec
            if not f.exact
        }
        done = yield Train(start, mask=mask)
        after = first(done.arrays, {name: value.shape for name, value in came.items()})
        change = {n: v if n in exact else np.asarray(v - came[n]) for n, v in after.items()}
        # The work of the narrow model, which a weak device would run by itself.
        share = sum(v.size for v in came.values()) / sum(f.size for f in context.spec)
        metrics = {rows_of(part): done.examples, "effort": share * done.processed}
        return Contribution({change_of(part): change}, done.examples, metrics=metrics)

    def merge(self, state: State, total: Total) -> State:
        """The mean over the holders; what nobody held stays."""
        parts = [part for part in _PARTS[1:] if change_of(part) in total.parts]
        if not parts:
            return super().merge(state, total)
        model = state["model"]
        moves = {name: np.zeros(np.shape(v)) for name, v in model.items()}
        weights = {name: np.zeros(np.shape(v)) for name, v in model.items()}
        if "model" in total.parts:
            rows = total.sums[rows_of(1)]
            for name, value in total.parts["model"].items():
                moves[name] += value - rows * np.asarray(model[name], np.float64)
                weights[name] += rows
        for part in parts:
            rows = total.sums[rows_of(part)]
            for name, value in total.parts[change_of(part)].items():
                place = tuple(slice(0, n) for n in value.shape)
                base = np.asarray(model[name], np.float64)[place] if name in total.exact else 0.0
                moves[name][place] += value - rows * base
                weights[name][place] += rows
        after = {}
        for name, value in model.items():
            length = 1.0 if name in total.exact else self.server_lr
            after[name] = value + length * moves[name] / np.maximum(weights[name], 1e-12)
        return {**state, "model": cast_like(after, model)}


def change_of(part: int) -> str:
    """What a change of width 1 / part is called on the wire."""
    return f"change 1/{part}"


def rows_of(part: int) -> str:
    """What the rows of clients of width 1 / part are called."""
    return f"rows 1/{part}"


def first(model: Arrays, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """The first corner of each array."""
    corners = {n: tuple(slice(0, k) for k in shape) for n, shape in shapes.items()}
    return {n: np.asarray(model[n][corner]) for n, corner in corners.items()}


def inside(value: Array, shape: tuple[int, ...]) -> Array:
    """The value in the first corner of zeros."""
    whole = np.zeros(shape, value.dtype)
    whole[tuple(slice(0, n) for n in value.shape)] = value
    return whole


def narrowed(spec: Spec, part: int) -> Spec:
    """The fields of the nested model whose hidden layers have 1 / part of their units.

    Raises ScenarioError where the arrays are not those of a chain of layers.
    """
    layers = [f.name for f in spec if len(f.shape) > 1]
    whole, cut = 0, 0  # units of the layer below
    found = []
    for f in spec:
        if len(f.shape) > 1:
            out = f.shape[0]
            inputs = f.shape[1]
            if f.name != layers[0]:
                if inputs % whole:
                    raise ScenarioError(
                        f"strategy.algorithm = 'heterofl': {f.name!r} has {inputs} inputs after a "
                        f"layer of {whole} units; the model must be a chain of layers"
                    )
                inputs = inputs // whole * cut
            whole, cut = out, out if f.name == layers[-1] else -(-out // part)
            found.append(replace(f, shape=(cut, inputs, *f.shape[2:])))
        else:
            narrow = len(f.shape) == 1 and f.shape[0] == whole
            found.append(replace(f, shape=(cut,)) if narrow else f)
    return tuple(found)
