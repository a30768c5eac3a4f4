"""The schema as a tree of keys: which keys stand below a key, and what a value may be.

An annotation (`int`, `Positive | Literal["full"]`, a section, ...) is a node of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from federation.scenario.partitions import Section
from federation.scenario.schema import Scenario

ROOT: Any = Scenario


def members(node: Any) -> list[Any]:
    """The alternatives of a node, bounds kept, None left out."""
    bare = _bare(node)
    if get_origin(bare) in (Union, UnionType):
        return [m for part in get_args(bare) if part is not NoneType for m in members(part)]
    return [node]


def sections(node: Any) -> list[type[Section]]:
    """The tables a node may be: one for a plain section, several for a choice by `kind`."""
    return [m for m in members(node) if isinstance(m, type) and issubclass(m, Section)]


def variants(node: Any) -> dict[str, type[Section]]:
    """`kind` → table, where the node is a choice by `kind`; empty elsewhere."""
    found = sections(node)
    if len(found) < 2:
        return {}
    return {str(kind(section)): section for section in found}


def kind(node: Any) -> str | None:
    """The `kind` of a table that is one of several, None for other nodes."""
    for section in sections(node)[:1]:
        if "kind" in section.model_fields:
            return str(get_args(section.model_fields["kind"].annotation)[0])
    return None


def keys(node: Any) -> list[str]:
    """The keys of a table, of all its variants, sorted."""
    return sorted({name for section in sections(node) for name in section.model_fields})


def required(node: Any) -> list[str]:
    """The keys that a table must have: those of the section, or `kind` of a choice."""
    if variants(node):
        return ["kind"]
    return [
        name
        for section in sections(node)
        for name, field in section.model_fields.items()
        if field.is_required()
    ]


def child(node: Any, part: str) -> Any:
    """The node below `part`, None where there is none. In a list, `part` is an index."""
    for section in sections(node):
        if part in section.model_fields:
            return _hints(section)[part]
    for member in members(node):
        bare = _bare(member)
        if get_origin(bare) is dict:
            return get_args(bare)[1]
        if get_origin(bare) is list and part.isdecimal():
            return get_args(bare)[0]
    return None


def at(path: Sequence[str]) -> Any:
    """The node of a dotted key, None where the schema has no such key."""
    node = ROOT
    for part in path:
        node = child(node, part)
    return node


def places(name: str) -> Iterator[tuple[str, ...]]:
    """Every path of the schema, outside the tables chosen by `kind`, that ends in `name`."""
    for first in Scenario.model_fields:
        if first == name:
            yield (first,)
        node = at((first,))
        if any(name in section.model_fields for section in sections(node)):
            yield (first, name)


def describe(node: Any) -> str:
    """What a value may be, in words: "a whole number greater than 0 or 'full'"."""
    names = list(dict.fromkeys(_describe_member(member) for member in members(node)))
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _bare(node: Any) -> Any:
    return get_args(node)[0] if get_origin(node) is Annotated else node


@cache
def _hints(section: type[Section]) -> dict[str, Any]:
    return get_type_hints(section, include_extras=True)


def _describe_member(member: Any) -> str:
    metadata = get_args(member)[1:] if get_origin(member) is Annotated else ()
    name, bounds = _describe_bare(_bare(member)), " and ".join(_bounds(metadata))
    return f"{name} {bounds}" if bounds else name


def _describe_bare(bare: Any) -> str:
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if bare in plain:
        return plain[bare]
    if get_origin(bare) is Literal:
        return " or ".join(repr(choice) for choice in get_args(bare))
    if get_origin(bare) is list:
        item = _describe_bare(_bare(get_args(bare)[0]))
        item = item.removeprefix("a ").replace("list of", "lists of")
        return f"a list of {item}" + ("" if item == "text" or item[-1] == "s" else "s")
    return "a table"


def _bounds(metadata: Sequence[Any]) -> Iterator[str]:
    for bound in metadata:
        if isinstance(bound, FieldInfo):
            yield from _bounds(bound.metadata)
        elif isinstance(bound, Gt):
            yield f"greater than {bound.gt}"
        elif isinstance(bound, Ge):
            yield f"at least {bound.ge}"
        elif isinstance(bound, Lt):
            yield f"less than {bound.lt}"
        elif isinstance(bound, Le):
            yield f"at most {bound.le}"
