"""One run from its first or next round to its end: evaluate, record, commit, stop.

A round's rows are committed in one transaction, together with the checkpoint that the run would
resume from. Rounds shorter than half a second share a commit; then a crash costs at most that
half second, and the repeated rounds give the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from federation import stopping
from federation.arrays import Arrays, Parts
from federation.data.dataset import Dataset
from federation.evaluation import Evaluation, evaluate
from federation.fleet import Fleet
from federation.messages import Body, Reply, Request
from federation.models.learner import Learner
from federation.models.tasks import as_tensor
from federation.progress import Progress
from federation.recording import Recorder, Rows
from federation.results import checkpoint
from federation.results.spent import Spent
from federation.results.store import Store
from federation.results.tables import RoundRow
from federation.rounds import RoundResult, State
from federation.scenario.schema import Scenario

_COMMIT_EVERY_S = 0.5


@dataclass(frozen=True)
class Examiner:
    """The server's test set."""

    learner: Learner
    dataset: Dataset
    scenario: Scenario

    def due(self, round_number: int) -> bool:
        """Whether the server tests the model after this round."""
        last = round_number == self.scenario.rounds
        return last or round_number % self.scenario.evaluation.every == 0

    def examiner(self) -> Callable[[Arrays], Evaluation]:
        """Tests models on rows that are prepared once."""
        split = self.dataset.test
        x = as_tensor(self.dataset.inputs(split, slice(None), self.scenario.data.normalize))
        y = None if split.y is None else as_tensor(np.array(split.y))
        size = self.scenario.evaluation.batch_size
        return lambda model: evaluate(self.learner, model, x, y, size)


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

    def __post_init__(self) -> None:
        """Add up what the rounds before took, and see whether the run had come to its end."""
        for row in self.journal.store.rows(RoundRow):
            self._spent = self._spent.after(row)
            self._stopped = row.stopped

    def open(self, state: State) -> None:
        """Record round 0: the model before training."""
        now = self.fleet.now
        self._record(RoundResult(0, state, (), now, now))

    def play(self, results: Iterator[RoundResult]) -> State | None:
        """Record what the schedule yields, to its end or to a `[stop]`; gives the last state."""
        state: State | None = None
        while self._stopped is None and (result := next(results, None)) is not None:
            self._record(result)
            state = result.state
        if self._stopped is not None:
            self.progress.say(f"stopped: {self._stopped}")
        return state

    def _record(self, result: RoundResult) -> None:
        stop, due = self.scenario.stop, self.due(result.round)
        rows = self._rows(result, due)
        if not due and stopping.used_up(stop, self._spent.after(rows.round)):
            rows = self._rows(result, True)  # the last round is always tested
        self._spent = self._spent.after(rows.round)
        self._stopped = stopping.met(stop, rows.round.accuracy, self._spent)
        rows = replace(rows, round=replace(rows.round, stopped=self._stopped))
        last = result.round == self.scenario.rounds or self._stopped is not None
        whole = joined(result.state, {**self.fleet.state(), **self.chosen()})
        self.journal.add(rows, whole, self.fleet.now, rows.round.wall_time_s, last)
        self._tell(rows.round)

    def _rows(self, result: RoundResult, tested: bool) -> Rows:
        """The round's rows; the recorder may be asked for the same round twice."""
        evaluation = self.examine(result.state["model"]) if tested else None
        tests = self._client_tests(result) if tested else []
        wall_s = self.wall_before_s + time.monotonic() - self._began
        return self.recorder.rows(result, evaluation, tests, self.fleet.now, wall_s)

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
