"""What compression costs in accuracy, and what it saves: writes `docs/compression.md`.

Runs two bundled scenarios, `compression-frontier` and `mnist-compressed` (hours on one core). Runs
that are finished are kept and interrupted ones are resumed, so that the command may be stopped at
any time; several processes may share the work (`--part 1/2`). The page is made from all runs that
are finished.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import compression_page
from federation.errors import BadInput
from federation.results.folder import RunFolder

SCENARIOS = ("compression-frontier", "mnist-compressed")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 1 where a run fails, 2 for bad input."""
    given = _parser().parse_args(arguments)
    try:
        chosen = [name for name in SCENARIOS if given.only in (None, name)]
        well = True
        for name in () if given.page_only else chosen:
            well = _run(name, given.out / name, _part(given.part)) and well
    except BadInput as error:
        print(f"compression: {error}", file=sys.stderr)
        return 2
    text = compression_page.page(*(given.out / name for name in SCENARIOS))
    given.page.write_text(text, encoding="utf-8")
    print(f"written to {given.page}", file=sys.stderr)
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__)
    parser.add_argument("--only", choices=SCENARIOS, help="one of the two scenarios")
    parser.add_argument("--part", default="1/1", help="K/N: the K-th of N shares of the runs")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    parser.add_argument("--out", type=Path, default=Path("results"))
    default = Path(__file__).parent.parent / "docs" / "compression.md"
    parser.add_argument("--page", type=Path, default=default, help="where to write the page")
    return parser


def _part(text: str) -> tuple[int, int]:
    """`"2/3"` -> (1, 3): start and step through the runs."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise BadInput(f"--part {text}: must be K/N with K from 1 to N, such as 1/2")
    return int(first) - 1, int(count)


def _run(scenario: str, out: Path, part: tuple[int, int]) -> bool:
    from simulations import batch, prepare

    start, step = part
    if step > 1:  # a folder can be in use by one process only
        out = out / f"part-{start + 1}-of-{step}"
    runs = prepare.plan(scenario, [], str(out), resume=True)[start::step]
    missing = [one for one in runs if not RunFolder(one.folder).is_finished()]
    prepare.check_materials(missing)
    return not missing or not batch.execute(missing, lambda text: print(text, file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
