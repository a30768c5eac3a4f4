"""Measures rounds of real training, side by side: `python -m benchmarks.training`.

Paceline, a bare PyTorch loop with as many processes, Flower's stock simulation and pfl-research
take turns on the same data, partition, model and initial weights, each case in a process of its
own. Ratios are those of the turns, so what else the machine does falls on both sides. Each task has
a section of its own in `docs/performance.md`, which is rewritten unless single cases are chosen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import speed_page, training_page
from benchmarks.children import ROOT, Failed, answer_of
from benchmarks.lines import from_line, to_line
from benchmarks.training_cases import ENGINES, TASKS, Case, Measured, cannot_run, cases
from benchmarks.training_pfl_setup import interpreter

_BAD_INPUT, _FAILED = 2, 1


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 where nothing could be measured, 2 for bad input."""
    given = _parser().parse_args(arguments)
    if min(given.turns, 1 if given.rounds is None else given.rounds) < 1:
        _tell("training: --turns and --rounds must be at least 1")
        return _BAD_INPUT
    names = [name for name in given.tasks.split(",") if name]
    engines = given.engines.split(",")
    chosen = [case for case in select(given.only, engines) if case.task in names]
    if not chosen or not set(names) <= set(TASKS):
        what = f"--tasks {given.tasks}" + (f" --only {given.only}" if given.only else "")
        _tell(f"training: {what}: no such case; tasks are {', '.join(TASKS)}")
        return _BAD_INPUT
    found, missing = _measure(chosen, given.turns, given.rounds)
    whole = given.only is None and given.rounds is None and engines == [*ENGINES]
    for name in names:
        text = training_page.section(name, found, missing, given.turns)
        print(text)
        if whole:
            speed_page.update(given.page, text, training_page.marks(name))
            _tell(f"{TASKS[name].title}: written to {given.page}")
    return 0 if any(found.values()) else _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--turns", type=int, default=2, help="how often each case is measured")
    everything = ",".join(TASKS)
    parser.add_argument("--tasks", default=everything, help=f"some of {everything}")
    words = "cases that hold all WORDs, as in 'cnn bare': a task, part of a name; no page"
    parser.add_argument("--only", metavar="WORDS", help=words)
    parser.add_argument("--rounds", type=int, help="measured rounds of every case: no page")
    ours = "[engine] training of Paceline; others: no page"
    parser.add_argument("--engines", default=",".join(ENGINES), help=ours)
    page = ROOT / "docs" / "performance.md"
    parser.add_argument("--page", type=Path, default=page, help="the page to bring up to date")
    return parser


def select(only: str | None, engines: Sequence[str] = ENGINES) -> list[Case]:
    """All cases, or those whose task or name hold all of the words."""
    words = (only or "").lower().split()

    def fits(case: Case) -> bool:
        name = case.name.lower()
        return all(word == case.task or (word not in TASKS and word in name) for word in words)

    return [case for case in cases(engines=engines) if fits(case)]


def _measure(
    chosen: Sequence[Case], turns: int, rounds: int | None
) -> tuple[dict[Case, list[Measured]], dict[Case, str]]:
    """What was found, turn by turn, and why cases are missing; one that fails ends only itself."""
    missing = {case: why for case in chosen if (why := cannot_run(case)) is not None}
    found: dict[Case, list[Measured]] = {case: [] for case in chosen}
    for turn in range(1, turns + 1):
        for case in (case for case in chosen if case not in missing):
            try:
                measured = in_child(case, rounds or TASKS[case.task].rounds)
            except Failed as failure:
                missing[case] = str(failure).strip().splitlines()[-1]
                _tell(f"training: {failure}")
                continue
            found[case].append(measured)
            _tell(
                f"turn {turn}/{turns}  {TASKS[case.task].title}: {case.name}: "
                f"{measured.median_s:.3f} s a round, {100 * measured.accuracy:.2f} %"
            )
    return {case: each for case, each in found.items() if case not in missing}, missing


def in_child(case: Case, rounds: int) -> Measured:
    """One case in a process of its own. Raises Failed."""
    python: Sequence[str] = (sys.executable,)
    if case.runner == "pfl":
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")
        python = (str(interpreter()), *launcher, str(case.workers))
    line = answer_of("benchmarks.training_child", to_line(case), str(rounds), python=python)
    return from_line(Measured, line)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
