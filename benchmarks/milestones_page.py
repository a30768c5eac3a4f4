"""The page that `milestones` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.milestone_rows import Milestone

_INTRODUCTION = """\
# Published figures, repeated

Written by `make reproduce` (`python -m benchmarks.milestones`). One run each, seed 1; what does not
hold stays. The serial and parallel rows of Li and Lyu, which have courses to follow, are in
[published results](published-results.md); FedProx with stragglers and SCAFFOLD against FedAvg are
in [strategies](strategies.md).

A number of rounds is where the best accuracy so far comes to the target, between two rounds by a
straight line, as in the paper. The papers chose the best learning rate of a grid for each row, ours
is the best of a few; a correct implementation needs fewer rounds, so the paper's are upper bounds.
"""

_ORDERINGS = (
    ("batches of 10 need far fewer rounds (a fifth) than whole data", "whole-data", "iid-10", 5.0),
    ("ten clients a round need fewer rounds than one", "iid-1-of", "iid-10", 1.0),
    ("shards need far more rounds (three times) than IID", "shards-10", "iid-10", 3.0),
)


@dataclass(frozen=True)
class Found:
    """A row, our figure (None: not run, or not reached), and the seconds of the run."""

    row: Milestone
    ours: float | None
    seconds: float | None

    @property
    def holds(self) -> bool:
        """Whether our figure is as good, or near enough."""
        return self.row.holds(self.ours)

    def line(self) -> str:
        """A line of the table."""
        row = self.row
        exact = 0 if row.kind == "rounds" else 2
        if self.seconds is None:
            return f"| {row.title} | {row.paper} | {row.figure:.{exact}f} | not run | | | - | |"
        bound = "at most" if row.kind == "rounds" else f"within {row.tolerance:g}"
        ours, difference = "not reached", ""
        if self.ours is not None:
            ours, difference = f"{self.ours:.{exact}f}", f"{self.ours - row.figure:+.{exact}f}"
        verdict = "yes" if self.holds else "**no**"
        cells = (row.title, row.paper, f"{row.figure:.{exact}f}", ours, difference, bound)
        return f"| {' | '.join(cells)} | {verdict} | {self.seconds:.0f} |"


def page(found: Sequence[Found]) -> str:
    """The whole page."""
    head = "| what | paper | published | ours | difference | tolerance | holds? | seconds |\n"
    lines = "\n".join(one.line() for one in found)
    return f"{_INTRODUCTION}\n{head}{'| --- ' * 8}|\n{lines}\n\n{_orderings(found)}"


def _orderings(found: Sequence[Found]) -> str:
    ours = {one.row.name: one.ours for one in found if one.row.kind == "rounds"}
    lines = [
        f"- {text}: {_holds(ours, more, less, factor)}\n" for text, more, less, factor in _ORDERINGS
    ]
    return "Orderings of the FedAvg paper's table:\n\n" + "".join(lines)


def _holds(ours: Mapping[str, float | None], more: str, less: str, factor: float) -> str:
    pair = [next(v for name, v in ours.items() if part in name) for part in (more, less)]
    if pair[0] is None or pair[1] is None:
        return "not run"
    return f"{'yes' if pair[0] > factor * pair[1] else '**no**'} ({pair[0]:.0f}, {pair[1]:.0f})"
