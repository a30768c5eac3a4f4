"""Checks of a stage's arguments: each names the value, the place and what is valid."""

from __future__ import annotations

import math
from collections.abc import Collection

from federation.errors import ScenarioError, unknown_choice


def check_whole(codec: str, argument: str, value: object, least: int, most: int) -> None:
    """Raises ScenarioError unless `value` is a whole number in [least, most]."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ScenarioError(
            f"codec {codec}: {argument} {value!r} is not a whole number from {least} to {most}"
        )


def check_number(codec: str, argument: str, value: object, least: float, most: float) -> None:
    """Raises ScenarioError unless `value` is a number in [least, most]."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and least <= number <= most):
        raise ScenarioError(
            f"codec {codec}: {argument} {value!r} is not a number from {least:g} to {most:g}"
        )


def check_choice(codec: str, argument: str, value: object, choices: Collection[str]) -> None:
    """Raises ScenarioError unless `value` is one of the choices."""
    if value not in choices:
        raise ScenarioError(f"codec {codec}: {unknown_choice(argument, value, choices)}")
