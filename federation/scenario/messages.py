"""One readable line out of what pydantic found wrong with a scenario."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from federation.scenario import dotted, tree
from federation.scenario.values import show

MAX_KEY = 100
UNKNOWN_KEY, MISSING = "extra_forbidden", "missing"
TAG_UNKNOWN, TAG_MISSING = "union_tag_invalid", "union_tag_not_found"
TABLE_WANTED = ("model_type", "model_attributes_type", "dict_type")
PHRASES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text, in quotes",
    "finite_number": "a finite number",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def one_line(error: ValidationError, where: str) -> str:
    """What is wrong with a `Scenario`, as `where: key = value: remedy`, and how many more.

    A key that does not exist comes first: it often explains a key that is missing.
    """
    found: dict[str, _Problem] = {}
    for details in error.errors(include_url=False):
        problem = _locate(details)
        found.setdefault(problem.key, problem)
    first, *rest = sorted(found.values(), key=lambda problem: problem.kind != UNKNOWN_KEY)
    more = f" (and {len(rest)} more)" if rest else ""
    return f"{where}: {_explain(first)}{more}"


def choice(value: object, valid: Iterable[str], what: str = "") -> str:
    """`unknown key; did you mean 'lr'? Valid: batch_size, lr`, in the manner of federation.errors.

    Initials count as close: `learning_rate` is taken for `lr`.
    """
    names = sorted(valid)
    close = _nearest(str(value)[:100], names)
    hint = f"did you mean {close!r}? " if close else ""
    return f"unknown{what}; {hint}Valid: {', '.join(names)}"


def unknown_key(name: str, parent: Any, valid: list[str]) -> str:
    """What to say of a key that the table `parent` does not have, though another may have it."""
    kind = tree.kind(parent)
    what = " key" + (f" for kind = {kind!r}" if kind else "")
    elsewhere = list(tree.places(name))
    if len(elsewhere) != 1:
        return choice(name, valid, what)
    hint = f"did you mean {dotted.join(elsewhere[0])!r}? "
    return f"unknown{what}; {hint}Valid: {', '.join(valid)}"


@dataclass(frozen=True)
class _Problem:
    """One error of pydantic, placed in the schema."""

    kind: str
    path: tuple[str | int, ...]
    node: Any  # the schema's node at the path, None for an unknown key
    parent: Any  # the node above
    value: Any
    details: Any

    @property
    def key(self) -> str:
        tag = (TAG_UNKNOWN, TAG_MISSING)
        key = dotted.join((*self.path, "kind") if self.kind in tag else self.path)
        return key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}..."


def _locate(details: Any) -> _Problem:
    """Follow pydantic's `loc` through the schema, leaving out the labels of unions."""
    path: list[str | int] = []
    node: Any = tree.ROOT
    parent: Any = None
    for part in details["loc"]:
        kinds = tree.variants(node)
        if part in kinds:
            node = kinds[part]
        elif len(tree.members(node)) > 1 and not kinds:
            break  # what follows are the alternatives of a plain union
        else:
            parent, node = node, tree.child(node, str(part))
            path.append(part)
    return _Problem(details["type"], tuple(path), node, parent, details["input"], details)


def _explain(problem: _Problem) -> str:
    kind, key, value = problem.kind, problem.key, problem.value
    if kind == UNKNOWN_KEY:
        valid = tree.keys(problem.parent)
        if problem.parent is tree.ROOT:  # a file may also have [sweep]; it never gets this far
            valid = sorted([*valid, "sweep"])
        return f"{key}: {unknown_key(str(problem.path[-1]), problem.parent, valid)}"
    if kind == MISSING:
        return f"{key}: missing; {_wanted(problem)}"
    if kind == TAG_MISSING:
        return f"{key}: missing; Valid: {', '.join(sorted(tree.variants(problem.node)))}"
    if kind == TAG_UNKNOWN:
        tag = value.get("kind")
        return f"{key} = {show(tag)}: {choice(tag, tree.variants(problem.node))}"
    if kind in ("value_error", "assertion_error"):
        return _rule(problem)
    return f"{key} = {show(value)}: {_remedy(problem)}"


def _rule(problem: _Problem) -> str:
    """A rule of the schema that was broken; the rule has its own words."""
    text = str(problem.details["ctx"]["error"])
    if not problem.path:
        return text
    if tree.sections(problem.node):
        return f"{problem.key}: {text}"
    return f"{problem.key} = {show(problem.value)}: {text}"


def _wanted(problem: _Problem) -> str:
    if not tree.sections(problem.node):
        return f"it must be {tree.describe(problem.node)}"
    needed = ", ".join(tree.required(problem.node))
    return f"write a table [{problem.key}] with {needed}"


def _remedy(problem: _Problem) -> str:
    if problem.kind in TABLE_WANTED:
        return _table_wanted(problem)
    if problem.kind == "list_type" and tree.sections(tree.child(problem.node, "0")):
        return f"must be a list of tables; write [[{problem.key}]]"
    alternatives = tree.members(problem.node) if problem.node else []
    if problem.kind == "literal_error" and len(alternatives) == 1:
        return choice(problem.value, get_args(alternatives[0]))
    if len(alternatives) > 1 or problem.kind == "list_type":
        return f"must be {tree.describe(problem.node)}"
    if problem.kind == "string_too_short":
        return "must not be empty"
    phrase = PHRASES.get(problem.kind)
    if phrase is None:
        return str(problem.details["msg"]).replace("Input should", "must")
    return f"must be {phrase.format(**problem.details.get('ctx', {}))}{_rewritten(problem)}"


def _table_wanted(problem: _Problem) -> str:
    kinds = tree.variants(problem.node)
    if problem.value in list(kinds):
        return f'must be a table; write {{ kind = "{problem.value}" }}'
    if kinds:
        return f"must be a table with a kind. Valid: {', '.join(sorted(kinds))}"
    if "[" in problem.key:  # an entry of a list of tables has no heading of its own
        return "must be a table"
    return f"must be a table; write [{problem.key}]"


def _rewritten(problem: _Problem) -> str:
    """The value as it should have been written, where that can be guessed."""
    value, wanted = problem.value, problem.kind
    if wanted == "string_type" and isinstance(value, int | float):
        return f' (write "{show(value)}")'
    if wanted == "int_type" and isinstance(value, float) and value.is_integer():
        return f" (write {show(int(value))})"
    if not isinstance(value, str):
        return ""
    if wanted == "bool_type" and value.lower() in ("true", "false"):
        return f" (write {value.lower()}, without quotes)"
    try:
        number = {"int_type": int, "float_type": float}[wanted](value)
    except (KeyError, ValueError):
        return ""
    return " (remove the quotes)" if str(number) == value else f" (write {number})"


def _nearest(value: str, names: list[str]) -> str | None:
    for name in names:
        if name in (value, _initials(value)) or value == _initials(name):
            return name
    close = get_close_matches(value, names, n=1)
    return close[0] if close else None


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.replace("-", "_").split("_")) if "_" in name else ""
