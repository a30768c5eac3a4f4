"""An environment with pfl-research in it, made once in the cache folder.

The project never depends on it: the environment sees the packages of this one and adds its own.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.children import Failed
from federation.data.cache import root

REQUIREMENT = "pfl==0.6.0"


def interpreter() -> Path:
    """The Python that has pfl. Raises Failed, with pip's words, where it cannot be installed."""
    folder = (
        root() / "benchmarks" / f"{REQUIREMENT}-{sys.version_info.major}.{sys.version_info.minor}"
    )
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        place = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        (place / "outer.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        _run(str(python), "-m", "pip", "install", "--quiet", REQUIREMENT)
        _run(str(python), "-c", "import pfl.model.pytorch")
    except subprocess.CalledProcessError as error:
        raise Failed(f"{REQUIREMENT} cannot be installed: {error.stderr[-1000:]}") from None
    ready.touch()
    return python


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
