"""Sweeps: one scenario that is many runs, the product of all the lists it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from federation.errors import ScenarioError
from federation.scenario import dotted, run_names, tree
from federation.scenario.dotted import Path
from federation.scenario.messages import unknown_key
from federation.scenario.values import show

MAX_RUNS = 10_000
CASE, LABEL = "case", "name"


@dataclass(frozen=True)
class _Choice:
    """One value of one swept key, or one case: what it sets, and its part of the run's name."""

    settings: tuple[tuple[Path, object], ...]
    label: str


def expand(table: Mapping[str, object], where: str = "") -> list[tuple[str, dict[str, object]]]:
    """The runs of a scenario: (name of the run, its table without the sweep), first list slowest.

    Without a sweep there is one run with the name "" (the result folder itself). A swept table
    replaces the whole table. Each run is still to be checked (`files.resolve`). A key that a run
    sets displaces what it makes meaningless, as `--set` does (`dotted.displaced`).

    Raises ScenarioError, beginning with `where`, for a key the schema does not have, a value that
    is not a list, an empty list, a key swept twice, and more than MAX_RUNS runs.
    """
    base = {key: value for key, value in table.items() if key != "sweep"}
    swept = table.get("sweep", {})
    try:
        if not isinstance(swept, dict):
            raise ScenarioError(f"sweep = {show(swept)}: must be a table; write [sweep]")
        axes = _axes(swept)
        _check(axes)
        if not axes:
            return [("", deepcopy(base))]
        return _runs(base, axes)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}" if where else str(error)) from None


def flat(swept: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The swept keys in file order, with and without quotes: `strategy.schedule = [...]` too.

    Cases are left out. Raises ScenarioError for text that is not a dotted key.
    """
    for path, value in _flat(swept, ()):
        if path != (CASE,):
            yield path, value


def flat_case(case: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """What one `[[sweep.case]]` sets. A whole section counts as its keys: it is not replaced."""
    for key, value in case.items():
        if key != LABEL:
            yield from _through_sections(_parse(key, "sweep.case"), value)


def _flat(node: Mapping[str, Any], above: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in node.items():
        path = above + _parse(key, "sweep")
        if isinstance(value, dict) and path != (CASE,):
            yield from _flat(value, path)
        else:
            yield path, value


def _through_sections(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and len(path) == 1 and len(tree.sections(tree.at(path))) == 1:
        for key, item in value.items():
            yield (*path, key), item
    else:
        yield path, value


def _parse(key: str, place: str) -> Path:
    path = dotted.parse(key)
    if path is None:
        raise ScenarioError(f'{place}: {show(key)} is not a dotted key such as "strategy.schedule"')
    return path


def _axes(swept: Mapping[str, Any]) -> list[list[_Choice]]:
    axes = []
    for path, values in _flat(swept, ()):
        if path == (CASE,):
            axes.append(_cases(values))
            continue
        _check_key(path, "sweep")
        place = f"sweep: {dotted.join(path)} = {show(values)}"
        if not isinstance(values, list):
            raise ScenarioError(f"{place}: must be a list; write [{show(values)}]")
        if not values:
            raise ScenarioError(f"{place}: is empty; give at least one value")
        axes.append([_Choice(((path, v),), run_names.of_value(path[-1], v)) for v in values])
    return axes


def _cases(cases: Any) -> list[_Choice]:
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ScenarioError(f"sweep.case = {show(cases)}: must be tables; write [[sweep.case]]")
    if not cases:
        raise ScenarioError("sweep.case = []: is empty; give at least one case")
    return [_case(index, case) for index, case in enumerate(cases)]


def _case(index: int, case: Mapping[str, Any]) -> _Choice:
    place = f"sweep.case[{index}]"
    label = case.get(LABEL)
    if label is not None and (not isinstance(label, str) or not run_names.slug(label)):
        raise ScenarioError(f"{place}: name = {show(label)}: must be text with a letter or digit")
    settings = tuple(flat_case(case))
    for path, _ in settings:
        _check_key(path, place)
    values = [run_names.of_value(path[-1], value) for path, value in settings]
    return _Choice(settings, run_names.slug(label) if label else "+".join(values) or "base")


def _check_key(path: Path, place: str) -> None:
    for depth in range(len(path)):
        parent, part = tree.at(path[:depth]), path[depth]
        if tree.child(parent, part) is not None:
            continue
        if not tree.keys(parent):
            raise ScenarioError(f"{place}: {dotted.join(path[:depth])} has no keys below it")
        advice = unknown_key(part, parent, tree.keys(parent))
        raise ScenarioError(f"{place}: {dotted.join(path[: depth + 1])}: {advice}")


def _check(axes: list[list[_Choice]]) -> None:
    """No key may come from two lists: which one counts would depend on their order."""
    keys = [{path for choice in axis for path, _ in choice.settings} for axis in axes]
    for index, ours in enumerate(keys):
        for path, other in product(ours, set().union(*keys[index + 1 :])):
            if dotted.covers(path, other) or dotted.covers(other, path):
                both = "twice" if path == other else f"and so is {dotted.join(other)}"
                raise ScenarioError(f"sweep: {dotted.join(path)} is swept {both}; keep one")
    count = prod(len(axis) for axis in axes)
    if count > MAX_RUNS:
        raise ScenarioError(f"sweep: makes {count} runs, more than {MAX_RUNS}; shorten its lists")


def _runs(base: dict[str, Any], axes: list[list[_Choice]]) -> list[tuple[str, dict[str, object]]]:
    combinations = list(product(*axes))
    labels = ["+".join(choice.label for choice in choices) for choices in combinations]
    return [
        (name, _apply(base, choices))
        for name, choices in zip(run_names.unique(labels), combinations, strict=True)
    ]


def _apply(base: dict[str, Any], choices: tuple[_Choice, ...]) -> dict[str, object]:
    run = deepcopy(base)
    settings = [setting for choice in choices for setting in choice.settings]
    ours = {path for path, _ in settings}
    for path, value in settings:
        dotted.drop_displaced(run, path, value, ours)
        dotted.put(run, path, deepcopy(value))
    return run
