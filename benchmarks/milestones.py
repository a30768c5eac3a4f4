"""Single published figures of many papers, each from one run: `python -m benchmarks.milestones`.

`make reproduce` calls it after the serial and parallel rows of Li and Lyu (`reproduce.py`), which
have courses to follow. Finished runs are kept, interrupted ones go on. The page is written from
all finished runs of the results folder; a row that was not run says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.milestone_rows import MILESTONES, Milestone
from benchmarks.milestones_page import Found, page
from federation.errors import BadInput, PacelineError, unknown_choice
from federation.results.folder import RunFolder
from federation.results.parquet import read_table
from federation.results.tables import ClientRow, RoundRow

_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 1, 130


@dataclass(frozen=True)
class Task:
    """What the command line asks for."""

    rows: Sequence[Milestone]
    out: Path
    page: Path


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 1 where a row is outside its tolerance or fails, 2 for bad input."""
    try:
        task = _task(_parser().parse_args(arguments))
        for row in task.rows:
            print(row.name, file=sys.stderr, flush=True)
            _run(row, task.out)
        found = [Found(row, *figure_of(row, task.out)) for row in MILESTONES]
        task.page.write_text(page(found), encoding="utf-8")
        asked = [one for one in found if one.row in task.rows]
    except BadInput as error:
        print(f"milestones: {error}", file=sys.stderr)
        return _BAD_INPUT
    except PacelineError as error:
        print(f"milestones: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("milestones: interrupted; the same command goes on", file=sys.stderr)
        return _INTERRUPTED
    for one in asked:
        print(one.line())
    return 0 if all(one.holds for one in asked) else _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.milestones", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="rows whose name contains TEXT")
    parser.add_argument("--out", type=Path, default=Path("results/milestones"))
    default = Path(__file__).parent.parent / "docs" / "published-figures.md"
    parser.add_argument("--page", type=Path, default=default, help="where to write the page")
    return parser


def _task(given: argparse.Namespace) -> Task:
    rows = [row for row in MILESTONES if given.only is None or given.only in row.name]
    if not rows:
        raise BadInput(unknown_choice("row", given.only, [row.name for row in MILESTONES]))
    return Task(rows, given.out, given.page)


def _run(row: Milestone, out: Path) -> None:
    from federation.scenario import files
    from simulations.launch import simulate
    from simulations.prepare import PlannedRun

    resolved = files.resolve(row.table(), row.name)
    simulate(PlannedRun(row.name, resolved, out / row.name))


def figure_of(row: Milestone, out: Path) -> tuple[float | None, float | None]:
    """Our figure and the run's seconds; None where it was not run, or did not get there."""
    folder = RunFolder(out / row.name)
    if not folder.is_finished():
        return None, None
    rounds = folder.rounds()
    seconds = rounds[-1].wall_time_s
    if row.kind == "rounds":
        points = [(one.round, one.accuracy) for one in rounds if one.accuracy is not None]
        return crossing(points, row.target), seconds
    tested: Sequence[ClientRow | RoundRow] = rounds
    if row.per_client:
        tested = read_table(folder.path / "clients.parquet", ClientRow)
    last = [one.accuracy for one in tested if one.round > row.rounds - row.window]
    return 100 * fmean(accuracy for accuracy in last if accuracy is not None), seconds


def crossing(points: Sequence[tuple[int, float]], target: float) -> float | None:
    """Where the best so far comes to the target, between two evaluations by a straight line."""
    best_round, best = points[0]
    for number, accuracy in points:
        if accuracy >= target:
            share = 1.0 if accuracy == best else (target - best) / (accuracy - best)
            return best_round + share * (number - best_round)
        best_round, best = number, max(best, accuracy)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
