"""Chains as a scenario writes them: `topk(0.01) | int8 | range`."""

from __future__ import annotations

import ast
import dataclasses
import re
from typing import Any

from federation.codecs._stage import Stage
from federation.errors import ScenarioError
from federation.registry import Registry

_NONE = "none"


def stages() -> Registry[Stage]:
    """All stages of this package."""
    return Registry("codec", "federation.codecs", Stage)  # type: ignore[type-abstract]


def parse_chain(text: str) -> tuple[Stage, ...]:
    """The stages that `text` names; "none" has none.

    Raises ScenarioError for an unknown name or arguments that a stage does not take.
    """
    if text.strip() == _NONE:
        return ()
    return tuple(_stage(part.strip(), text) for part in text.split("|"))


def _stage(part: str, text: str) -> Stage:
    name, positional, named = _split(part, text)
    known = stages()
    match = re.fullmatch(r"([a-z-]+?)(\d+)", name)
    if match and name not in known.names() and match[1] in known.names():
        name, positional = match[1], [int(match[2]), *positional]
    if name == _NONE:
        raise ScenarioError(f"codec {text!r}: 'none' stands alone")
    kind = known.get(name)
    fields = [field.name for field in dataclasses.fields(kind)]
    wrong = [key for key in named if key not in fields]
    if len(positional) > len(fields) or wrong:
        said = f"argument {wrong[0]!r}" if wrong else f"{len(positional)} arguments"
        raise ScenarioError(
            f"codec {part!r} does not take {said}; it takes: {', '.join(fields) or 'none'}"
        )
    try:
        return kind(*positional, **named)
    except TypeError:
        missing = ", ".join(fields)
        raise ScenarioError(f"codec {part!r}: needs its arguments: {missing}") from None


def _split(part: str, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """`name(1, key=2)` -> name, [1], {key: 2}; names may begin with or hold digits and dashes."""
    match = re.fullmatch(r"([a-z0-9-]+)\s*(?:\((.*)\))?", part)
    if match is None:
        raise ScenarioError(f"codec {text!r}: {part!r} is not of the form name or name(arguments)")
    try:
        call = ast.parse(f"f({match[2] or ''})", mode="eval").body
        assert isinstance(call, ast.Call)
        positional = [ast.literal_eval(value) for value in call.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        raise ScenarioError(f"codec {part!r}: arguments must be numbers or quoted words") from None
    return match[1], positional, named
