"""How long `paceline run quickstart` takes to its first round: `python -m benchmarks.start`.

Each turn is a cold process, with the files that it reads still in the system's memory. The time
ends when the line of round 1 is printed, which is after its rows were committed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from federation.errors import BadInput, PacelineError, RunError

BEGIN, END = "<!-- start: begin -->", "<!-- start: end -->"
_ROOT = Path(__file__).parent.parent
_RAY = ("--set", "engine.backend=ray", "--set", "engine.workers=2")
_BAD_INPUT, _FAILED = 2, 1


@dataclass(frozen=True)
class Case:
    """A way to start, and the seconds it may take."""

    title: str
    settings: Sequence[str]
    at_most_s: float


CASES = (Case("inline", (), 4.0), Case("Ray, 2 workers", _RAY, 12.0))


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 where a run failed, 2 for bad input."""
    given = _parser().parse_args(arguments)
    try:
        if given.turns < 1:
            raise BadInput(f"--turns {given.turns}: must be at least 1")
        _seconds(CASES[0])  # what is read from the disk is in memory afterwards
        found = {case: [_seconds(case) for _ in range(given.turns)] for case in CASES}
        text = table(found)
        print(text)
        if not given.print:
            write(given.page, text)
    except PacelineError as error:
        print(f"start: {error}", file=sys.stderr)
        return _BAD_INPUT if isinstance(error, BadInput) else _FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often each case is measured")
    parser.add_argument("--print", action="store_true", help="leave the page alone")
    page = _ROOT / "docs" / "performance.md"
    parser.add_argument("--page", type=Path, default=page, help="the page to bring up to date")
    return parser


def _seconds(case: Case) -> float:
    """From the start of the process to the line of its first round."""
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        command = [sys.executable, "-m", "simulations", "run", "quickstart", *case.settings]
        command += ["--set", "rounds=1", "--out", f"{place}/run"]
        began = time.monotonic()
        quiet = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
        with subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, **quiet},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if "round 1/1" in line:
                    seconds = time.monotonic() - began
                    process.terminate()
                    process.stderr.read()
                    return seconds
        raise RunError(f"{case.title}: ended before its first round: {''.join(said)}")


def table(found: Mapping[Case, Sequence[float]]) -> str:
    """What was measured, on what, and whether the targets hold; ends with a line feed."""
    from federation.results.environment import describe

    facts = describe()
    turns = max(len(each) for each in found.values())
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    head = ("start", "median", "fastest", "slowest", "at most", "holds?")
    rows = [head, ["---"] * len(head), *(_row(case, each) for case, each in found.items())]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {facts['cpu']}, {facts['usable_cores']} cores, "
        f"Python {facts['python']}, torch {facts['packages']['torch']}; {turns} turns; load "
        f"average at the end {load}.\n\n{lines}"
    )


def _row(case: Case, seconds: Sequence[float]) -> list[str]:
    ours = median(seconds)
    holds = "yes" if ours <= case.at_most_s else "**no**"
    figures = [f"{s:.1f} s" for s in (ours, min(seconds), max(seconds), case.at_most_s)]
    return [case.title, *figures, holds]


def write(page: Path, text: str) -> None:
    """Put the table between the two marks of the page. Raises BadInput where they are missing."""
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadInput(f"{page}: has no lines {BEGIN!r} and {END!r} to write between")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
