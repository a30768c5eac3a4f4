"""The selection policies by name."""

from __future__ import annotations

from federation.registry import Registry
from strategies.selections.base import Policy


def selections() -> Registry[Policy]:
    """All selection policies of this project."""
    return Registry("strategy.selection", "strategies.selections.policies", Policy)  # type: ignore[type-abstract]
