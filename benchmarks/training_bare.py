"""One case without any framework: processes that train their share of a round's clients.

The weights lie in shared memory; each process adds up what its clients came to, and the parent
takes the mean. Denormal numbers are flushed as Paceline does, so that only the rest differs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue

import torch
from torch import Tensor, multiprocessing

from benchmarks.memory import peak_mb
from benchmarks.training_cases import (
    BATCH,
    RATE,
    SEED,
    TASKS,
    Case,
    Measured,
    measured_rounds,
    rounds_in_all,
)
from benchmarks.training_data import Material, material, train_plainly
from federation.precision import exact_kernels

State = dict[str, Tensor]


def measure(case: Case, rounds: int) -> Measured:
    """Rounds of federated averaging; torch's settings come back afterwards."""
    with exact_kernels(), torch.random.fork_rng(devices=[]):
        return _measure(case, rounds)


def _measure(case: Case, rounds: int) -> Measured:
    torch.manual_seed(SEED)
    task, made = TASKS[case.task], material(case)
    draw = random.Random(SEED)
    crew = _Alone(made) if case.workers == 1 else _Crew(case, made)
    durations = []
    for _ in range(rounds_in_all(rounds)):
        began = time.perf_counter()
        crew.train(draw.sample(range(task.clients), task.cohort))
        durations.append(time.perf_counter() - began)
    crew.close()
    made.module.load_state_dict(crew.weights)
    return Measured(measured_rounds(durations), made.accuracy(), peak_mb())


def _copy(state: State) -> State:
    return {name: value.clone() for name, value in state.items()}


def _train(made: Material, clients: Sequence[int], weights: State, sums: State) -> None:
    for value in sums.values():
        value.zero_()
    for client in clients:
        made.module.load_state_dict(weights)
        train_plainly(made.module, made.rows[client], RATE, BATCH)
        for name, value in made.module.state_dict().items():
            sums[name] += value


class _Alone:
    """This process trains."""

    def __init__(self, made: Material) -> None:
        self._made = made
        self.weights = _copy(made.module.state_dict())
        self._sums = _copy(self.weights)

    def train(self, clients: Sequence[int]) -> None:
        _train(self._made, clients, self.weights, self._sums)
        for name, value in self.weights.items():
            value.copy_(self._sums[name] / len(clients))

    def close(self) -> None:
        pass


class _Crew:
    """Others train."""

    def __init__(self, case: Case, made: Material) -> None:
        self.weights = _shared(made.module.state_dict())
        self._sums = [_shared(self.weights) for _ in range(case.workers)]
        spawn = multiprocessing.get_context("spawn")
        self._done = spawn.SimpleQueue()
        self._orders = [spawn.SimpleQueue() for _ in self._sums]
        self._processes = [
            spawn.Process(target=_work, args=(case, self.weights, sums, orders, self._done))
            for sums, orders in zip(self._sums, self._orders, strict=True)
        ]
        for process in self._processes:
            process.start()
        for _ in self._processes:
            self._done.get()

    def train(self, clients: Sequence[int]) -> None:
        count = len(self._orders)
        for place, orders in enumerate(self._orders):
            orders.put(clients[place::count])
        for _ in self._orders:
            self._done.get()
        with torch.no_grad():
            for name, value in self.weights.items():
                whole = torch.stack([sums[name] for sums in self._sums]).sum(0)
                value.copy_(whole / len(clients))

    def close(self) -> None:
        for orders in self._orders:
            orders.put(None)
        for process in self._processes:
            process.join()


def _shared(state: State) -> State:
    return {
        name: value.detach().clone().share_memory_()  # type: ignore[no-untyped-call]
        for name, value in state.items()
    }


def _work(
    case: Case,
    weights: State,
    sums: State,
    orders: SimpleQueue[list[int] | None],
    done: SimpleQueue[object],
) -> None:
    """A process: clients come in by `orders`, and None is the end."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    made = material(case)
    done.put(True)
    while (clients := orders.get()) is not None:
        _train(made, clients, weights, sums)
        done.put(True)
