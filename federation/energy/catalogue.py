"""Meters and sources of carbon intensity by the names that a user gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from federation.energy import illustrative_day
from federation.energy.carbon import Grid
from federation.energy.carbon_files import read_trace
from federation.energy.meter import Meter
from federation.energy.regions import region_table
from federation.errors import ScenarioError, unknown_choice
from federation.registry import Registry

TABLE: Final = "table"
SHIPPED: Final = (TABLE, illustrative_day.NAME)
"""What `energy.carbon` may say that is no path."""


def meters() -> Registry[Meter]:
    """All meters of this project."""
    return Registry("meter", "federation.energy.meters", Meter)  # type: ignore[type-abstract]


def build_meter(name: str, arguments: Mapping[str, object] | None = None) -> Meter:
    """The meter of that name with its arguments.

    Raises ScenarioError for an unknown name or argument, a wrong type, a package that is not
    installed, or hardware that must not be measured (a slice of a GPU). Hardware that is not there
    is no error: such a meter says "not measured".
    """
    owner = meters().get(name)
    given: dict[str, Any] = dict(arguments or {})  # each is held to its type below
    hints = get_type_hints(owner)
    valid = [field.name for field in dataclasses.fields(owner) if not field.kw_only]
    for key, value in given.items():
        if key not in valid:
            raise ScenarioError(unknown_choice(f"argument of meter {name!r}:", key, valid))
        if not _fits(value, hints[key]):
            wanted = get_args(hints[key]) or hints[key].__name__
            raise ScenarioError(f"meter {name!r}: {key} = {value!r} must be {wanted}")
    required = [
        field.name
        for field in dataclasses.fields(owner)
        if not field.kw_only and field.default is dataclasses.MISSING
    ]
    for key in required:
        if key not in given:
            raise ScenarioError(f"meter {name!r} needs {key}")
    return owner(**given)


def open_grid(choice: str) -> Grid:
    """`energy.carbon`: "table" for the intensities that ship, a made-up day, or a trace's path.

    Raises ScenarioError.
    """
    if choice == illustrative_day.NAME:
        return illustrative_day.illustrative_day()
    return region_table() if choice == TABLE else read_trace(Path(choice).expanduser())


def _fits(value: object, hint: type) -> bool:
    if choices := get_args(hint):
        return value in choices
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
