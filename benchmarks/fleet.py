"""What learning takes on virtual fleets: runs three bundled scenarios and writes `docs/fleet.md`.

Three minutes on two cores. Times, bytes, joules and grams are the fleet's, so the page is the same
wherever it is made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import fleet_page
from federation.errors import BadInput
from federation.results.folder import RunFolder

SCENARIOS = ("serial-vs-parallel-energy", "dvfs", "carbon-aware")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 1 where a run fails, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="finished runs are kept")
    page = Path(__file__).parent.parent / "docs" / "fleet.md"
    parser.add_argument("--page", type=Path, default=page, help="where to write the page")
    given = parser.parse_args(arguments)
    try:
        well = True
        for name in SCENARIOS:
            well = _run(name, given.out / name) and well
    except BadInput as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 2
    if well:
        given.page.write_text(fleet_page.page(given.out), encoding="utf-8")
        print(f"written to {given.page}", file=sys.stderr)
    return 0 if well else 1


def _run(scenario: str, out: Path) -> bool:
    from simulations import batch, prepare

    runs = prepare.plan(scenario, [], str(out), resume=True)
    missing = [one for one in runs if not RunFolder(one.folder).is_finished()]
    prepare.check_materials(missing)
    return not missing or not batch.execute(missing, lambda text: print(text, file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
