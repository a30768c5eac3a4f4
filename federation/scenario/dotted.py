"""Dotted keys (`data.partition.alpha`): reading, writing and setting them in a table."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from federation.errors import ScenarioError
from federation.scenario import tree
from federation.scenario.values import show

Path = tuple[str, ...]

# Two keys of which a table may have only one: setting the one takes the other away.
RIVALS: dict[Path, Path] = {
    ("local", "epochs"): ("local", "steps"),
    ("local", "steps"): ("local", "epochs"),
}


def parse(text: str) -> Path | None:
    """The parts of a dotted TOML key, None where the text is not one.

    >>> parse('sweep."strategy.schedule"')
    ('sweep', 'strategy.schedule')
    """
    if "\n" in text:
        return None
    try:
        node: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    path = []
    while isinstance(node, dict) and len(node) == 1:
        (part, node), *_ = node.items()
        path.append(part)
    return tuple(path) if path and node == 0 else None


def join(path: Sequence[str | int]) -> str:
    """The dotted key of a path, with an index in brackets: `fleet[0].share`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else json.dumps(part))
    return text


def covers(upper: Path, lower: Path) -> bool:
    """True where `lower` is `upper` or stands below it."""
    return lower[: len(upper)] == upper


def put(table: dict[str, Any], path: Path, value: object) -> None:
    """Set one key, making the tables above it.

    Raises ScenarioError where something above it is neither a table nor a list with that index.
    """
    node: Any = table
    for depth, part in enumerate(path[:-1], start=1):
        node = _enter(node, part, path, depth)
    _enter(node, path[-1], path, len(path), leaf=True)
    node[int(path[-1]) if isinstance(node, list) else path[-1]] = value


def displaced(path: Path, value: object, other: Path) -> bool:
    """True where setting `path` to `value` makes the key `other` meaningless.

    That is so for `local.epochs` and `local.steps`, of which a scenario has one, and below a
    table with a `kind`, for every key that the new kind does not have.
    """
    if RIVALS.get(path) == other:
        return True
    kinds = tree.variants(tree.at(path[:-1])) if path[-1] == "kind" else {}
    if not isinstance(value, str) or value not in kinds:
        return False
    below = covers(path[:-1], other) and len(other) == len(path)
    return below and other[-1] not in kinds[value].model_fields


def drop_displaced(table: dict[str, Any], path: Path, value: object, keep: set[Path]) -> None:
    """Take out of `table` what setting `path` makes meaningless, except the keys in `keep`."""
    node: Any = table
    for part in path[:-1]:
        node = node.get(part) if isinstance(node, dict) else None
    for sibling in list(node) if isinstance(node, dict) else []:
        other = (*path[:-1], sibling)
        if other not in keep and displaced(path, value, other):
            del node[sibling]


def _enter(node: Any, part: str, path: Path, depth: int, *, leaf: bool = False) -> Any:
    """What stands at `part` of `node`; an empty table or list is made where there is nothing."""
    if isinstance(node, dict):
        if leaf:
            return None
        return node.setdefault(part, [] if path[depth].isdecimal() else {})
    here = join(path[: depth - 1])
    if not isinstance(node, list):
        raise ScenarioError(f"{join(path)} cannot be set: {here} = {show(node)} is not a table")
    if not part.isdecimal() or int(part) > len(node):
        raise ScenarioError(
            f"{join(path)} cannot be set: {here} is a list with {len(node)} entries; "
            f"write an index such as {here}.0, or set {here} whole"
        )
    if int(part) == len(node):
        node.append({})
    return node[int(part)]
