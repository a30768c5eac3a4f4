"""What every selection policy promises, run over all that are registered."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.errors import RunError, ScenarioError
from strategies.selections.base import Asked
from strategies.selections.candidates import wait_until
from strategies.selections.registry import selections

MILLION = 1_000_000

# Arguments worth testing beside the defaults: name -> each of them in turn.
SETTINGS = {
    "random": [{}],
    "power-of-choice": [{}, {"candidates": 30}, {"draw_by": "examples"}],
    "deadline-aware": [{}, {"margin": 0.5}],
    "battery-aware": [{}, {"utility_share": 1.0, "reserve": 0.0}],
    "carbon-aware": [{}, {"slack_s": 7200.0}],
}

CASES = [(name, arguments) for name, many in SETTINGS.items() for arguments in many]
every_policy = pytest.mark.parametrize(
    ("name", "arguments"), CASES, ids=lambda part: part if isinstance(part, str) else str(part)
)


@dataclass
class Rules:
    """An outlook by rules: a share of the clients is online in each hour, all suit every policy.

    `looked_at` counts the clients whose availability was asked for.
    """

    share: float = 1.0
    now: float = 0.0
    opens_s: float = 0.0
    looked_at: list[int] = field(default_factory=list)

    def available(self, clients, time_s):
        self.looked_at.append(len(clients))
        if time_s < self.opens_s:
            return np.zeros(len(clients), dtype=bool)
        return self._draw(clients, 1 + int(time_s // 3600)) < self.share

    def next_change(self, time_s):
        return (time_s // 3600 + 1) * 3600

    def expected_s(self, clients):
        return 1 + 9 * self._draw(clients, 1001)

    def charge(self, clients):
        return 0.1 + 0.9 * self._draw(clients, 1002)

    def g_per_kwh(self, clients, time_s):
        return 100 + 500 * self._draw(clients, 2000 + int(time_s // 3600))

    def examples(self, clients):
        return 1 + np.floor(99 * self._draw(clients, 1003))

    @staticmethod
    def _draw(clients, salt):
        """A number in [0, 1) for each client; a mixing of the bits of its id (splitmix64)."""
        with np.errstate(over="ignore"):
            bits = (clients.astype(np.uint64) + np.uint64(salt << 32)) * np.uint64(
                0x9E3779B97F4A7C15
            )
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (bits ^ (bits >> np.uint64(31))) / 2.0**64


class Silent(Rules):
    """An outlook that tells who is there and nothing else, as real nodes do."""

    def expected_s(self, clients):
        return None

    charge = examples = expected_s

    def g_per_kwh(self, clients, time_s):
        return None


def policy(name, arguments):
    return selections().get(name)(**arguments)


def question(outlook, population=200, count=10, memory=None, seed=3, number=1):
    return Asked(seed, number, population, count, outlook, memory or {}, deadline_s=10.0)


def who_is_there(outlook, population, time_s):
    return set(np.flatnonzero(outlook.available(np.arange(population), time_s)).tolist())


def test_every_policy_is_tried_here():
    assert sorted(SETTINGS) == selections().names()


@every_policy
@pytest.mark.parametrize("share", [1.0, 0.5, 0.03])
@pytest.mark.parametrize("number", range(1, 6))
def test_asks_the_right_number_of_distinct_available_clients(name, arguments, share, number):
    choice = policy(name, arguments).choose(question(Rules(share), number=number))
    there = who_is_there(Rules(share), 200, choice.wait_s)
    assert set(choice.clients) <= there
    assert len(choice.clients) == len(set(choice.clients)) == min(10, len(there))
    assert all(type(client) is int for client in choice.clients)


@every_policy
def test_everyone_is_asked_where_all_are_wanted(name, arguments):
    arguments = {key: value for key, value in arguments.items() if key != "candidates"}
    choice = policy(name, arguments).choose(question(Rules(), population=40, count=40))
    assert sorted(choice.clients) == list(range(40))


@every_policy
@pytest.mark.parametrize("share", [1.0, 0.2, 2e-5])
def test_a_million_clients_are_no_obstacle(name, arguments, share):
    outlook = Rules(share)
    choice = policy(name, arguments).choose(question(outlook, population=MILLION))
    looked_at = sum(outlook.looked_at)
    there = who_is_there(outlook, MILLION, choice.wait_s)
    assert set(choice.clients) <= there
    assert len(set(choice.clients)) == min(10, len(there))
    if share >= 0.2 and arguments != {"draw_by": "examples"}:
        looks = 1 + arguments.get("slack_s", 0) / 900
        assert looked_at <= 400 * looks


@every_policy
def test_the_same_question_has_the_same_answer_and_another_round_another(name, arguments):
    chooser = policy(name, arguments)
    ask = lambda **changes: chooser.choose(question(Rules(0.5), **changes))  # noqa: E731
    assert ask() == policy(name, arguments).choose(question(Rules(0.5)))
    assert len({ask(number=number).clients for number in range(1, 20)}) == 19
    assert len({ask(seed=seed).clients for seed in range(20)}) == 20


@every_policy
def test_the_memory_is_arrays_whose_order_by_name_does_not_matter(name, arguments):
    chooser = policy(name, arguments)
    clients, losses = list(range(0, 200, 3)), np.linspace(0.1, 3, 67).tolist()
    memory = chooser.remember({}, clients, losses)
    assert all(isinstance(value, np.ndarray) for value in memory.values())
    before = {key: value.copy() for key, value in memory.items()}
    choice = chooser.choose(question(Rules(), memory=memory))
    turned = chooser.choose(question(Rules(), memory=dict(reversed(memory.items()))))
    assert (choice.clients, choice.wait_s) == (turned.clients, turned.wait_s)
    again = chooser.remember(memory, clients[:5], losses[5:10])
    assert all(np.array_equal(memory[key], before[key]) for key in before)
    assert set(again) == set(memory) == set(choice.memory)


@every_policy
def test_the_order_of_replies_does_not_matter_to_the_memory(name, arguments):
    chooser = policy(name, arguments)
    first = chooser.remember(chooser.remember({}, [7, 2], [1.0, 2.0]), [9, 2, 4], [3.0, 4.0, 5.0])
    other = chooser.remember(chooser.remember({}, [2, 7], [2.0, 1.0]), [4, 9, 2], [5.0, 3.0, 4.0])
    assert first.keys() == other.keys()
    assert all(np.array_equal(first[key], other[key]) for key in first)


@every_policy
def test_waits_until_the_first_client_can_be_asked(name, arguments):
    choice = policy(name, arguments).choose(question(Rules(0.5, now=1000.0, opens_s=9000.0)))
    assert 1000.0 + choice.wait_s >= 10_800.0  # the first full hour after opening
    assert choice.wait_s == 9800.0 or "slack_s" in arguments
    assert set(choice.clients) <= who_is_there(Rules(0.5), 200, 1000.0 + choice.wait_s)


@every_policy
def test_nobody_ever_is_an_error_of_one_line(name, arguments):
    with pytest.raises(RunError, match=r"^round 1: none of 200 clients is available") as caught:
        policy(name, arguments).choose(question(Rules(0.0)))
    assert "\n" not in str(caught.value)
    assert "1000 changes" in str(caught.value)


@every_policy
def test_does_not_wait_for_a_change_that_never_comes(name, arguments):
    outlook = Rules(0.0)
    outlook.next_change = lambda time_s: float("inf")
    with pytest.raises(RunError, match="that will not change"):
        policy(name, arguments).choose(question(outlook))
    assert sum(outlook.looked_at) <= 2 * 200


@every_policy
def test_refuses_by_name_what_it_needs_and_nobody_knows(name, arguments):
    needs_nothing = name == "random" or (name == "power-of-choice" and "draw_by" not in arguments)
    if needs_nothing:
        assert len(policy(name, arguments).choose(question(Silent())).clients) == 10
        return
    with pytest.raises(ScenarioError, match=f'strategy.selection = "{name}" needs') as caught:
        policy(name, arguments).choose(question(Silent()))
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 1e9), st.floats(0, 1e9))
@example(414.655, 2818.609)  # 414.655 + (2818.609 - 414.655) < 2818.609
def test_a_wait_never_ends_too_early_by_rounding(now_s, time_s):
    wait_s = wait_until(time_s, now_s)
    assert wait_s >= 0
    assert now_s + wait_s >= time_s
    assert now_s + wait_s <= max(now_s, np.nextafter(np.nextafter(time_s, np.inf), np.inf))
