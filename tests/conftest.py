"""What all tests share: a quiet environment, the repository's place, the data sets' place."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def pytest_configure(config: pytest.Config) -> None:
    """Set what must stand before any test module is imported."""
    os.environ.update(QUIET)
    # The same examples everywhere and no time limits: a loaded machine fails no property.
    # `--hypothesis-profile=default` explores at random.
    hypothesis.settings.register_profile(
        "paceline",
        deadline=None,
        derandomize=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile(config.getoption("--hypothesis-profile") or "paceline")


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The folder that holds pyproject.toml."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the data sets that are not bundled.

    Without it the test is skipped on a person's machine, and fails in CI, which must have it.
    """
    value = os.environ.get("PACELINE_DATA", "")
    if not value:
        tell = pytest.fail if os.environ.get("CI") else pytest.skip
        tell("PACELINE_DATA is not set: point it at the folder with the data sets")
    folder = Path(value).resolve()
    if not folder.is_dir():
        pytest.fail(f"PACELINE_DATA={value!r} is not a folder: point it at the data sets")
    return folder
