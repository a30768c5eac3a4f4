"""What a run commits, and when; and where it would go on."""

import io
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from federation import session
from federation.arrays import digest
from federation.errors import FolderError
from federation.evaluation import Evaluation, Examiner
from federation.messages import Reply, Timing
from federation.progress import Progress
from federation.recording import Recorder, Rows
from federation.results.folder import RunFolder
from federation.results.tables import ClientRow, ExchangeRow, RoundRow
from federation.rounds import RoundResult, outcome_of
from federation.scenario import files
from federation.scenario.schema import StopConfig
from federation.session import Journal, Session, start_of

ROUNDS = 5
HOUR_S = 3600.0
FLEET = {"held model": {"w": np.arange(3, dtype="f4")}}


@pytest.fixture
def clock(monkeypatch):
    """From now on the wall clock moves by the test's hand only."""
    clock = SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", 'name = "tiny"\nrounds = 5\n', {"run_id": "1"})


@pytest.fixture
def scenario():
    return files.resolve(
        {
            "name": "tiny",
            "rounds": ROUNDS,
            "data": {"source": "digits", "clients": 2},
            "model": {"name": "logistic"},
            "local": {"lr": 0.1},
            "evaluation": {"every": 2},
        },
        "test",
    )


def state_after(number):
    return {"model": {"w": np.full(3, number, "f4")}, "control": {"w": np.full(3, -number, "f4")}}


def result_of(number):
    reply = Reply(0, number, "train", {"weight": 1.0}, sent_bytes=5, timing=Timing(0.0, 1.0))
    return RoundResult(number, state_after(number), (outcome_of(reply),), number - 1, number)


@pytest.fixture
def open_session(scenario, clock):
    """A session whose model's loss is its first weight; time passes only by the test's hand."""

    def make(folder, store, keeps_state=False, wall_before_s=0.0):
        def examine(model):
            return Evaluation(float(model["w"][0]), 0.5, 0.5, 1)

        return Session(
            scenario,
            SimpleNamespace(now=7.25, state=lambda: FLEET),
            Recorder("tiny", scenario, lambda _: (None, None, None)),
            examine,
            Examiner(None, None, scenario).due,
            Journal(folder.path, store, keeps_state),
            Progress("tiny", ROUNDS, stream=io.StringIO()),
            wall_before_s,
        )

    return make


def committed_after_each(session, store, numbers):
    seen = []
    for number in numbers:
        session.play(iter([result_of(number)]))
        seen.append((store.committed() or [None])[0])
    return seen


def test_nothing_is_there_to_go_on_from_before_the_first_commit(folder, open_session):
    with folder.drive() as store:
        assert start_of(folder.path, store) is None
        open_session(folder, store).open(state_after(0))
        assert start_of(folder.path, store) is None


def test_short_rounds_share_a_commit_and_the_last_is_always_committed(folder, open_session):
    with folder.drive() as store:
        seen = committed_after_each(open_session(folder, store), store, range(1, ROUNDS + 1))
        assert seen == [None, None, None, None, ROUNDS]
        assert [row.round for row in store.rows(RoundRow)] == [1, 2, 3, 4, 5]


def test_a_round_after_a_long_time_is_committed_with_all_before_it(folder, open_session, clock):
    with folder.drive() as store:
        session = open_session(folder, store)
        assert committed_after_each(session, store, [1, 2]) == [None, None]
        clock.now += HOUR_S
        assert committed_after_each(session, store, [3, 4]) == [3, 3]
        assert [row.round for row in store.rows(RoundRow)] == [1, 2, 3]
        assert [row.round for row in store.rows(ClientRow)] == [1, 2, 3]
        assert len(list(store.rows(ExchangeRow))) == 2 * 3


def test_every_round_is_committed_where_clients_keep_state(folder, open_session):
    with folder.drive() as store:
        session = open_session(folder, store, keeps_state=True)
        assert committed_after_each(session, store, [1, 2, 3]) == [1, 2, 3]


def test_a_run_goes_on_from_the_state_and_the_times_of_its_last_commit(folder, open_session, clock):
    with folder.drive() as store:
        session = open_session(folder, store, keeps_state=True, wall_before_s=50.0)
        clock.now += HOUR_S
        session.play(iter([result_of(1), result_of(2)]))
        start = start_of(folder.path, store)
    assert (start.round, start.virtual_time_s) == (2, 7.25)
    assert start.wall_time_s == pytest.approx(50 + HOUR_S, abs=60)  # less what the start took
    assert digest(start.state) == digest(state_after(2))
    assert digest(start.fleet) == digest(FLEET), "what the fleet remembers is in the checkpoint"


def test_playing_gives_the_last_state_or_none_where_no_round_was_left(folder, open_session):
    with folder.drive() as store:
        session = open_session(folder, store)
        assert digest(session.play(iter([result_of(1), result_of(2)]))) == digest(state_after(2))
        assert session.play(iter([])) is None


