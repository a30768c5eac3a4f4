"""One run from its first or next round to its end: evaluate, record, commit, stop.

A round's rows are committed in one transaction, together with the checkpoint that the run would
resume from. Rounds shorter than half a second share a commit; then a crash costs at most that
half second, and the repeated rounds give the same bits.

Where nothing needs a round's accuracy before the next round, a thread tests the model and commits
while the next round is under way. The bits and the tables are the same. A crash then costs the
round under way and, if its test was not over, the one before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from federation import stopping
from federation.arrays import Arrays, Parts
from federation.behind import Behind
from federation.evaluation import Evaluation
from federation.fleet import Fleet
from federation.messages import Body, Reply, Request
from federation.precision import one_thread
from federation.progress import Progress
from federation.recording import Recorder, Rows, tested
from federation.results import checkpoint
from federation.results.spent import Spent
from federation.results.store import Store
from federation.results.tables import RoundRow
from federation.rounds import RoundResult, State
from federation.scenario.schema import Scenario

_COMMIT_EVERY_S = 0.5


@dataclass
class Journal:
    """Collects rows and commits them with a checkpoint."""

    folder: Path
    store: Store
    every_round: bool
    _rows: list[Rows] = field(default_factory=list)
    _last: float = field(default_factory=time.monotonic)

    def add(self, rows: Rows, state: State, now_s: float, wall_s: float, last: bool) -> None:
        """Take a round's rows; commit if it is time."""
        self._rows.append(rows)
        waited = time.monotonic() - self._last
        if last or self.every_round or waited >= _COMMIT_EVERY_S:
            self._commit(state, now_s, wall_s)

    def _commit(self, state: State, now_s: float, wall_s: float) -> None:
        number = self._rows[-1].round.round
        scalars = {"virtual_time_s": now_s, "wall_time_s": wall_s}
        manifest = checkpoint.save(self.folder, number, state, scalars)
        self.store.commit(
            [rows.round for rows in self._rows],
            [row for rows in self._rows for row in rows.clients],
            [row for rows in self._rows for row in rows.exchanges],
            number,
            manifest,
        )
        self._rows.clear()
        self._last = time.monotonic()


@dataclass(frozen=True)
class Start:
    """Where a run begins or goes on: the states of algorithm and fleet after `round`."""

    round: int
    state: State
    fleet: Parts
    virtual_time_s: float = 0.0
    wall_time_s: float = 0.0


def start_of(folder: Path, store: Store) -> Start | None:
    """The last committed round, or None where nothing was committed yet."""
    committed = store.committed()
    if committed is None:
        return None
    number, manifest = committed
    state, scalars = checkpoint.load(folder, number, manifest)
    times = float(scalars["virtual_time_s"]), float(scalars["wall_time_s"])
    return Start(number, *_split(state), *times)


_FLEET = "fleet "


def joined(state: State, fleet: Parts) -> Parts:
    """The algorithm's state and the fleet's, as one checkpoint holds them."""
    return {**state, **{f"{_FLEET}{part}": arrays for part, arrays in fleet.items()}}


def _split(whole: Parts) -> tuple[State, Parts]:
    """The two halves of what `joined` made."""
    fleet = {p.removeprefix(_FLEET): a for p, a in whole.items() if p.startswith(_FLEET)}
    return {p: a for p, a in whole.items() if not p.startswith(_FLEET)}, fleet


@dataclass(frozen=True)
class _Entry:
    """A round that is over and not yet in the journal; without a `model` it is not tested."""

    rows: Rows
    model: Arrays | None
    whole: Parts
    now_s: float


