"""When a run ends early, and what is refused because it could never be met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.ranges import Range
from federation.errors import ScenarioError
from federation.results.spent import Spent
from federation.scenario import files
from federation.scenario.schema import StopConfig
from federation.stopping import check, met, unwatched, used_up

SPENT = Spent(12_300_000, 90.0, Range(5.0, 6.0, 9.0), Range.exact(2.0))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"accuracy": 0.97}, "accuracy 97.1% >= 97%"),
        ({"accuracy": 0.971}, "accuracy 97.1% >= 97.1%"),
        ({"bytes": 10_000_000}, "bytes 12.3 MB >= 10.0 MB"),
        ({"bytes": 12_300_000}, "bytes 12.3 MB >= 12.3 MB"),
        ({"seconds": 60.0}, "seconds 1 min 30 s >= 1 min 00 s"),
        ({"joules": 5.5}, "joules 6.00 J >= 5.50 J"),
        ({"grams": 2.0}, "grams 2.00 g >= 2.00 g"),
        ({"grams": 1.0, "bytes": 1}, "bytes 12.3 MB >= 1 B, grams 2.00 g >= 1.00 g"),
        ({"accuracy": 0.98, "seconds": 89}, "seconds 1 min 30 s >= 1 min 29 s"),
    ],
)
def test_the_first_rule_that_is_met_ends_the_run_and_says_why(rule, why):
    assert met(StopConfig(**rule), 0.971, SPENT) == why


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"accuracy": 0.9711},
        {"bytes": 12_300_001},
        {"seconds": 90.5},
        {"joules": 6.5},  # the upper end of the range does not count
        {"grams": 2.01},
        {"accuracy": 1.0, "bytes": 10**9, "seconds": 1e9, "joules": 1e9, "grams": 1e9},
    ],
)
def test_nothing_met_goes_on(rule):
    assert met(StopConfig(**rule), 0.971, SPENT) is None
    assert not used_up(StopConfig(**rule), SPENT)


def test_without_rules_a_run_never_ends_early():
    assert met(None, 1.0, SPENT) is None
    assert not used_up(None, SPENT)
    assert unwatched(None, Spent()) == []


def test_a_round_that_was_not_tested_reaches_no_accuracy():
    assert met(StopConfig(accuracy=0.1), None, SPENT) is None


def test_only_a_budget_is_used_up():
    assert met(StopConfig(accuracy=0.1), 0.5, SPENT) is not None
    assert not used_up(StopConfig(accuracy=0.1), SPENT)
    assert used_up(StopConfig(accuracy=0.1, seconds=90), SPENT)


def test_what_is_not_known_is_never_used_up_and_that_is_said():
    stop = StopConfig(joules=5, grams=0.25, bytes=10**9)
    assert met(stop, None, Spent(7, 1.0)) is None
    assert unwatched(stop, Spent(7, 1.0)) == [
        "stop.joules = 5 has no effect: this run's energy is not known",
        "stop.grams = 0.25 has no effect: this run's emissions are not known",
    ]
    assert unwatched(stop, SPENT) == []
    assert unwatched(StopConfig(accuracy=0.5), Spent()) == []


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_budget_is_met_exactly_when_no_less_was_sent(budget, sent):
    stop = StopConfig(bytes=budget)
    assert used_up(stop, Spent(sent)) == (sent >= budget)
    assert (met(stop, None, Spent(sent)) is not None) == (sent >= budget)


def scenario(stop, fleet=({},)):
    return files.resolve(
        {
            "name": "small",
            "rounds": 3,
            "data": {"source": "digits", "clients": 4},
            "model": {"name": "logistic"},
            "local": {"lr": 0.1},
            "fleet": list(fleet),
            "stop": stop,
        },
        "test",
    )


def test_an_accuracy_that_is_never_measured_is_refused():
    check(scenario({"accuracy": 0.9}), "accuracy")
    check(scenario({"bytes": 9}), "mean_absolute_error")
    with pytest.raises(ScenarioError, match=r"stop\.accuracy = 0\.9: .* mean_absolute_error"):
        check(scenario({"accuracy": 0.9}), "mean_absolute_error")


def test_emissions_need_a_region_everywhere():
    here = {"region": "DEU", "share": 0.5}
    check(scenario({"grams": 9}, [here, here]), "accuracy")
    with pytest.raises(ScenarioError, match=r"stop\.grams = 9: .* set fleet\.1\.region"):
        check(scenario({"grams": 9}, [here, {"share": 0.5}]), "accuracy")


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        ({"accuracy": 97}, r"stop\.accuracy = 97: must be at most 1"),
        ({"accuracy": 0}, r"stop\.accuracy = 0: must be greater than 0"),
        ({"bytes": 1e9}, r"stop\.bytes = 1000000000\.0: .*\(write 1000000000\)"),
        ({"bytes": 0}, r"stop\.bytes = 0: must be greater than 0"),
        ({"seconds": -1}, r"stop\.seconds = -1: must be greater than 0"),
        ({"watts": 3}, r"stop\.watts: unknown key; Valid: accuracy, bytes, grams, joules"),
        (0.97, r"stop = 0\.97: must be a table; write \[stop\]"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(stop, said):
    with pytest.raises(ScenarioError, match=said):
        scenario(stop)
