"""The shape of the source tree: whose modules these are, which way imports point, file sizes."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS = ("federation", "strategies", "clients", "simulations")  # imports point to the left
ENTRY_POINTS = {"federation.server_app", "clients.client_app", "simulations.cli"}
LAUNCHERS = {"simulations.cli", "simulations.launch", "simulations.__main__"}
OUTSIDE = {"benchmarks", "tests"}  # they import the packages, never the reverse
DESK_ONLY = {"datasets", "flwr_datasets", "matplotlib", "pandas", "plotly", "ray", "seaborn"}
MAX_LINES = 300


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files(root: Path) -> list[Path]:
    return sorted(path for layer in LAYERS for path in (root / layer).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, those inside functions too.

    `from a import b` gives a and a.b, since b may be a module.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def objection(importer: str, imported: str) -> str | None:
    """Why `importer` must not import `imported`, or None where it may."""
    if imported.startswith("."):
        return "relative import: the rule reads absolute ones"
    package = imported.partition(".")[0]
    if package in OUTSIDE:
        return f"{package} stands outside the packages"
    if imported in ENTRY_POINTS and importer not in LAUNCHERS:
        return "an entry point belongs to the launcher"
    own = LAYERS.index(importer.partition(".")[0])
    if package in LAYERS[own + 1 :] and importer not in ENTRY_POINTS:
        return "imports point to the left: " + " <- ".join(LAYERS)
    return None


def violations(root: Path) -> list[str]:
    found = []
    for path in source_files(root):
        for line, imported in imports(path):
            reason = objection(module_name(path, root), imported)
            if reason:
                found.append(f"{path.relative_to(root)}:{line} imports {imported}: {reason}")
    return found


def test_imports_point_to_the_left(repo_root):
    assert violations(repo_root) == []


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        ("federation/arrays.py", "from strategies.algorithms import base"),
        ("federation/arrays.py", "def f():\n    import clients.runtime"),
        ("strategies/schedules/serial.py", "import simulations"),
        ("strategies/schedules/serial.py", "from clients import state"),
        ("clients/state.py", "from simulations.clock import Clock"),
        ("clients/state.py", "from federation import server_app"),
        ("simulations/sweep.py", "from clients.client_app import app"),
        ("simulations/sweep.py", "from simulations.cli import main"),
        ("simulations/sweep.py", "import benchmarks.speed"),
        ("simulations/sweep.py", "from tests.conftest import QUIET"),
        ("clients/state.py", "from . import loop"),
    ],
)
def test_a_planted_import_is_found(tmp_path, place, statement):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(statement)
    assert any(place in line for line in violations(tmp_path))


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        (
            "federation/server_app.py",
            "import strategies.catalogue, clients.runtime, simulations.clock",
        ),
        ("strategies/fedavg.py", "from federation.arrays import Arrays"),
        ("simulations/launch.py", "from clients.client_app import app"),
        (
            "simulations/sweep.py",
            "import numpy, clients.runtime, strategies, federation.seeds",
        ),
    ],
)
def test_an_allowed_import_passes(tmp_path, place, statement):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(statement)
    assert violations(tmp_path) == []


@pytest.mark.parametrize("name", [*LAYERS, *sorted(ENTRY_POINTS)])
def test_our_modules_are_the_ones_found(repo_root, name):
    """A foreign package called `clients` would win without a word."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name} is not there"
    assert spec.origin is not None, f"{name} has no file"
    assert Path(spec.origin).resolve().is_relative_to(repo_root / name.partition(".")[0])


def test_every_module_says_what_it_is_for(repo_root):
    silent = [
        str(path.relative_to(repo_root))
        for path in source_files(repo_root)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_package_files_hold_a_docstring_only(repo_root):
    """An import of federation must not pull in the rest."""
    busy = [
        str(path.relative_to(repo_root))
        for path in source_files(repo_root)
        if path.name == "__init__.py" and len(ast.parse(path.read_text("utf-8")).body) != 1
    ]
    assert busy == []


def test_every_folder_with_code_is_a_package(repo_root):
    folders = {path.parent for path in source_files(repo_root)}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_file_is_too_long(repo_root):
    lengths = {
        str(path.relative_to(repo_root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files(repo_root)
    }
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_a_device_loads_nothing_of_the_desk(repo_root):
    """Import all that a device may import, in a fresh interpreter, and look at what came along."""
    device_side = {
        module_name(path, repo_root)
        for path in source_files(repo_root)
        if not path.is_relative_to(repo_root / "simulations")
    } - {"federation.server_app"}
    assert "clients.client_app" in device_side
    probe = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, json.dumps(sorted(device_side))],
        cwd=repo_root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "clients" in loaded
    assert loaded & DESK_ONLY == set()
