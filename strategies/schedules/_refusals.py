"""What several schedules refuse, in one line each."""

from __future__ import annotations

from federation.errors import ScenarioError
from federation.scenario.schema import StrategyConfig


def check_waits_for_all(strategy: StrategyConfig) -> None:
    """Refuse rounds that would go on without some of those that were asked."""
    for key, value, nothing in (
        ("over_selection", strategy.over_selection, 1.0),
        ("deadline_s", strategy.deadline_s, None),
    ):
        if value != nothing:
            raise ScenarioError(
                f"strategy.{key} = {value:g}: the schedule {strategy.schedule!r} waits for all "
                f"that it asked; leave {key} out"
            )
