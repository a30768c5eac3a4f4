"""What a Flower strategy keeps in its attributes, as arrays that a checkpoint can hold.

Attributes may be plain values (as JSON has them), arrays, lists of arrays, and dicts or
`ArrayRecord`s of arrays. Functions are given again when the strategy is built anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord

from federation.arrays import Arrays
from federation.errors import RunError

_PLAN = "plan"


def remembered(strategy: object) -> dict[str, np.ndarray[Any, Any]]:
    """The attributes of a strategy as named arrays.

    Raises RunError for an attribute of another kind.
    """
    plan: dict[str, Any] = {}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, value in vars(strategy).items():
        kind, found = _taken_apart(value)
        if kind is None:
            raise RunError(
                f"the Flower strategy {type(strategy).__name__} keeps {name!r}, a "
                f"{type(value).__name__}: a checkpoint holds plain values and arrays only"
            )
        plan[name] = [kind, found if kind == "plain" else list(found)]
        if kind not in ("plain", "function"):
            arrays |= {f"{name} {key}": array for key, array in found.items()}
    text = np.frombuffer(json.dumps(plan).encode(), np.uint8)
    return {_PLAN: text, **arrays}


def recall(strategy: object, arrays: Arrays) -> None:
    """Give a strategy that was built anew the attributes that `remembered` saw."""
    for name, (kind, found) in json.loads(arrays[_PLAN].tobytes()).items():
        if kind == "plain":
            setattr(strategy, name, found)
        elif kind != "function":
            values = {key: arrays[f"{name} {key}"].copy() for key in found}
            setattr(strategy, name, _put_together(kind, values))


def _taken_apart(value: object) -> tuple[str | None, Any]:
    """The kind of a value, None for none of ours, and its plain value or its arrays."""
    if isinstance(value, ArrayRecord):
        return "record", {key: array.numpy() for key, array in value.items()}
    if isinstance(value, np.ndarray):
        return "array", {"": value}
    if isinstance(value, np.generic):
        return "plain", value.item()
    if isinstance(value, list) and value and all(isinstance(v, np.ndarray) for v in value):
        return "list", {str(number): array for number, array in enumerate(value)}
    if isinstance(value, dict) and value and all(_is_named(*pair) for pair in value.items()):
        return "dict", value
    if callable(value):
        return "function", {}
    return ("plain", value) if _is_plain(value) else (None, None)


def _is_named(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, np.ndarray | np.generic)


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def _put_together(kind: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> object:
    if kind == "record":
        return ArrayRecord({key: Array(array) for key, array in arrays.items()})
    if kind == "array":
        return arrays[""]
    return list(arrays.values()) if kind == "list" else dict(arrays)
