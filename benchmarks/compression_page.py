"""The tables of `docs/compression.md`, from run folders."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from federation.results.folder import RunFolder, find_runs

UPLINK_GOAL, BOTH_GOAL, POINTS_GOAL = 100.0, 30.0, 0.5

INTRODUCTION = """\
# Compression: accuracy against bytes

Written by `python -m benchmarks.compression` from its runs. Every byte was encoded, sent, checked
and decoded; a factor is the bytes of the plain values over the bytes of the message contents as
Flower serialises them, in the same run. Accuracies are those of the last round, in percent.
"""

COMPRESSED = """\
## How little can be sent without losing accuracy

`paceline run mnist-compressed`: MNIST, 100 clients with two classes each, 10 a round. 2NN: 300
rounds of one epoch in batches of 10. CNN: 100 rounds of 20 such batches. Up and down the updates
are taken as products of thin matrices (PowerSGD, two steps), whose entries are quantised and
entropy-coded, with error feedback both ways. A client that comes back gets every version it missed.
The first model is not sent, as every client makes it from the seed.

The goal: at least {uplink:g}x less up and {both:g}x less both ways, within {points:g} points of the
plain run at equal rounds, as the mean over the seeds.
"""

SERIAL = """\
In serial learning the model changes with every client, so a client that comes back has missed some
hundred versions rather than ten. Their payloads together, or the whole model where that is smaller,
are what it gets: the downlink can hardly shrink, whatever the codec.
"""

FRONTIER = """\
## The frontier

`paceline run compression-frontier`: 2NN, two classes a client, 10 of 100 clients a round, 60
rounds, one seed. "ef" is error feedback; a codec after "down" is that of the downlink.
"""


@dataclass(frozen=True)
class Run:
    """A finished run: what it was told, what it reached, what it sent."""

    settings: dict[str, object]
    rounds: int
    accuracy: float
    lately: float
    uplink: float
    downlink: float
    both: float
    total_mb: float

    def setting(self, *keys: str) -> str:
        """A setting of the scenario as text, "" where there is none."""
        value: object = self.settings
        for key in keys:
            value = value.get(key, "") if isinstance(value, dict) else ""
        return str(value)

    @property
    def plain(self) -> bool:
        """Whether nothing is compressed in either direction."""
        return self.setting("uplink", "codec") == self.setting("downlink", "codec") == "none"


def page(frontier: Path, compressed: Path) -> str:
    """The whole page; a part without runs is left out."""
    goal = COMPRESSED.format(uplink=UPLINK_GOAL, both=BOTH_GOAL, points=POINTS_GOAL)
    parts = [INTRODUCTION]
    if runs := read(compressed):
        parts += [goal, _goals(runs), SERIAL]
    if runs := read(frontier):
        parts += [FRONTIER, *(_frontier(runs, schedule) for schedule in ("parallel", "serial"))]
    return "\n".join(parts)


def read(folder: Path) -> list[Run]:
    """All finished runs at or below a folder; none where it is not there."""
    found = find_runs(folder) if folder.exists() else []
    return [_read(RunFolder(path)) for path in found if RunFolder(path).is_finished()]


def _read(folder: RunFolder) -> Run:
    rows = folder.rounds()
    tested = [row.accuracy * 100 for row in rows if row.accuracy is not None]
    up, down = sum(r.uplink_bytes for r in rows), sum(r.downlink_bytes for r in rows)
    raw_up, raw_down = (
        sum(r.raw_uplink_bytes for r in rows),
        sum(r.raw_downlink_bytes for r in rows),
    )
    return Run(
        tomllib.loads(folder.scenario_path.read_text(encoding="utf-8")),
        rows[-1].round,
        tested[-1],
        fmean(tested[-5:]),
        raw_up / up,
        raw_down / down,
        (raw_up + raw_down) / (up + down),
        (up + down) / 1e6,
    )


def _goals(runs: Sequence[Run]) -> str:
    lines = []
    groups = dict.fromkeys((one.setting("model", "name"), _schedule(one)) for one in runs)
    for model, schedule in sorted(groups, key=lambda group: (group[1], group[0])):
        here = [r for r in runs if (r.setting("model", "name"), _schedule(r)) == (model, schedule)]
        plain = {one.setting("seed"): one for one in here if one.plain}
        pairs = [
            (plain[s], one) for one in here if not one.plain and (s := one.setting("seed")) in plain
        ]
        if pairs:
            lines.append(_goal(model, schedule, pairs))
    head = (
        *("schedule", "model", "seeds", "plain", "compressed", "difference", "of each seed"),
        *("last five tests", "up", "down", "both", "goal met?"),
    )
    return _table(head, lines)


def _goal(model: str, schedule: str, pairs: Sequence[tuple[Run, Run]]) -> list[str]:
    plain, compressed = fmean(a.accuracy for a, _ in pairs), fmean(b.accuracy for _, b in pairs)
    up, down = fmean(b.uplink for _, b in pairs), fmean(b.downlink for _, b in pairs)
    both, lost = fmean(b.both for _, b in pairs), plain - compressed
    met = up >= UPLINK_GOAL and both >= BOTH_GOAL and lost <= POINTS_GOAL
    return [
        *(schedule, model, str(len(pairs)), f"{plain:.2f}", f"{compressed:.2f}", f"{-lost:+.2f}"),
        ", ".join(f"{b.accuracy - a.accuracy:+.2f}" for a, b in pairs),
        f"{fmean(b.lately - a.lately for a, b in pairs):+.2f}",
        *(f"{up:.0f}x", f"{down:.1f}x", f"{both:.1f}x", "yes" if met else "**no**"),
    ]


def _frontier(runs: Sequence[Run], schedule: str) -> str:
    here = sorted(
        (one for one in runs if _schedule(one) == schedule), key=lambda one: -one.total_mb
    )
    head = ("codec up", "accuracy", "last five tests", "up", "down", "both", "MB in all")
    lines = [
        [
            _codec(one),
            f"{one.accuracy:.2f}",
            f"{one.lately:.2f}",
            *(f"{one.uplink:.1f}x", f"{one.downlink:.1f}x", f"{one.both:.1f}x"),
            f"{one.total_mb:,.0f}",
        ]
        for one in here
    ]
    return f"### {schedule.capitalize()}\n\n{_table(head, lines)}" if lines else ""


def _codec(run: Run) -> str:
    fed_back = run.setting("uplink", "error_feedback") not in ("False", "")
    down = run.setting("downlink", "codec")
    text = f"`{run.setting('uplink', 'codec')}`".replace("|", "\\|") + (" ef" if fed_back else "")
    return text if down == "none" else f"{text}, down `{down}`".replace(" | ", " \\| ")


def _schedule(run: Run) -> str:
    return run.setting("strategy", "schedule")


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
