"""Interrupted, killed, repeated: the run goes on and the bits are those of an undisturbed one."""

import random
import shlex
import signal

import pytest

from federation.errors import FolderError
from federation.results.folder import RunFolder
from federation.results.store import Store
from simulations import prepare

# Rounds of a few milliseconds: many of them share a commit.
SCENARIO = """
name = "resumed"
rounds = 150

[data]
source = "digits"
clients = 12
partition = { kind = "shards", shards_per_client = 2 }

[model]
name = "mlp"

[local]
lr = 0.1
steps = 2

[strategy]
clients_per_round = 4

[sweep]
"strategy.schedule" = ["serial", "parallel"]
"""

# An algorithm whose clients keep something: every round is a commit of its own.
KEEPING = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, Train

@dataclass(frozen=True)
class Keeping(FedAvg):
    keeps_state: ClassVar[bool] = True

    def local(self, context):
        model = context.received["model"]
        last = context.kept.get("last", model)
        start = {name: value + np.float32(0.1) * (last[name] - value) for name, value in
                 model.items()}
        trained = yield Train(start=start)
        return Contribution({"model": trained.arrays}, trained.examples,
                            kept={"last": trained.arrays})
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "resumed.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def undisturbed(scenario, tmp_path_factory):
    """The folder of the sweep, run without a break in this process."""
    from simulations import batch

    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    assert batch.execute(prepare.plan(str(scenario), [], str(folder), False), print) == []
    return folder


def committed(folder):
    """The last committed round; -1 before the first, and while the store is being made."""
    try:
        with Store.view(folder) as store:
            pointer = store.committed()
    except FolderError:
        return -1
    return -1 if pointer is None else pointer[0]


def kill_at(process, folder, round_, moments):
    """Kill without warning, some milliseconds after this round was committed."""
    assert process.wait_until(lambda: committed(folder) >= round_), process.wait()
    deadline = moments.uniform(0, 0.2)
    process.wait_until(lambda: False) if deadline < 0 else None
    result = process.kill(signal.SIGKILL)
    assert result.code == -signal.SIGKILL
