"""From a scenario's name to runs that can start: all is checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.codecs._catalogue import build_codec
from federation.data.dataset import Dataset
from federation.data.partition import Assignment, cached_assignment
from federation.data.source import load, read_column
from federation.errors import BadInput, FolderError, ScenarioError, unknown_choice
from federation.models.learner import Learner, build_learner
from federation.results.folder import free_folder
from federation.scenario import files, overrides, sweep
from federation.scenario.partitions import Continuous, Natural
from federation.scenario.schema import Scenario
from simulations.devices import Population
from strategies.catalogue import build_algorithm, build_schedule, check_arguments

_BUNDLED = Path(__file__).parent / "scenarios"


@dataclass(frozen=True)
class PlannedRun:
    """One run: its name within the scenario ("" if it is the only one), what, and where."""

    name: str
    scenario: Scenario
    folder: Path

    @property
    def label(self) -> str:
        """The name of the run in tables and messages."""
        return self.name or self.scenario.name


@dataclass(frozen=True)
class Materials:
    """What a run is made of: data, who holds it, and the model."""

    dataset: Dataset
    assignment: Assignment
    learner: Learner


def bundled_scenarios() -> dict[str, Path]:
    """Name -> file of the scenarios that come with Paceline."""
    return {path.stem: path for path in sorted(_BUNDLED.glob("*.toml"))}


def plan(
    reference: str, settings: Sequence[str], out: str | None, resume: bool
) -> list[PlannedRun]:
    """All runs of a scenario, each checked as far as it can be without its data.

    Raises BadInput. Creates nothing.
    """
    path = _find(reference)
    table = overrides.apply(files.read(path), settings)
    resolved: list[tuple[str, Scenario]] = []
    for name, run in sweep.expand(table, str(path)):
        where = f"{path} [{name}]" if name else str(path)
        scenario = files.resolve(run, where)
        _check_names(scenario, where)
        resolved.append((name, scenario))
    base = _folder(resolved[0][1].name, path, out, resume)
    runs = [PlannedRun(name, scenario, base / name) for name, scenario in resolved]
    for run_ in runs:
        _check_folder(run_, resume)
    return runs


def materials(scenario: Scenario) -> Materials:
    """Load the data, share it out and build the model. Raises BadInput where they do not fit."""
    dataset = load(scenario.data)
    learner = build_learner(scenario.model, dataset, scenario.seed)
    return Materials(dataset, shared_out(scenario, dataset), learner)


def shared_out(scenario: Scenario, dataset: Dataset) -> Assignment:
    """Who holds which rows. Raises BadInput where the partition does not fit the data."""
    partition, columns = scenario.data.partition, None
    if isinstance(partition, Natural | Continuous):
        columns = {partition.column: read_column(scenario.data, partition.column)}
    return cached_assignment(scenario.data, dataset, scenario.seed, columns)


def _find(reference: str) -> Path:
    bundled = bundled_scenarios()
    if reference in bundled:
        return bundled[reference]
    path = Path(reference)
    if path.exists() or path.suffix == ".toml" or "/" in reference:
        return path
    raise ScenarioError(
        unknown_choice("scenario", reference, [*bundled, "or a path to a .toml file"])
    )


def _check_names(scenario: Scenario, where: str) -> None:
    """The names that the schema leaves open: strategies, codecs, devices."""
    try:
        build_schedule(scenario.strategy)
        build_algorithm(scenario.strategy)
        check_arguments(scenario.strategy)
        for direction in ("uplink", "downlink"):
            build_codec(getattr(scenario, direction).codec)
        Population(scenario.fleet, scenario.data.clients, scenario.seed).check()
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _folder(name: str, path: Path, out: str | None, resume: bool) -> Path:
    if out:
        return Path(out)
    if resume and path.name == "scenario.toml" and (path.parent / "environment.json").exists():
        return path.parent
    base = Path("results") / name
    free = free_folder(base)
    if not resume:
        return free
    if free == base:
        raise FolderError(
            f"nothing to resume: there is no {base}; run without --resume, or say --out"
        )
    last = int(free.name.removeprefix(f"{name}-")) - 1
    return base if last == 1 else base.with_name(f"{name}-{last}")


def _check_folder(run: PlannedRun, resume: bool) -> None:
    if not run.folder.exists():
        return
    if not resume:
        if run.name == "" and not any(run.folder.iterdir()):
            return
        raise FolderError(
            f"{run.folder} exists already: resume it (--resume) or choose another --out"
        )
    stored = files.resolve(files.read(run.folder / "scenario.toml"), str(run.folder))
    old, new = stored.model_dump(), run.scenario.model_dump()
    for key in new:
        if key != "engine" and old[key] != new[key]:
            raise FolderError(
                f"{run.folder} was made with another [{key}]: repeat the settings it was started "
                f"with (they stand in {run.folder / 'scenario.toml'}), or choose another --out"
            )


def check_materials(runs: Sequence[PlannedRun]) -> None:
    """Load and share out the data of all runs, so that bad data stops them before they start."""
    seen: set[str] = set()
    for run in runs:
        key = f"{run.scenario.data!r} {run.scenario.model!r} {run.scenario.seed}"
        if key in seen:
            continue
        seen.add(key)
        try:
            materials(run.scenario)
        except BadInput as error:
            raise type(error)(f"{run.label}: {error}") from None