@dataclass
class Session:
    """What a run needs while it is under way. It goes on from what the journal's store holds.

    `chosen` tells what a checkpoint must hold of how clients are chosen, `tested` what travels to
    clients that test the model.
    """

    scenario: Scenario
    fleet: Fleet
    recorder: Recorder
    examine: Callable[[Arrays], Evaluation]
    due: Callable[[int], bool]
    journal: Journal
    progress: Progress
    wall_before_s: float = 0.0
    chosen: Callable[[], Parts] = dict
    tested: Callable[[State], Parts] = dict
    _began: float = field(default_factory=time.monotonic)
    _spent: Spent = field(default_factory=Spent)
    _stopped: str | None = None
    _is_told: bool = False
    _behind: Behind = field(default_factory=Behind)
    _draws: bool | None = None  # whether testing draws random numbers; None: not known yet

    def __post_init__(self) -> None:
        """Add up what the rounds before took, and see whether the run had come to its end."""
        for row in self.journal.store.rows(RoundRow):
            self._spent = self._spent.after(row)
            self._stopped = row.stopped

    def open(self, state: State) -> None:
        """Record round 0: the model before training."""
        now = self.fleet.now
        self._enter(self._entry(RoundResult(0, state, (), now, now)))

    def play(self, results: Iterator[RoundResult]) -> State | None:
        """Record what the schedule yields, to its end or to a `[stop]`; gives the last state."""
        state: State | None = None
        with one_thread(), closing(self._behind):  # rounds that are over are kept, come what may
            while self._stopped is None and (result := next(results, None)) is not None:
                self._record(result)
                state = result.state
        if self._stopped is not None:
            self.progress.say(f"stopped: {self._stopped}")
        return state

    def _record(self, result: RoundResult) -> None:
        entry = self._entry(result)
        if self._may_lag(entry):
            self._behind.do(lambda: self._enter(entry))
        else:
            self._behind.settle()
            self._enter(entry)

    def _may_lag(self, entry: _Entry) -> bool:
        """Whether the next round may begin before this one is in the journal.

        Not where it decides whether there is a next round, nor where clients keep state, which
        goes back by one round only. A model that draws random numbers while it is tested is
        tested by itself: it would take them from a training beside it.
        """
        if self.scenario.stop is not None or self.journal.every_round:
            return False
        return entry.model is None or self._draws is False

    def _entry(self, result: RoundResult) -> _Entry:
        """All that must be read off before the next round changes it."""
        due = self.due(result.round)
        rows = self._rows(result, due)
        if not due and stopping.used_up(self.scenario.stop, self._spent.after(rows.round)):
            rows, due = self._rows(result, True), True  # the last round is always tested
        whole = joined(result.state, {**self.fleet.state(), **self.chosen()})
        return _Entry(rows, result.state["model"] if due else None, whole, self.fleet.now)

    def _rows(self, result: RoundResult, due: bool) -> Rows:
        """The round's rows but for the server's test; they may be asked for twice."""
        tests = self._client_tests(result) if due else []
        return self.recorder.rows(result, None, tests, self.fleet.now, 0.0)

    def _enter(self, entry: _Entry) -> None:
        """Test, commit if it is time, and tell."""
        evaluation = None if entry.model is None else self._test(entry.model)
        wall_s = self.wall_before_s + time.monotonic() - self._began
        row = tested(entry.rows.round, evaluation, wall_s)
        self._spent = self._spent.after(row)
        self._stopped = stopping.met(self.scenario.stop, row.accuracy, self._spent)
        row = replace(row, stopped=self._stopped)
        last = row.round == self.scenario.rounds or self._stopped is not None
        rows = replace(entry.rows, round=row)
        self.journal.add(rows, entry.whole, entry.now_s, row.wall_time_s, last)
        self._tell(row)

    def _test(self, model: Arrays) -> Evaluation:
        """The first time, before anything runs beside it, see whether it draws random numbers."""
        if self._draws is not None:
            return self.examine(model)
        before = torch.get_rng_state()
        evaluation = self.examine(model)
        self._draws = not torch.equal(before, torch.get_rng_state())
        return evaluation

    def _tell(self, row: RoundRow) -> None:
        self.progress.update(row, self._spent)
        if row.round > 0 and not self._is_told:
            self._is_told = True
            for line in stopping.unwatched(self.scenario.stop, self._spent):
                self.progress.say(line)

    def _client_tests(self, result: RoundResult) -> Sequence[Reply]:
        """Let the round's counted clients test the new model on the rows they keep for it."""
        if not self.scenario.evaluation.per_client:
            return []
        body = Body(result.round, "evaluate", self.tested(result.state))
        there = (one.reply.client for one in result.outcomes if one.status == "counted")
        return self.fleet.collect([Request(client, body) for client in dict.fromkeys(there)])
