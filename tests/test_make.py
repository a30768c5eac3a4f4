"""The set-up: documented targets, and every package of the environment at a known version."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What a CUDA build of torch brings along is pinned by torch itself; setuptools comes with the venv.
UNPINNED = re.compile(r"nvidia-|cuda-|triton$|setuptools$")


def requirements_of(name: str, extras: set[str]) -> list[Requirement]:
    """What a package needs here, with these extras; nothing if it is not installed."""
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    wanted = [Requirement(text) for text in texts]
    return [
        need
        for need in wanted
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in {"", *extras})
    ]


def closure(start: list[Requirement]) -> dict[str, list[Requirement]]:
    """Every package that `start` leads to, with all that is asked of it."""
    asked: dict[str, list[Requirement]] = {}
    seen, waiting = set(), list(start)
    while waiting:
        need = waiting.pop()
        key = (canonicalize_name(need.name), frozenset(need.extras))
        asked.setdefault(key[0], []).append(need)
        if key not in seen and not UNPINNED.match(key[0]):
            seen.add(key)
            waiting += requirements_of(need.name, need.extras)
    return asked


def pins_of(constraints: str) -> dict[str, str]:
    lines = [line for line in constraints.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def test_every_package_is_pinned_where_it_is_allowed(repo_root):
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]  # those for hardware are not in the environment
    groups = [project["dependencies"], extras["sim"], extras["llm"], extras["dev"]]
    asked = closure([Requirement(text) for group in groups for text in group])
    pins = pins_of((repo_root / "constraints.txt").read_text(encoding="utf-8"))
    ours = {name for name in asked if not UNPINNED.match(name)}
    assert ours - pins.keys() == set(), "packages without a pin"
    refused = [
        str(need)
        for name in ours
        for need in asked[name]
        if not need.specifier.contains(pins[name])
    ]
    assert refused == []


def test_help_lists_every_target(repo_root):
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=repo_root, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in shown.stdout.splitlines()] == targets


def test_ci_script_is_bash(repo_root):
    subprocess.run(["bash", "-n", repo_root / ".ci" / "run"], check=True)
