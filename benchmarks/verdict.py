"""Holds measured runs against the published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.measured import Choice, Measured, read
from benchmarks.published import FINAL, SETTINGS, WINDOWS, Setting, Target


@dataclass(frozen=True)
class Row:
    """One schedule of a setting, with its finished runs: one a seed."""

    setting: Setting
    schedule: str
    runs: Sequence[Measured]

    @property
    def target(self) -> Target:
        """The published numbers."""
        return self.setting.targets[self.schedule]

    @property
    def accuracy(self) -> float | None:
        """Percent over the last 100 rounds, mean over the seeds; None before that is known."""
        return self.mean(*FINAL)

    @property
    def difference(self) -> float | None:
        """Ours less theirs, in percentage points."""
        return None if self.accuracy is None else self.accuracy - self.target.accuracy

    @property
    def holds(self) -> bool | None:
        """Whether the difference is within the tolerance; None where it is not known."""
        return None if self.difference is None else abs(self.difference) <= self.target.tolerance

    def mean(self, after: int, upto: int) -> float | None:
        """Percent over the evaluations in (after, upto], mean over the seeds."""
        means = [run.mean(after, upto) for run in self.runs]
        known = [mean for mean in means if mean is not None]
        return fmean(known) if known and len(known) == len(means) else None

    def spread(self) -> tuple[float, float] | None:
        """The lowest and the median evaluation of the last 100 rounds, percent, over all seeds."""
        values = [value for run in self.runs for value in run.within(*FINAL)]
        return (min(values), median(values)) if values else None

    def trajectory(self) -> list[float | None]:
        """Percent at the published points."""
        return [self.mean(*window) for window in WINDOWS.values()]


@dataclass(frozen=True)
class Verdict:
    """A setting with its rows, serial first."""

    setting: Setting
    rows: Mapping[str, Row]

    @property
    def lead(self) -> float | None:
        """By how many points parallel is ahead of serial; None where it is not known."""
        serial, parallel = (self.rows[name].accuracy for name in ("serial", "parallel"))
        return None if serial is None or parallel is None else parallel - serial

    @property
    def right_winner(self) -> bool | None:
        """Whether the schedule that has to be ahead is; None where none has to, or is known."""
        if self.setting.winner is None or self.lead is None:
            return None
        return self.lead > 0 if self.setting.winner == "parallel" else self.lead < 0

    @property
    def fails(self) -> bool:
        """Whether something known does not hold."""
        return self.right_winner is False or any(row.holds is False for row in self.rows.values())


def judge(seeds: Sequence[int], choice: Choice) -> list[Verdict]:
    """All settings in the paper's order, with whatever runs of these seeds are finished."""
    verdicts = []
    for setting in SETTINGS:
        found = [read(setting, seed, choice) for seed in seeds]
        rows = {
            schedule: Row(setting, schedule, [runs[schedule] for runs in found if schedule in runs])
            for schedule in setting.targets
        }
        verdicts.append(Verdict(setting, rows))
    return verdicts
