"""Where the runs of a scenario go, and whether they may go there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from federation.errors import FolderError, ScenarioError
from federation.results.folder import INPUTS, free_folder
from federation.scenario import files
from federation.scenario.schema import Scenario
from federation.scenario.values import show

_RESULTS = "results"
_TAKEN = "{} exists already: resume it (--resume) or choose another --out"


@dataclass(frozen=True)
class PlannedRun:
    """One run: its name within the scenario ("" if it is the only one), what, and where.

    `written` is the scenario as the user wrote it, where that has other paths (see `inputs.py`).
    """

    name: str
    scenario: Scenario
    folder: Path
    written: Scenario | None = None

    @property
    def said(self) -> Scenario:
        """The scenario that goes into the folder."""
        return self.written or self.scenario

    @property
    def label(self) -> str:
        """The name of the run in tables and messages."""
        return self.name or self.scenario.name

    @property
    def base(self) -> Path:
        """The folder of the whole scenario: of all runs of a sweep, or of the only run."""
        return self.folder.parent if self.name else self.folder


def base_of(name: str, scenario_file: Path, out: str | None, resume: bool) -> Path:
    """The folder for the runs of a scenario with this name.

    `out` if it is given; to resume, the folder the scenario file lies in if it is a run's, else the
    newest `results/NAME`, `results/NAME-2`, ...; for a new run the first of them that is free.
    Raises FolderError where there is nothing to resume.
    """
    if out == "":
        raise FolderError("--out is empty: name a folder, or leave it out")
    if out is not None:
        return Path(out).expanduser()
    is_resolved = scenario_file.name == "scenario.toml"
    if resume and is_resolved and (scenario_file.parent / "environment.json").exists():
        return scenario_file.parent
    first = Path(_RESULTS) / name
    free = free_folder(first)
    if not resume:
        return free
    if free == first:
        raise FolderError(
            f"nothing to resume: there is no {first}; run without --resume, or say --out"
        )
    last = int(free.name.removeprefix(f"{name}-")) - 1
    return first if last == 1 else first.with_name(f"{name}-{last}")


def check_place(run: PlannedRun, resume: bool) -> None:
    """Raises FolderError where the run's folder is in use for something else."""
    base, folder = run.base, run.folder
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise FolderError(f"{path} is a file, not a folder; choose another --out")
    if run.name and (base / "scenario.toml").exists():
        remedy = "repeat the settings that it was started with, or " if resume else ""
        raise FolderError(
            f"{base} is the folder of one run, and this scenario makes several: "
            f"{remedy}choose another --out"
        )
    if (folder / "scenario.toml").exists():
        if not resume:
            raise FolderError(_TAKEN.format(folder))
        _check_same(run)
    elif folder.exists():
        _check_free(folder, resume)


def _check_free(folder: Path, resume: bool) -> None:
    """A folder without a scenario must be empty, or hold what a run killed at its start leaves."""
    names = {path.name for path in folder.iterdir()} - {".lock"}
    if not resume and names:
        raise FolderError(_TAKEN.format(folder))
    if any(not name.startswith((".", "run.sqlite", "environment.json", INPUTS)) for name in names):
        raise FolderError(
            f"{folder} is not a run folder: it has no scenario.toml; choose another --out"
        )


def _check_same(run: PlannedRun) -> None:
    """A run is gone on with only as it was begun; what executes it may change."""
    path = run.folder / "scenario.toml"
    try:
        stored = files.resolve(files.read(path), str(path))
    except ScenarioError as error:
        raise FolderError(f"{error}; restore the file, or start anew with another --out") from None
    changes = _differences(stored.model_dump(), run.said.model_dump(), "")
    for key, old, new in changes:
        if key == "engine.training" or not key.startswith("engine."):
            raise FolderError(
                f"{run.folder} was made with {key} = {old}, not {new}: repeat the settings that it "
                f"was started with (see {path}), or choose another --out"
            )


def _differences(
    old: Mapping[str, object], new: Mapping[str, object], above: str
) -> Iterator[tuple[str, str, str]]:
    """Dotted key, old value and new value of all that is not the same."""
    for name in dict.fromkeys([*old, *new]):
        was, now, key = old.get(name), new.get(name), f"{above}{name}"
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _differences(was, now, f"{key}.")
        elif was != now:
            yield key, _say(was), _say(now)


def _say(value: object) -> str:
    return "(none)" if value is None else show(value)
