"""One measurement, one process: its time and its memory are its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Failed(Exception):
    """A case could not be measured; the text says why."""


def answer_of(
    module: str, *arguments: str, python: Sequence[str] = (sys.executable,), timeout_s: float = 1800
) -> str:
    """The last line that `python -m module` prints. Raises Failed with the end of its errors."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    try:
        done = subprocess.run(
            [*python, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **quiet, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
            timeout=timeout_s,
        )
    except subprocess.CalledProcessError as error:
        raise Failed(f"{module} {' '.join(arguments)}:\n{error.stderr[-3000:]}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{module} {' '.join(arguments)}: not done after {timeout_s:g} s") from None
    return done.stdout.splitlines()[-1]
