"""The command line as a user meets it: what it prints, what it loads, and runs that fail."""

import json
import subprocess
import sys
import textwrap

import pytest

from federation.results.folder import RunFolder

# Fails in training only, and only while the file `broken` is there.
FRAGILE = """
from pathlib import Path
from torch import nn

class Fragile(nn.Module):
    def __init__(self, weak):
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.weak = weak

    def forward(self, x):
        if self.weak == "training" and self.training and len(x) > 2 and Path("broken").exists():
            raise ValueError("out of luck")
        if self.weak == "testing" and not self.training and len(x) > 2 and Path("broken").exists():
            raise ValueError("cannot be tested")
        return self.inner(x)
"""


@pytest.fixture
def fragile(paceline, small, here):
    """A sweep of three models of the user's own: one fails in training, one in testing."""
    (here / "fragile.py").write_text(FRAGILE)
    (here / "broken").touch()
    sweep = 'sweep."model.args.weak"=["training", "never", "testing"]'
    return ("run", small, "--set", "model.name=fragile:Fragile", "--set", sweep, "--out", "out")


def test_a_run_that_fails_does_not_stop_the_others(paceline, fragile, here):
    first = paceline(*fragile)
    assert first.code == 1
    lines = first.err.splitlines()
    assert "Traceback" not in first.err
    (training,) = [line for line in lines if line.startswith("training: failed: ")]
    assert "round 1: none of 3 clients could be counted; client " in training
    assert training.endswith("ValueError: out of luck")
    (testing,) = [line for line in lines if line.startswith("testing: failed: ")]
    reason = "ValueError: cannot be tested"
    assert testing == f"testing: failed: {reason} (traceback in out/testing/failed.txt)"
    assert "2 of 3 runs failed: training, testing" in lines
    assert lines[-1].endswith("--out out --resume")

    folders = {name: RunFolder(here / "out" / name) for name in ("training", "never", "testing")}
    states = {name: folder.status() for name, folder in folders.items()}
    assert states == {"training": "failed", "never": "finished", "testing": "failed"}
    assert folders["training"].failure() == training.partition("failed: ")[2]
    assert folders["testing"].failure() == reason
    compared = {row["run"]: row["status"] for row in json.loads(_json(paceline, "out"))}
    assert compared == {
        "training": "failed (round 0 of 3)",
        "never": "finished",
        "testing": "failed (round 0 of 3)",
    }

    (here / "broken").unlink()
    model = (here / "out" / "never" / "model.safetensors").stat()
    second = paceline(*fragile, "--resume")
    assert second.code == 0, second.err
    assert (here / "out" / "never" / "model.safetensors").stat() == model
    assert {folder.status() for folder in folders.values()} == {"finished"}
    assert all(folder.failure() is None for folder in folders.values())


def _json(paceline, folder):
    return paceline("compare", folder, "--format", "json").out


def test_if_all_runs_fail_there_is_nothing_to_compare(paceline, small, here):
    (here / "fragile.py").write_text(FRAGILE)
    (here / "broken").touch()
    settings = ("--set", "model.name=fragile:Fragile", "--set", "model.args.weak=training")
    result = paceline("run", small, *settings, "--out", "out")
    assert (result.code, result.out) == (1, "")
    assert "1 of 1 runs failed: small" in result.err


def test_the_last_lines(paceline, small, here):
    result = paceline("run", small, "--set", "sweep.seed=[1, 2]")
    assert result.code == 0
    table = result.out.splitlines()
    rule = next(number for number, line in enumerate(table) if line.startswith("──"))
    assert [line.split()[0] for line in table[rule + 1 : rule + 3]] == ["seed-1", "seed-2"]
    said = "results in results/small; compare again: paceline compare results/small"
    assert result.err.splitlines()[-1] == said
    assert paceline(*said.split("paceline ")[1].split()).out == result.out


def test_a_scenario_is_repeated_from_a_run_s_folder(paceline, small, here, bits):
    """Also a run of a sweep; only its name differs, as it is not one of several any more."""
    sweep = 'sweep."strategy.schedule"=["serial", "parallel"]'
    assert paceline("run", small, "--set", sweep, "--out", "out").code == 0
    for name in ("serial", "parallel"):
        stored = here / "out" / name / "scenario.toml"
        assert paceline("run", stored, "--out", f"again-{name}").code == 0
        assert (here / f"again-{name}" / "scenario.toml").read_text() == stored.read_text()
        model, tables = bits(here / "out" / name)
        again, tables_again = bits(here / f"again-{name}")
        assert again == model
        for table, text in tables.items():
            assert tables_again[table].replace("\nsmall,", f"\n{name},") == text


def test_help_version_and_nothing(paceline):
    plain, asked = paceline(), paceline("--help")
    assert (plain.code, plain.err) == (0, "")
    assert "Usage: paceline" in plain.out
    assert "compare" in asked.out
    assert paceline("--version").out.startswith("paceline 0.")
    for command, example in (("run", "--set rounds=100"), ("compare", "--to-accuracy 0.8")):
        assert example in paceline(command, "--help").out


def test_the_catalogue_fits_a_hundred_columns(paceline):
    result = paceline("list")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 100


def test_the_reader_may_stop_reading(repo_root):
    command = f"{sys.executable} -m simulations list | head -1"
    done = subprocess.run(
        command, shell=True, cwd=repo_root, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("scenarios:\n", "")


def test_what_only_asks_is_quick(repo_root):
    """Help, lists and bad input load neither torch nor Ray nor pandas; a run loads no Ray."""
    probe = textwrap.dedent(
        """
        import json, sys
        from simulations import cli
        loaded = {}
        commands = [["--help"], ["list"], ["run", "none.toml"], ["run", "quickstart", "--set=a=1"]]
        for command in commands:
            sys.argv = ["paceline", *command]
            try:
                cli.main()
            except SystemExit:
                pass
            loaded[" ".join(command)] = [n for n in ("torch", "ray", "pandas") if n in sys.modules]
        import simulations.batch
        print(json.dumps([loaded, "ray" in sys.modules]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=repo_root, capture_output=True, text=True, check=True
    )
    loaded, ray = json.loads(done.stdout.splitlines()[-1])
    assert {command: names for command, names in loaded.items() if names} == {}
    assert not ray


def test_warnings_of_libraries_do_not_reach_the_user(paceline, small, here):
    """In a test a warning is an error, so it would even end the run."""
    (here / "noisy.py").write_text(
        "import warnings\nfrom federation.models.zoo import logistic\n"
        "def build():\n    warnings.warn('change all your code')\n    return logistic((64,), 10)\n"
    )
    result = paceline("run", small, "--set", "model.name=noisy:build", "--out", "out")
    assert result.code == 0, result
    assert "change all your code" not in result.err + result.out
