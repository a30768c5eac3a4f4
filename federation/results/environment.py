"""What a run ran on: versions, processor, threads and switches, for `environment.json`.

No user name, no host name, no path. Environment variables are recorded from a list of known
switches only, so that no secret can come along.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = ("paceline", "flwr", "ray", "torch", "numpy", "pyarrow", "safetensors")
_SWITCHES: Final = (
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION",
    "FLWR_DISABLE_UPDATE_CHECK",
    "FLWR_LOG_LEVEL",
    "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL",
    "FLWR_TELEMETRY_ENABLED",
    "RAY_DEDUP_LOGS",
    "RAY_DISABLE_MEMORY_MONITOR",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV",
    "RAY_USAGE_STATS_ENABLED",
    "RAY_memory_monitor_refresh_ms",
    "RAY_memory_usage_threshold",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "PYTHONHASHSEED",
)
# Paths: that they are set may matter, where they point names people.
_PATHS: Final = ("PACELINE_CACHE", "PACELINE_DATA", "PACELINE_STATE", "FLWR_HOME")
_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)


def describe() -> dict[str, Any]:
    """The environment as values for JSON; None where something cannot be told. Never fails."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "memory_bytes": _memory_bytes(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "git": _git(),
        "threads": _threads(),
        "switches": _switches(),
    }


def _cpu() -> str | None:
    """The processor's name as the kernel gives it: "model name" on x86, "Model" on a Pi."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor() or None
    for key in ("model name", "Model", "Hardware"):
        if found := re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE):
            return found[1].strip()
    return platform.processor() or None


def _usable_cores() -> int | None:
    """Cores this process may run on; a container may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> dict[str, str | int]:
    """Limits from the environment, and torch's own count where torch is loaded already."""
    threads: dict[str, str | int] = {
        name: os.environ[name] for name in _THREADS if name in os.environ
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        threads["torch"] = torch.get_num_threads()
    return threads


def _switches() -> dict[str, str]:
    values = {name: os.environ[name] for name in _SWITCHES if name in os.environ}
    return values | {name: "(set)" for name in _PATHS if name in os.environ}


def _git() -> dict[str, Any] | None:
    """Commit of the checkout this file belongs to; None for an installed package.

    The file must be tracked: a virtual environment may lie inside somebody else's repository.
    """
    here = Path(__file__).resolve()
    if _ask_git(here, "ls-files", "--error-unmatch", here.name) is None:
        return None
    commit = _ask_git(here, "rev-parse", "HEAD")
    changes = _ask_git(here, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "changed": None if changes is None else bool(changes)}


def _ask_git(file: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
