"""Schedules, algorithms and selection policies by the names and arguments that a scenario gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import TypeVar, get_args, get_origin, get_type_hints

from federation.errors import ScenarioError, unknown_choice
from federation.registry import Registry
from federation.scenario.schema import Scenario, StrategyConfig
from strategies.base import Algorithm, Schedule
from strategies.selections.base import Policy
from strategies.selections.chooser import Chooser
from strategies.selections.registry import selections

T = TypeVar("T", Algorithm, Schedule, Policy)


def algorithms() -> Registry[Algorithm]:
    """All algorithms of this project."""
    return Registry("strategy.algorithm", "strategies.algorithms", Algorithm)  # type: ignore[type-abstract]


def schedules() -> Registry[Schedule]:
    """All schedules of this project."""
    return Registry("strategy.schedule", "strategies.schedules", Schedule)  # type: ignore[type-abstract]


def build_algorithm(config: StrategyConfig, public: int = 0) -> Algorithm:
    """The algorithm of a strategy, with its share of `strategy.args`.

    A field whose metadata say `"of": "data.public"` is no argument: it gets `public`, the number of
    rows that everybody holds.
    """
    owner = algorithms().get(config.algorithm)
    known = {name for one in _owners(config) for name in _field_names(one)}
    others = {name: value for name, value in config.args.items() if name not in known}
    built = _build(owner, {**config.args, **dict.fromkeys(_rest(owner), others)})
    fields = dataclasses.fields(built)  # type: ignore[arg-type]
    told = [field.name for field in fields if field.metadata.get("of") == "data.public"]
    return dataclasses.replace(built, **dict.fromkeys(told, public)) if told else built  # type: ignore[type-var]


def build_schedule(config: StrategyConfig) -> Schedule:
    """The schedule of a strategy, with its share of `strategy.args`."""
    return _build(schedules().get(config.schedule), config.args)


def build_policy(config: StrategyConfig) -> Policy:
    """The selection policy of a strategy, with its share of `strategy.args`."""
    return _build(selections().get(config.selection), config.args)


def build_chooser(scenario: Scenario) -> Chooser:
    """Who says whom the rounds of a scenario ask."""
    strategy = scenario.strategy
    return Chooser(
        scenario.seed,
        scenario.clients_per_round,
        build_policy(strategy),
        strategy.over_selection,
        strategy.deadline_s,
        strategy.min_replies,
    )


def check_selection(config: StrategyConfig) -> None:
    """Refuse a choice of clients that the schedule has no use for."""
    schedule = build_schedule(config)
    if not schedule.selects and config.selection != "random":
        raise ScenarioError(
            f"strategy.selection = {config.selection!r}: the schedule {config.schedule!r} has an "
            'order of its own; set strategy.args.order = "sampled", or leave selection out'
        )
    if not schedule.waits_for_several:
        for key, value, nothing in (
            ("over_selection", config.over_selection, 1.0),
            ("min_replies", config.min_replies, 0.0),
        ):
            if value != nothing:
                raise ScenarioError(
                    f"strategy.{key} = {value:g}: the schedule {config.schedule!r} waits for one "
                    f"client at a time; leave {key} out"
                )


def check_arguments(config: StrategyConfig) -> None:
    """Refuse an argument that neither the schedule, the algorithm nor the selection takes."""
    owners = _owners(config)
    valid = [name for owner in owners for name in _field_names(owner)]
    takes_all = any(_rest(owner) for owner in owners)
    for name in config.args:
        if name not in valid and not takes_all:
            raise ScenarioError(unknown_choice("key in strategy.args:", name, valid or ["(none)"]))


def _owners(config: StrategyConfig) -> list[type[object]]:
    """All that have a share in `strategy.args`."""
    return [
        schedules().get(config.schedule),
        algorithms().get(config.algorithm),
        selections().get(config.selection),
    ]


def _rest(owner: type[object]) -> list[str]:
    """The field, if there is one, that takes the arguments that nobody knows by name."""
    return [field.name for field in dataclasses.fields(owner) if "rest" in field.metadata]  # type: ignore[arg-type]


def _build(owner: type[T], arguments: Mapping[str, object]) -> T:
    hints = get_type_hints(owner)
    taken: dict[str, object] = {}
    taken |= {name: arguments[name] for name in _rest(owner) if name in arguments}
    for name in _field_names(owner):
        if name in arguments:
            if not _fits(arguments[name], hints[name]):
                kind = getattr(hints[name], "__name__", hints[name])
                raise ScenarioError(f"strategy.args.{name} = {arguments[name]!r}: must be {kind}")
            taken[name] = arguments[name]
    return owner(**taken)


def _field_names(owner: type[object]) -> list[str]:
    fields = dataclasses.fields(owner)  # type: ignore[arg-type]
    return [f.name for f in fields if not f.metadata.keys() & {"rest", "of"}]


def _fits(value: object, hint: object) -> bool:
    """Whether a TOML value is of an annotated type; choices are checked by the owner itself."""
    if get_origin(hint) is UnionType:
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_fits(one, *get_args(hint)) for one in value)
    if get_origin(hint) is not None:
        kinds = tuple({type(choice) for choice in get_args(hint)})
        return isinstance(value, kinds) if all(isinstance(k, type) for k in kinds) else True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True