def test_the_model_is_tested_as_often_as_asked_and_after_the_last_round(folder, open_session):
    with folder.drive() as store:
        session = open_session(folder, store)
        session.open(state_after(0))
        session.play(result_of(number) for number in range(1, ROUNDS + 1))
        losses = {row.round: row.loss for row in store.rows(RoundRow)}
    assert losses == {0: 0.0, 1: None, 2: 2.0, 3: None, 4: 4.0, 5: 5.0}


@pytest.fixture
def stopping_at(scenario, open_session):
    """Sessions of a scenario with `[stop]` whose rounds take as many joules as the test says."""

    def make(folder, store, stop, joules=(), keeps_state=True):
        session = open_session(folder, store, keeps_state)
        session.scenario = scenario.model_copy(update={"stop": StopConfig(**stop)})
        whole = session.recorder.rows

        def rows(result, *rest):
            made = whole(result, *rest)
            energy = joules[result.round - 1] if result.round and joules else None
            return Rows(replace(made.round, compute_j=energy), made.clients, made.exchanges)

        session.recorder = SimpleNamespace(rows=rows)
        return session

    return make


def play_on(session, first=1):
    """Plays all rounds from `first` on; gives the number of rounds that were made."""
    made = []

    def results():
        for number in range(first, ROUNDS + 1):
            made.append(number)
            yield result_of(number)

    session.play(results())
    return made


def stopped_rows(store):
    return {row.round: row.stopped for row in store.rows(RoundRow) if row.stopped is not None}


def test_the_round_that_crosses_a_budget_is_the_last_and_counts(folder, stopping_at):
    with folder.drive() as store:
        session = stopping_at(folder, store, {"bytes": 11}, keeps_state=False)  # 5 bytes a round
        assert play_on(session) == [1, 2, 3]
        assert stopped_rows(store) == {3: "bytes 15 B >= 11 B"}
        assert store.committed()[0] == 3
    assert session.progress.stream.getvalue().endswith("tiny  stopped: bytes 15 B >= 11 B\n")


def test_the_last_round_is_tested_though_it_was_not_due(folder, stopping_at):
    with folder.drive() as store:
        play_on(stopping_at(folder, store, {"bytes": 15}))
        tested = [row.round for row in store.rows(RoundRow) if row.accuracy is not None]
    assert tested == [2, 3]


def test_an_accuracy_is_seen_only_where_the_model_is_tested(folder, stopping_at):
    with folder.drive() as store:
        assert play_on(stopping_at(folder, store, {"accuracy": 0.5})) == [1, 2]
        assert stopped_rows(store) == {2: "accuracy 50% >= 50%"}


def test_an_accuracy_that_a_budgets_last_round_has_is_named_too(folder, stopping_at):
    with folder.drive() as store:
        play_on(stopping_at(folder, store, {"accuracy": 0.5, "bytes": 5}))
        assert stopped_rows(store) == {1: "accuracy 50% >= 50%, bytes 5 B >= 5 B"}


def test_a_model_that_is_good_enough_from_the_start_is_not_trained(folder, stopping_at):
    with folder.drive() as store:
        session = stopping_at(folder, store, {"accuracy": 0.25})
        session.open(state_after(0))
        assert play_on(session) == []
        assert stopped_rows(store) == {0: "accuracy 50% >= 25%"}
        assert store.committed()[0] == 0


def test_rounds_stay_the_upper_limit(folder, stopping_at):
    with folder.drive() as store:
        assert play_on(stopping_at(folder, store, {"accuracy": 0.9})) == [1, 2, 3, 4, 5]
        assert stopped_rows(store) == {}


def test_a_budget_of_joules_without_figures_says_so_once_and_goes_on(folder, stopping_at):
    with folder.drive() as store:
        session = stopping_at(folder, store, {"joules": 1})
        assert play_on(session) == [1, 2, 3, 4, 5]
    said = session.progress.stream.getvalue()
    assert said.count("stop.joules = 1 has no effect: this run's energy is not known") == 1


JOULES = (0.1, 0.7, 0.2, 0.4, 0.3)  # 0.1 + 0.7 + 0.2 is 0.9999999999999999, 0.7 + 0.2 + 0.1 is 1


@pytest.mark.parametrize("budget", [0.1, 0.8, 0.9999999999999999, 1.0, 1.7])
@pytest.mark.parametrize("killed_after", range(ROUNDS))
def test_a_resumed_run_stops_where_the_undisturbed_one_does(
    tmp_path, stopping_at, budget, killed_after
):
    """The sums have the same bits: otherwise a budget of 1 J would end another round."""
    ends = []
    for name, breaks in (("undisturbed", [1]), ("resumed", [1, killed_after + 1])):
        folder = RunFolder.create(tmp_path / name, "rounds = 5\n", {"run_id": "1"})
        for first, last in zip(breaks, [*breaks[1:], ROUNDS + 1], strict=True):
            with folder.drive() as store:
                session = stopping_at(folder, store, {"joules": budget}, JOULES)
                session.play(result_of(number) for number in range(first, last))
                rows = [(row.round, row.compute_j, row.stopped) for row in store.rows(RoundRow)]
        ends.append(rows)
    # A run that was stopped before it was killed makes no further round.
    assert ends[1] == ends[0]


