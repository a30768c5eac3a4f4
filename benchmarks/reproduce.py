"""Repeats published results and writes `docs/published-results.md`: `make reproduce`.

Runs that are finished are kept and interrupted ones are resumed, so that the command may be
stopped at any time. The page is made from all finished runs in the results folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import measured, page
from benchmarks.measured import Choice
from benchmarks.published import ROUNDS, SETTINGS, Setting
from benchmarks.verdict import judge
from federation.errors import BadInput, unknown_choice

_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 1, 130


@dataclass(frozen=True)
class Task:
    """What the command line asks for."""

    settings: Sequence[Setting]
    seeds: Sequence[int]
    choice: Choice
    page: Path


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 1 where a row is outside its tolerance or a run fails, 2 for input."""
    try:
        task = _task(_parser().parse_args(arguments))
        well = _run_all(task)
        return 0 if _report(task) and well else _FAILED
    except BadInput as error:
        _tell(f"reproduce: {error}")
        return _BAD_INPUT
    except KeyboardInterrupt:
        _tell("reproduce: interrupted; the same command goes on")
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduce", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="settings whose name contains TEXT")
    parser.add_argument("--all", action="store_true", help="the long ones too (LeNet-5)")
    parser.add_argument("--seeds", default="123", help="comma-separated, default 123")
    parser.add_argument("--rounds", type=int, help="stop after so many: no verdict, no page")
    parser.add_argument("--recipe", action="store_true", help="draw the partitions by recipe")
    parser.add_argument("--out", type=Path, default=Path("results/reproduce"))
    default = Path(__file__).parent.parent / "docs" / "published-results.md"
    parser.add_argument("--page", type=Path, default=default, help="where to write the page")
    return parser


def _task(given: argparse.Namespace) -> Task:
    if given.rounds is not None and not 1 <= given.rounds <= ROUNDS:
        raise BadInput(f"--rounds {given.rounds}: must be from 1 to {ROUNDS}")
    try:
        seeds = [int(seed) for seed in given.seeds.split(",")]
    except ValueError:
        raise BadInput(f"--seeds {given.seeds}: must be integers such as 123,1234") from None
    rounds = None if given.rounds == ROUNDS else given.rounds
    choice = Choice(given.out, rounds, given.recipe)
    return Task(_chosen(given.only, given.all), seeds, choice, given.page)


def _chosen(only: str | None, everything: bool) -> list[Setting]:
    named = [setting for setting in SETTINGS if only is None or only in setting.scenario]
    if not named:
        names = [setting.scenario for setting in SETTINGS]
        raise BadInput(unknown_choice("setting", only, names))
    chosen = [setting for setting in named if everything or not setting.long]
    if not chosen:
        raise BadInput(f"--only {only}: {named[0].scenario} takes long; add --all")
    return chosen


def _run_all(task: Task) -> bool:
    """Run what is missing; one that fails does not stop the others. Whether all is well."""
    well = True
    for setting in task.settings:
        for seed in task.seeds:
            _tell(f"{setting.scenario}, seed {seed}")
            well = measured.run(setting, seed, task.choice, _tell) and well
    return well


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _report(task: Task) -> bool:
    """Print what was asked for, and write the page unless it was only a quick look.

    Whether everything that is known holds.
    """
    judged = judge(task.seeds, task.choice)
    asked = [verdict for verdict in judged if verdict.setting in task.settings]
    if task.choice.rounds is not None:
        print(page.trajectories(asked))
        return True
    print(page.results(asked))
    print(page.leads(asked))
    _write(task)
    return not any(verdict.fails for verdict in asked)


def _write(task: Task) -> None:
    exact, recipe = (replace(task.choice, recipe=drawn) for drawn in (False, True))
    others = [seed for seed in measured.seeds_of(exact) if seed not in task.seeds]
    by_seed = [one for seed in others for one in judge([seed], exact)]
    by_seed.sort(key=lambda one: SETTINGS.index(one.setting))
    text = page.page(judge(task.seeds, exact), by_seed, judge(task.seeds, recipe))
    task.page.write_text(text, encoding="utf-8")
    _tell(f"written to {task.page}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
