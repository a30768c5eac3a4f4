"""When a run ends before its last round: an accuracy that is reached, a budget that is used up.

Both are looked at after each round, round 0 included. The round that crosses a budget counts: the
model it gives is the run's, and what it took is in the tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from federation.errors import ScenarioError
from federation.results.spent import Spent
from federation.scenario.schema import Scenario, StopConfig
from federation.units import bytes_text, grams_text, joules_text, seconds_text


def check(scenario: Scenario, metric_name: str) -> None:
    """Refuse what this run could never meet, as far as that is known before it starts.

    `metric_name` is what the model's task calls its metric. Raises ScenarioError.
    """
    stop = scenario.stop or StopConfig()
    if stop.accuracy is not None and metric_name != "accuracy":
        raise ScenarioError(
            f"stop.accuracy = {stop.accuracy:g}: this model is tested by {metric_name}, which is "
            "no accuracy; take it out or give a budget"
        )
    nowhere = [number for number, share in enumerate(scenario.fleet) if share.region is None]
    if stop.grams is not None and nowhere:
        raise ScenarioError(
            f"stop.grams = {stop.grams:g}: emissions are not known without a region; set "
            f"fleet.{nowhere[0]}.region, such as DEU"
        )


def met(stop: StopConfig | None, accuracy: float | None, spent: Spent) -> str | None:
    """Why the run ends here, as in `accuracy 97.1% >= 97%`; None where it goes on.

    `accuracy` is that of the round, None where the model was not tested. Where several rules are
    met, all are named. Figures that rest on a range count with their base.
    """
    if stop is None:
        return None
    return ", ".join((*_reached(stop, accuracy), *_used_up(stop, spent))) or None


def used_up(stop: StopConfig | None, spent: Spent) -> bool:
    """Whether a budget is met, whatever the accuracy."""
    return stop is not None and any(_used_up(stop, spent))


def unwatched(stop: StopConfig | None, spent: Spent) -> list[str]:
    """A line for each budget that cannot end the run as things are: there is no such figure."""
    if stop is None:
        return []
    budgets = (
        ("joules", stop.joules, spent.energy_j, "energy is"),
        ("grams", stop.grams, spent.carbon_g, "emissions are"),
    )
    return [
        f"stop.{name} = {budget:g} has no effect: this run's {what} not known"
        for name, budget, figure, what in budgets
        if budget is not None and figure is None
    ]


def _reached(stop: StopConfig, accuracy: float | None) -> Iterator[str]:
    goal = stop.accuracy
    if goal is not None and accuracy is not None and accuracy >= goal:
        yield f"accuracy {_percent(accuracy)} >= {_percent(goal)}"


def _used_up(stop: StopConfig, spent: Spent) -> Iterator[str]:
    joules = None if spent.energy_j is None else spent.energy_j.base
    grams = None if spent.carbon_g is None else spent.carbon_g.base
    for name, budget, used, text in (
        ("bytes", stop.bytes, spent.sent_bytes, bytes_text),
        ("seconds", stop.seconds, spent.time_s, seconds_text),
        ("joules", stop.joules, joules, joules_text),
        ("grams", stop.grams, grams, grams_text),
    ):
        if budget is not None and used is not None and used >= budget:
            yield f"{name} {text(used)} >= {text(budget)}"


def _percent(fraction: float) -> str:
    """Four digits and no zeros behind them.

    >>> _percent(0.97), _percent(0.97125)
    ('97%', '97.12%')
    """
    return f"{100 * fraction:.4g}%"