def test_a_run_killed_after_its_last_round_says_why_it_was_the_last(folder, stopping_at):
    with folder.drive() as store:
        play_on(stopping_at(folder, store, {"bytes": 6}))
    with folder.drive() as store:
        session = stopping_at(folder, store, {"bytes": 6})
        assert play_on(session, first=3) == []
    assert session.progress.stream.getvalue() == "tiny  stopped: bytes 10 B >= 6 B\n"


def test_a_resumed_run_shows_the_bytes_of_all_its_rounds(folder, stopping_at):
    with folder.drive() as store:
        stopping_at(folder, store, {}).play(iter([result_of(1), result_of(2)]))
        session = stopping_at(folder, store, {})
        play_on(session, first=3)
    last = session.progress.stream.getvalue().splitlines()[-1]
    assert last.startswith("tiny  round 5/5  accuracy 50.00%  25 B  ")


@pytest.fixture
def slow_test(open_session):
    """A session whose tests, after the first, wait until the test function lets them go."""

    def make(folder, store, **more):
        session = open_session(folder, store, **more)
        session.due = lambda number: True
        told = SimpleNamespace(go=threading.Event(), threads=[], session=session)
        told.go.set()

        def examine(model):
            told.threads.append(threading.current_thread() is threading.main_thread())
            assert told.go.wait(60)
            return Evaluation(float(model["w"][0]), 0.5, 0.5, 1)

        session.examine = examine
        return told

    return make


def test_a_round_is_played_while_the_one_before_is_tested(folder, slow_test):
    with folder.drive() as store:
        told = slow_test(folder, store)
        told.session.open(state_after(0))

        def results():
            told.go.clear()
            yield result_of(1)
            assert told.threads[:1] == [True], "round 1 is not tested yet, and the next begins"
            told.go.set()
            yield result_of(2)
            yield result_of(3)

        told.session.play(results())
        assert told.threads == [True, False, False, False]
        assert {row.round: row.loss for row in store.rows(RoundRow)} == {}
        told.session.play(result_of(number) for number in (4, 5))
        losses = {row.round: row.loss for row in store.rows(RoundRow)}
    assert losses == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 5.0}


def test_a_round_is_committed_with_its_test_as_soon_as_that_is_over(folder, slow_test, clock):
    with folder.drive() as store:
        told = slow_test(folder, store)
        told.session.open(state_after(0))
        found = []

        def results():
            told.go.clear()
            clock.now += HOUR_S
            yield result_of(1)
            found.append(store.committed())
            told.go.set()
            told.session._behind.settle()
            found.append(store.committed()[0])
            yield result_of(2)

        told.session.play(results())
        assert found == [None, 1], "not before, and not only with the next round"
        assert start_of(folder.path, store).round == 1


def test_rounds_that_are_over_are_kept_when_the_next_fails(folder, slow_test, clock):
    with folder.drive() as store:
        told = slow_test(folder, store)
        told.session.open(state_after(0))

        def results():
            clock.now += HOUR_S
            yield result_of(1)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            told.session.play(results())
        assert store.committed()[0] == 1
        assert [row.loss for row in store.rows(RoundRow)] == [0.0, 1.0]


def test_a_test_that_fails_ends_the_run(folder, slow_test):
    with folder.drive() as store:
        told = slow_test(folder, store)
        told.session.open(state_after(0))

        def examine(model):
            raise FolderError("the disk is full")

        told.session.examine = examine
        with pytest.raises(FolderError, match="the disk is full"):
            told.session.play(result_of(number) for number in range(1, ROUNDS + 1))


def test_where_clients_keep_state_or_a_rule_may_end_the_run_nothing_lags(
    folder, slow_test, scenario
):
    with folder.drive() as store:
        told = slow_test(folder, store, keeps_state=True)
        told.session.open(state_after(0))
        told.session.play(result_of(number) for number in (1, 2))
        assert told.threads == [True] * 3
        told = slow_test(folder, store)
        told.session.scenario = scenario.model_copy(update={"stop": StopConfig(bytes=10**9)})
        told.session.play(result_of(number) for number in (3, 4))
        assert told.threads == [True] * 2


def test_a_model_that_draws_while_it_is_tested_is_tested_by_itself(folder, slow_test):
    """It would take its random numbers from a training beside it."""
    with folder.drive() as store:
        told = slow_test(folder, store)
        plain = told.session.examine

        def examine(model):
            torch.rand(1)
            return plain(model)

        told.session.examine = examine
        told.session.play(result_of(number) for number in range(1, ROUNDS + 1))
        assert told.threads == [True] * ROUNDS
