"""The Flower app bundle: exactly the four packages, small, and complete in itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("federation", "strategies", "clients", "simulations")
BESIDE = ("tests", "docs", "benchmarks")  # stand beside the packages and must not ship
MAX_BYTES = 10_000_000  # Flower refuses bundles above 10 MiB


def files_of(root: Path, packages: tuple[str, ...] = PACKAGES) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for package in packages
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def bundle(repo_root, tmp_path_factory) -> Path:
    """A bundle built by `flwr build` from a copy; the copy's name may hold no underscore."""
    copy = tmp_path_factory.mktemp("build") / "paceline"
    copy.mkdir()
    for name in (*PACKAGES, *BESIDE):
        if (repo_root / name).is_dir():
            shutil.copytree(
                repo_root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
            )
    for name in ("pyproject.toml", ".gitignore", "LICENSE"):
        shutil.copy(repo_root / name, copy / name)
    done = subprocess.run(
        [Path(sys.executable).with_name("flwr"), "build"],
        cwd=copy,
        env=os.environ | {"FLWR_HOME": str(copy.parent / "flwr-home")},
        capture_output=True,
        text=True,
        check=False,
    )
    built = list(copy.glob("*.fab"))
    assert len(built) == 1, done.stdout + done.stderr
    return built[0]


@pytest.fixture(scope="module")
def shipped(bundle) -> set[str]:
    with zipfile.ZipFile(bundle) as archive:
        return set(archive.namelist())


def test_it_holds_the_four_packages_and_nothing_else(shipped, repo_root):
    assert shipped == files_of(repo_root) | {"pyproject.toml", ".info/CONTENT"}


def test_it_holds_scenarios_and_profiles(shipped, repo_root):
    wanted = {
        path.relative_to(repo_root).as_posix()
        for folder in ("scenarios", "profiles")
        for path in (repo_root / "simulations" / folder).rglob("*.toml")
    }
    assert wanted, "no bundled scenario or profile"
    assert wanted <= shipped


def test_it_is_small(bundle):
    assert bundle.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("side", ["serverapp", "clientapp"])
def test_its_apps_load_from_the_bundle_alone(bundle, tmp_path, side):
    """No module comes from the checkout, and the bundle lacks none."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)
    config = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, attribute = config["tool"]["flwr"]["app"]["components"][side].partition(":")
    probe = (
        "import importlib, sys\n"
        f"app = getattr(importlib.import_module({module!r}), {attribute!r})\n"
        f"ours = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in {PACKAGES!r}]\n"
        "assert all(f.startswith(sys.argv[1]) for f in ours), ours\n"
        "print(type(app).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1].lower() == side
