"""What a scenario may name, for `paceline list`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import typer

from federation.codecs._catalogue import codecs
from federation.errors import ScenarioError, unknown_choice
from federation.registry import Registry
from simulations import devices
from simulations.prepare import bundled_scenarios
from strategies.catalogue import algorithms, schedules


@dataclass(frozen=True)
class Entry:
    """A name and one line about it."""

    name: str
    about: str


def kinds() -> dict[str, Callable[[], Iterable[Entry]]]:
    """Kind -> its entries."""
    return {
        "scenarios": _scenarios,
        "schedules": lambda: _registered(schedules()),
        "algorithms": lambda: _registered(algorithms()),
        "codecs": lambda: _registered(codecs()),
        "models": _models,
        "partitions": _partitions,
        "devices": lambda: _profiles("devices"),
        "networks": lambda: _profiles("networks"),
    }


def print_catalogue(kind: str | None) -> None:
    """Print one kind, or all. Raises ScenarioError for an unknown kind."""
    known = kinds()
    if kind is not None and kind not in known:
        raise ScenarioError(unknown_choice("kind", kind, known))
    for name in known if kind is None else [kind]:
        entries = list(known[name]())
        width = max(len(entry.name) for entry in entries)
        if kind is None:
            typer.echo(f"{name}:")
        for entry in entries:
            typer.echo(f"  {entry.name:<{width}}  {entry.about}")


def _scenarios() -> Iterable[Entry]:
    for name, path in bundled_scenarios().items():
        comment = path.read_text().partition("\n")[0].lstrip("# ").strip()
        yield Entry(name, comment if not comment.startswith("name") else "")


def _registered(registry: Registry[Any]) -> Iterable[Entry]:
    for name in registry.names():
        yield Entry(name, _first_line(registry.get(name)))


def _models() -> Iterable[Entry]:
    from federation.models.zoo import zoo

    return [Entry(name, _first_line(factory)) for name, factory in zoo().items()]


def _partitions() -> Iterable[Entry]:
    from typing import get_args

    from federation.scenario.partitions import Partition

    for section in get_args(get_args(Partition)[0]):
        kind = get_args(section.model_fields["kind"].annotation)[0]
        keys = ", ".join(name for name in section.model_fields if name != "kind")
        yield Entry(kind, _first_line(section) + (f" Keys: {keys}." if keys else ""))


def _profiles(kind: str) -> Iterable[Entry]:
    for name in devices.profile_names(kind):
        table = tomllib.loads((devices.PROFILES / kind / f"{name}.toml").read_text())
        yield Entry(name, f"{table['title']} ({table['source']})")


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]
