"""Bounds of arguments."""

from __future__ import annotations

from federation.errors import ScenarioError
from federation.scenario.schema import LocalConfig


def require(name: str, value: float, bounds: str) -> None:
    """Refuse a value outside `bounds`, written as an interval; NaN is outside of all.

    >>> require("mu", -1.0, "[0, 1000]")
    Traceback (most recent call last):
    federation.errors.ScenarioError: strategy.args.mu = -1: must be in [0, 1000]
    """
    low, high = (float(end) for end in bounds[1:-1].split(","))
    above = value > low if bounds[0] == "(" else value >= low
    below = value < high if bounds[-1] == ")" else value <= high
    if not (above and below):
        raise ScenarioError(f"strategy.args.{name} = {value:g}: must be in {bounds}")


def require_sgd(algorithm: str, local: LocalConfig) -> None:
    """Refuse a local optimiser whose steps are no multiples of gradients."""
    if local.optimizer != "sgd":
        raise ScenarioError(
            f"local.optimizer = {local.optimizer!r}: {algorithm} counts the gradients that a step "
            "is made of, which only 'sgd' tells"
        )
