"""One case on Flower's stock simulation: its own FedAvg, and a ClientApp that returns its input."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks.noop import PARAMETERS, framed_2nn
from benchmarks.speed_cases import WARM_UP_ROUNDS, Case, Measured


class Timed(FedAvg):
    """FedAvg that notes when each round begins."""

    def __init__(self, clients_per_round: int, population: int) -> None:
        share = clients_per_round / population if clients_per_round > 1 else 1e-9
        super().__init__(
            fraction_train=share,
            fraction_evaluate=0.0,
            min_train_nodes=clients_per_round,
            min_available_nodes=population,
        )
        self.begun_s: list[float] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As FedAvg does."""
        self.begun_s.append(time.perf_counter())
        return super().configure_train(server_round, arrays, config, grid)


def measure(case: Case) -> Measured:
    """From the beginning of one round to that of the next."""
    strategy = Timed(case.clients_per_round, case.population)
    run_simulation(
        _server(strategy, WARM_UP_ROUNDS + case.rounds + 1),
        _client(),
        num_supernodes=case.population,
        backend_config={
            "init_args": {"num_cpus": 2, "log_to_driver": False},
            "client_resources": {"num_cpus": 1},
        },
    )
    rounds = [after - before for before, after in pairwise(strategy.begun_s)][WARM_UP_ROUNDS:]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured([1e3 * s / case.clients_per_round for s in rounds], peak_kb / 1e3)


def _server(strategy: FedAvg, rounds: int) -> ServerApp:
    app = ServerApp()

    @app.main()
    def main(grid: Grid, _: Context) -> None:
        values = [value.detach().numpy() for value in framed_2nn().state_dict().values()]
        assert sum(value.size for value in values) == PARAMETERS
        strategy.start(grid, ArrayRecord([np.array(value) for value in values]), rounds)

    return app


def _client() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        metrics = MetricRecord({"num-examples": 1})
        content = RecordDict({"arrays": message.content["arrays"], "metrics": metrics})
        return Message(content, reply_to=message)

    return app
