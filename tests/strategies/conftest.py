"""A small pretend world: real clients on the bundled digits, inline, under virtual time.

And Ray workers that serve one run after another.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clients.build import fitted, teaching, wiring, workshop
from clients.calls import Handler
from federation.desk import Desk
from federation.errors import ClientError
from federation.grid_fleet import GridFleet
from federation.scenario import files
from federation.scenario.client import client_config
from federation.scenario.schema import Scenario
from simulations import launch
from simulations.executors.inline import InlineExecutor
from simulations.executors.pool import Pool
from simulations.executors.ray import RayWorkers, shutdown
from simulations.prepare import Materials, materials
from simulations.virtual_grid import VirtualGrid
from simulations.world import World as Pretended
from strategies.base import Algorithm, Plan, Schedule
from strategies.selections.chooser import Chooser

CLIENTS, ROUNDS, SEED, PUBLIC = 6, 3, 5, 24


@dataclass
class World:
    """A fleet of clients; those in `broken` cannot read their rows.

    `public` rows are everybody's. `lies` makes another handler of the clients' own.
    """

    made: Materials
    connect: Callable[..., GridFleet]
    public: int
    scenario: Scenario

    def play(
        self,
        schedule: Schedule,
        algorithm: Algorithm,
        per_round=4,
        broken=(),
        rounds=ROUNDS,
        **lying,
    ):
        """The results of all rounds, from the initial model on."""
        made = self.made
        algorithm = fitted(algorithm, client_config(self.scenario), made.learner, made.dataset)
        fleet = self.connect(algorithm, set(broken), schedule.errands, **lying)
        state = algorithm.init(made.learner.arrays(), made.learner.spec)
        plan = Plan(SEED, 1, rounds, per_round, Chooser(SEED, per_round), fleet.desk)
        return list(schedule.rounds(fleet, algorithm, state, plan))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of our own, shared by the tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACELINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def world(cache, tmp_path):
    """Makes worlds of six clients, unless told otherwise, that differ in their data."""

    def make(model="logistic", clients=CLIENTS, **tables):
        data = {"source": "digits", "clients": clients, "public": PUBLIC} | tables.pop("data", {})
        local = {"lr": 0.1, "batch_size": 16, "steps": 2} | tables.pop("local", {})
        table = {"name": "world", "seed": SEED, "rounds": ROUNDS, "data": data, "local": local}
        model = {"name": model} if isinstance(model, str) else model
        scenario = files.resolve(table | {"model": model} | tables, "test")
        made, config = materials(scenario), client_config(scenario)
        worlds = []

        def connect(algorithm, broken, errands=None, lies=None):
            def rows_of(client):
                if client in broken:
                    raise ClientError(f"client {client} cannot read its card")
                return made.assignment.rows_of(client)

            worlds.append(None)
            shop = workshop(config, None)
            runtime = shop.runtime(rows_of, tmp_path / f"state-{len(worlds)}")
            object.__setattr__(runtime, "algorithm", algorithm)
            object.__setattr__(runtime, "errands", errands or {})
            pretend = Pretended.of(scenario, 1e6, made.assignment.sizes(), 1e3)
            handler = runtime if lies is None else lies(runtime, algorithm)
            grid = VirtualGrid(InlineExecutor(handler), pretend)
            told = wiring(config, algorithm, made.learner, 60.0, errands=errands)
            desk = Desk(scenario, made.dataset, teaching(scenario))
            return GridFleet(grid, clients, told, desk=desk)

        return World(made, connect, PUBLIC, scenario)

    return make


@dataclass(frozen=True)
class StandingSetup:
    """Workers for the run whose setup was put down in a file last."""

    newest: Path

    def build(self):
        return StandingHandler(self.newest)


@dataclass
class StandingHandler:
    """A worker's own handler, made anew for each run."""

    newest: Path
    known: bytes = b""
    handler: Handler | None = field(default=None)

    def handle(self, calls):
        told = self.newest.read_bytes()
        if told != self.known:
            self.known, self.handler = told, pickle.loads(told).build()  # noqa: S301
        return self.handler.handle(calls)


class StandingRay(Pool):
    """Two workers that stay when a run is over: processes that start cost seconds each."""

    def close(self):
        while not self._crew.is_idle:  # what an asynchronous run broke off
            self.next_done()
        self._done.clear()


@pytest.fixture(scope="module")
def standing_ray(tmp_path_factory):
    """Lets runs whose backend is Ray share their workers."""
    newest = tmp_path_factory.mktemp("standing") / "setup"
    shared = []

    def of(config, setup):
        if config.backend == "inline":
            return InlineExecutor(setup.build())
        newest.write_bytes(pickle.dumps(setup))
        if not shared:
            workers = RayWorkers(StandingSetup(newest), config.workers)
            shared.append(StandingRay(workers, config.workers))
        return shared[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "executor", of)
        yield
    for one in shared:
        Pool.close(one)
    shutdown()
