"""Builds Flower's strategies by name and lets them merge."""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from federation.arrays import Arrays
from federation.errors import RunError, ScenarioError, unknown_choice
from federation.messages import Reply
from federation.registry import import_object
from federation.seeds import integer_seed

if TYPE_CHECKING:
    from flwr.serverapp import Grid
    from flwr.serverapp.strategy import Strategy

_KEY = "strategy.args.strategy"
_OWN = {"FedProx": "its penalty is the client's; set strategy.algorithm = 'fedprox'"}
_FORGED = ("FedXgb", "DifferentialPrivacy")  # trees; wrappers around another strategy
# Who is asked, and how records are called, is not a matter of merging.
_UNUSED = (
    "fraction_train",
    "fraction_evaluate",
    "arrayrecord_key",
    "configrecord_key",
    "weighted_by_key",
)
_FILLED = dict.fromkeys(("min_train_nodes", "min_evaluate_nodes", "min_available_nodes"), 1)


def merging_strategies() -> list[str]:
    """The names of Flower's strategies whose merge half is all there is to them."""
    import flwr.serverapp.strategy as flower

    return [
        name
        for name in flower.__all__
        if name not in ("Strategy", "Result", *_OWN) and not name.startswith(_FORGED)
    ]


def build(name: str, arguments: Mapping[str, object]) -> Strategy:
    """The strategy of that name. Raises ScenarioError where name or arguments are wrong."""
    kind = _class(name)
    taken = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        valid = [key for key in taken if key not in (*_UNUSED, *_FILLED) and "_fn" not in key]
        for key in arguments:
            if key not in valid:
                raise ScenarioError(unknown_choice(f"key in strategy.args for {name}:", key, valid))
    filled = {key: value for key, value in _FILLED.items() if key in taken}
    try:
        return cast("Strategy", kind(**filled, **arguments))
    except Exception as error:  # noqa: BLE001 - a strategy may refuse in any way
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ScenarioError(f"{_KEY} = {name!r} with {dict(arguments)}: {reason}") from None


def _class(name: str) -> Any:
    import flwr.serverapp.strategy as flower

    if ":" in name:
        found = import_object(name, _KEY)
        if not (inspect.isclass(found) and issubclass(found, flower.Strategy)):
            raise ScenarioError(f"{_KEY} = {name!r}: is no flwr.serverapp.strategy.Strategy")
        return found
    if name in _OWN:
        raise ScenarioError(f"{_KEY} = {name!r}: {_OWN[name]}")
    if name not in merging_strategies():
        raise ScenarioError(unknown_choice(_KEY, name, merging_strategies()))
    return getattr(flower, name)


def merged(strategy: Strategy, model: Arrays, replies: Sequence[Reply]) -> Arrays | None:
    """The model that a strategy makes of the counted replies; None where it makes none.

    `configure_train` is called first, because strategies look at the model there; the messages that
    it makes go nowhere. Raises RunError where the strategy fails.
    """
    number = replies[0].round
    with _quiet(), _own_draws(number):
        try:
            nodes = cast("Grid", _Nodes(len(replies)))
            strategy.configure_train(number, _record(model), ConfigRecord(), nodes)
            record, _ = strategy.aggregate_train(
                number, [_message(one, replies) for one in replies]
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise RunError(f"round {number}: {type(strategy).__name__} failed: {reason}") from error
    if record is None:
        return None
    found = {name: array.numpy() for name, array in record.items()}
    if {n: v.shape for n, v in found.items()} != {n: v.shape for n, v in model.items()}:
        raise RunError(f"round {number}: {type(strategy).__name__} gave back another model")
    return {name: found[name] for name in model}


class _Nodes:
    """As much of a grid as `configure_train` asks for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def get_node_ids(self) -> list[int]:
        return list(range(1, self.count + 1))


def _record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(np.asarray(value)) for name, value in arrays.items()})


def _message(reply: Reply, replies: Sequence[Reply]) -> Message:
    """A reply as Flower's strategies know it; metrics that all replies have, but no clocks."""
    assert reply.parts is not None
    shared = set.intersection(*(set(one.metrics) for one in replies))
    metrics = {name: reply.metrics[name] for name in sorted(shared - {"weight", "compute_s"})}
    content = RecordDict(
        {
            "arrays": _record(reply.parts["model"]),
            "metrics": MetricRecord({"num-examples": reply.weight, **metrics}),
        }
    )
    request = Message(RecordDict(), reply.client + 1, "train")
    return Message(content, reply_to=request)


@contextmanager
def _quiet() -> Iterator[None]:
    """Flower's lines about every round are not for our progress."""
    logger = logging.getLogger("flwr")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _own_draws(number: int) -> Iterator[None]:
    """What a strategy draws from the global generators depends on the round alone."""
    plain, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - theirs
    seed = integer_seed(number, "flower strategy") % 2**32
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(legacy)  # noqa: NPY002
