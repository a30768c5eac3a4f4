"""The tables of `docs/published-results.md`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.published import WINDOWS
from benchmarks.verdict import Row, Verdict

_HOLDS = {True: "yes", False: "**no**", None: "-"}
_NOT_RUN = "not run"

INTRODUCTION = """\
# Published results, repeated

Written by `make reproduce`; every number of ours is measured, and what does not hold stays.

Y. Li and X. Lyu (NeurIPS 2023, [arXiv:2311.03154](https://arxiv.org/abs/2311.03154)) compare serial
with parallel training on MNIST: 500 clients, 10 a round, 1000 rounds, K local steps with batches of
20, C classes per client. They publish their partitions and their accuracy after every fourth round
(github.com/liyipeng00/convergence, commit 5972d5c), so a repetition has a course to follow, not
only an end. Learning rates are their best of a grid; the bundled scenarios hold all settings.
"""

RESULTS = """\
## Test accuracy, mean over the evaluations of the last 100 rounds

In percent; differences and tolerances in percentage points. "Paper" is the mean and the deviation
over the authors' three seeds. Theirs are other random numbers than ours, so a difference of the
size of their deviation is expected. The lowest and the median of our evaluations tell a lasting
difference from a dip. Seconds are the wall time of a run, all seeds together, whatever else the
machine did meanwhile.
"""

OTHERS = """\
## Other seeds

Every other seed that was run, each by itself; the tolerances are for one seed as well. Serial and
parallel runs of a seed select the same clients, so their differences go together.
"""

TRAJECTORIES = """\
## On the way

The same, over the evaluations in (r - 20, r + 20], and in (960, 1000] for the last column.
"""

REGENERATED = """\
## With partitions drawn anew

The same settings on partitions that follow the published recipe (`--recipe`), not the authors' own.
"""

REPEAT = """\
## Repeat it

    export PACELINE_DATA=FOLDER     # holds mnist/ and partitions/
    make reproduce                  # all but LeNet-5; a finished run is not repeated
    .venv/bin/python -m benchmarks.reproduce --all              # LeNet-5 too
    .venv/bin/python -m benchmarks.reproduce --only mlp --seeds 123,1234,12345
    .venv/bin/python -m benchmarks.reproduce --rounds 120       # a quick look, without a verdict

`make reproduce` ends with code 1 if a row is outside its tolerance. One setting alone, with its
comparison, is an ordinary scenario:

    .venv/bin/paceline run li-lyu-logistic-c1-k5

Every run says where its partition came from: as the first line on the terminal, and as `partition`
in its `environment.json`. The authors' partitions are JSON files `{client: [row, ...]}` over the
original order of MNIST, with the white space of their text files removed; they are looked for as
`partitions/mnist_exdir_C1_alpha10_M500.json` (and `C2`) in `PACELINE_DATA`. Without them, the
partition can be drawn by the published recipe, from the scenario's seed:

    .venv/bin/paceline run li-lyu-logistic-c1-k5 \\
        --set data.partition.kind=extended-dirichlet \\
        --set data.partition.classes_per_client=1 \\
        --set data.partition.alpha=10.0

and `python -m benchmarks.reproduce --recipe` does so for all settings.
"""


def page(exact: Sequence[Verdict], others: Sequence[Verdict], recipe: Sequence[Verdict]) -> str:
    """The whole page: the settings, other seeds of them, and partitions drawn by the recipe."""
    parts = [INTRODUCTION, RESULTS, results(exact), leads(exact), machines(exact)]
    parts += [TRAJECTORIES, trajectories(exact)]
    if rest := _with_runs(others):
        parts += [OTHERS, results(rest), leads(rest)]
    if drawn := _with_runs(recipe):
        parts += [REGENERATED, results(drawn), leads(drawn)]
    return "\n".join(part for part in [*parts, REPEAT] if part)


def _with_runs(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [one for one in verdicts if any(row.runs for row in one.rows.values())]


def results(verdicts: Sequence[Verdict]) -> str:
    """One line per setting and schedule."""
    head = (
        *("setting", "schedule", "paper", "ours", "difference", "tolerance", "holds?"),
        *("lowest, median", "seconds", "seed", "partition"),
    )
    return table(head, [_result(row) for verdict in verdicts for row in verdict.rows.values()])


def _result(row: Row) -> list[str]:
    target = row.target
    spread = row.spread()
    return [
        row.setting.title,
        row.schedule,
        f"{target.accuracy:.2f} ± {target.deviation:.2f}",
        _number(row.accuracy, ".2f") if row.runs else _NOT_RUN,
        _number(row.difference, "+.2f"),
        f"{target.tolerance:.1f}",
        _HOLDS[row.holds],
        "-" if spread is None else f"{spread[0]:.2f}, {spread[1]:.2f}",
        f"{sum(run.seconds for run in row.runs):.0f}" if row.runs else "-",
        _seeds(row) or "-",
        "; ".join(dict.fromkeys(run.partition for run in row.runs)) or "-",
    ]


def leads(verdicts: Sequence[Verdict]) -> str:
    """Who is ahead where the paper's lead is clear."""
    lines = []
    for verdict in verdicts:
        if verdict.right_winner is None:
            continue
        targets, winner = verdict.setting.targets, verdict.setting.winner
        theirs = targets["parallel"].accuracy - targets["serial"].accuracy
        lines.append(
            f"{verdict.setting.title}, seed {_seeds(verdict.rows['serial'])}: parallel less serial "
            f"is {verdict.lead:+.2f} points, in the paper {theirs:+.2f}; {winner} has to be ahead: "
            f"{_HOLDS[verdict.right_winner]}.\n"
        )
    return "\n".join(lines)


def machines(verdicts: Sequence[Verdict]) -> str:
    """What the seconds were measured on."""
    found = {run.cpu for verdict in verdicts for row in verdict.rows.values() for run in row.runs}
    return f"Measured on: {'; '.join(sorted(found))}; clients in one thread.\n" if found else ""


def trajectories(verdicts: Sequence[Verdict]) -> str:
    """Two lines per setting and schedule: the paper's and ours."""
    lines = []
    for verdict in verdicts:
        for row in verdict.rows.values():
            paper = [f"{mean:.1f} ± {deviation:.1f}" for mean, deviation in row.target.trajectory]
            lines.append([row.setting.title, row.schedule, "paper", *paper])
            if row.runs:
                ours = [_number(value, ".1f") for value in row.trajectory()]
                lines.append(["", "", "ours", *ours])
    return table(("setting", "schedule", "", *(str(point) for point in WINDOWS)), lines)


def _seeds(row: Row) -> str:
    return ", ".join(str(run.seed) for run in row.runs)


def _number(value: float | None, form: str) -> str:
    text = "-" if value is None else format(value, form)
    return text.replace("-", "+") if text in ("-0.0", "-0.00") else text


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
