"""Optional packages and what they share: imported when a meter is made, not before."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from federation.errors import ScenarioError


def load(module: str, meter: str, package: str, extra: str) -> ModuleType:
    """The module of an optional package. Raises ScenarioError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ScenarioError(
            f"meter {meter!r} needs the package {package} ({error}): install it with "
            f"pip install 'paceline[{extra}]', or take meter 'none'"
        ) from None


def wait_for_gpu() -> None:
    """Let the GPU finish what was sent to it, so that a window holds all its work and no more."""
    torch = sys.modules.get("torch")  # nothing is under way on a GPU where it was never imported
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
