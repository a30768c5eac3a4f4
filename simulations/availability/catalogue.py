"""The kinds of availability by name, and what a scenario says under `fleet.availability`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import get_args, get_type_hints

from federation.errors import ScenarioError, unknown_choice
from federation.registry import Registry
from simulations.availability.base import Availability


def availabilities() -> Registry[Availability]:
    """All kinds of availability of this project."""
    return Registry(
        "fleet.availability.kind",
        "simulations.availability.kinds",
        Availability,  # type: ignore[type-abstract]
    )


def build_availability(
    given: Mapping[str, object], seed: int, region: str | None = None
) -> Availability:
    """The availability that a table such as `{kind = "probability", online = 0.8}` describes.

    `seed` is the run's and `region` the clients'. A trace's file is read here. Raises
    ScenarioError for an unknown kind or key, a missing key, and a value that cannot be.
    """
    values = dict(given)
    kind = values.pop("kind", "always")
    owner = availabilities().get(str(kind))
    hints = get_type_hints(owner)
    fields = dataclasses.fields(owner)  # type: ignore[arg-type]
    valid = [field.name for field in fields if not field.kw_only]
    for key, value in values.items():
        if key not in valid:
            what = f"key in fleet.availability of kind {kind!r}:"
            raise ScenarioError(unknown_choice(what, key, valid or ["(none)"]))
        if not _fits(value, hints[key]):
            wanted = " or ".join(part.__name__ for part in _types(hints[key]))
            raise ScenarioError(f"fleet.availability.{key} = {value!r}: must be {wanted}")
    for field in fields:
        if (
            field.name in valid
            and field.default is dataclasses.MISSING
            and field.name not in values
        ):
            raise ScenarioError(f"fleet.availability of kind {kind!r} needs {field.name}")
    known = {"seed": seed, "region": region}
    filled = {field.name: known[field.name] for field in fields if field.name in known}
    return owner(**values, **filled)


def _types(hint: object) -> list[type]:
    parts = get_args(hint) or (hint,)
    return [part for part in parts if isinstance(part, type) and part is not type(None)]


def _fits(value: object, hint: object) -> bool:
    """Whether a TOML value is of an annotated type; a whole number is a float as well."""
    types = _types(hint)
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, tuple([*types, int] if float in types else types))
