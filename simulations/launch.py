"""Runs planned runs in the pretend world: builds a VirtualGrid and hands it to the ServerApp."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace

from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig

from clients.build import versions_folder
from clients.engines.choice import Chosen, choose
from clients.engines.cuda import gpu_share
from federation.models.flops import training_flop_per_example
from federation.models.learner import build_learner
from federation.results.environment import describe
from federation.results.folder import RunFolder
from federation.scenario import files
from federation.scenario.client import client_config
from federation.scenario.schema import EngineConfig, Scenario
from simulations import inputs
from simulations.executors.base import Executor, Setup
from simulations.executors.inline import InlineExecutor
from simulations.executors.pool import Pool
from simulations.executors.processes import ProcessWorkers
from simulations.packs import Packing
from simulations.prepare import Materials, PlannedRun, materials
from simulations.virtual_grid import VirtualGrid
from simulations.workers import ClientSetup
from simulations.world import World


def simulate(run: PlannedRun) -> None:
    """Run, or go on with, one planned run. A folder that is finished stays as it is."""
    from federation.server_app import app

    folder = open_folder(run)
    if folder.is_finished():
        return
    run = replace(run, scenario=inputs.from_copies(run.said, folder.path))
    kept = folder.path.absolute() / "clients"
    setup = ClientSetup(run.scenario, kept)
    grid = virtual_grid(run, materials(run.scenario), executor(run.scenario.engine, setup))
    try:
        config: UserConfig = {
            "scenario": str(folder.scenario_path),
            "out": str(folder.path),
            "resume": True,
            "label": run.label,
        }
        app(grid, Context(1, 1, {}, RecordDict(), config))
    finally:
        grid.close()
    shutil.rmtree(versions_folder(kept), ignore_errors=True)  # nobody builds on them any more


def open_folder(run: PlannedRun) -> RunFolder:
    """The run's folder, made if it is not there yet; it tells where the partition came from."""
    if (run.folder / "scenario.toml").exists():
        folder = RunFolder.open(run.folder)
        if not folder.is_finished():
            inputs.renew(run.said, run.scenario, folder.path)
        return folder
    made = materials(run.scenario)
    facts = {
        "run_id": uuid.uuid4().hex,
        "partition": made.assignment.provenance,
        "training": "; ".join(dict.fromkeys(map(str, _chosen(run.scenario, made)))),
        **describe(),
    }
    copies = inputs.contents(run.said, run.scenario)
    return RunFolder.create(run.folder, files.to_toml(run.said), facts, copies)


def executor(config: EngineConfig, setup: Setup) -> Executor:
    """The executor that `[engine]` asks for."""
    if config.backend == "inline":
        return InlineExecutor(setup.build())
    if config.backend == "processes":
        return Pool(ProcessWorkers(setup), config.workers)
    from simulations.executors.ray import RayWorkers

    gpus = gpu_share(config.workers) if config.training == "cuda" else 0.0
    return Pool(RayWorkers(setup, config.workers, config.address, gpus), config.workers)


def virtual_grid(run: PlannedRun, made: Materials, workers: Executor) -> VirtualGrid:
    """The pretend world of a run."""
    flop = training_flop_per_example(run.scenario.model, made.learner, made.dataset)
    model_bytes = sum(array.nbytes for array in made.learner.arrays().values())
    world = World.of(run.scenario, flop, made.assignment.sizes(), model_bytes)
    return VirtualGrid(workers, world, _packing(run.scenario, made, model_bytes))


def _packing(scenario: Scenario, made: Materials, model_bytes: int) -> Packing:
    """How many clients a worker had better get at once."""
    engine, size = scenario.engine, scenario.local.batch_size
    workers = 1 if engine.backend == "inline" else engine.workers
    if size == "full":
        return Packing(workers, reply_bytes=model_bytes)
    chosen = _chosen(scenario, made)
    together = min(one.together(size) for one in chosen)
    return Packing(workers, together, any(one.fixed for one in chosen), model_bytes)


def _chosen(scenario: Scenario, made: Materials) -> list[Chosen]:
    """Which engines train the clients: one, or one for each kind of model."""
    config, model = client_config(scenario), scenario.model
    kinds = [model.of_kind(number) for number in range(len(model.kinds))]
    learners = [build_learner(kind, made.dataset, scenario.seed) for kind in kinds]
    return [choose(config, learner, made.dataset) for learner in learners or [made.learner]]
