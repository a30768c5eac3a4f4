"""A run in which one client lies in a new way each round, and the same run without that client."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from flwr.app import RecordDict

from clients.calls import Handler
from federation.messages import error_content
from federation.scenario.files import resolve
from simulations import launch
from simulations.executors import ray as ray_executor
from simulations.executors.base import Setup
from simulations.prepare import PlannedRun
from simulations.workers import ClientSetup

CLIENTS, LIAR = 4, 2
LOSSY = "topk(0.05) | int8 | range"
WORLDS = {
    "plain": {},
    "odd": {},
    "true lossless": {},
    "true lossy": {"uplink": {"codec": LOSSY}},
    "serial": {"strategy": {"schedule": "serial", "args": {"order": "fixed"}}},
    "ef": {
        "uplink": {"codec": LOSSY, "error_feedback": "ef"},
        "downlink": {"codec": "stc(0.05)"},
    },
    "ef21": {"uplink": {"codec": LOSSY, "error_feedback": "ef21"}},
    "ray": {
        "uplink": {"codec": LOSSY, "error_feedback": "ef"},
        "engine": {"backend": "ray", "workers": 2},
    },
    "tested": {"data": {"holdout": 0.2}, "evaluation": {"per_client": True}},
}

Lie = Callable[[RecordDict, object], RecordDict]  # the honest reply and the uplink's chain


@dataclass(frozen=True)
class LyingSetup:
    """The real workers, but some of one client's replies are replaced, by kind and round."""

    inner: Setup
    lies: Mapping[tuple[str, int], Lie]

    def build(self):
        return LyingHandler(self.inner.build(), self.lies)


@dataclass(frozen=True)
class LyingHandler:
    inner: Handler
    lies: Mapping[tuple[str, int], Lie]

    def handle(self, calls):
        replies = self.inner.handle(calls)
        for place, call in enumerate(calls):
            lie = self.lies.get((call.message_type, call.content["request"]["round"]))
            if call.client == LIAR and lie is not None:
                replies[place] = lie(replies[place], self.inner.uplink.chain)
        return replies


@dataclass(frozen=True)
class Played:
    """The runs' folders, and the round in which each lie was told."""

    rounds: Mapping[str, int]
    lied: Path
    silent: Path

    def table(self, table, name, folder=None):
        """The rows of a lie's round."""
        frame = pd.read_parquet((folder or self.lied) / f"{table}.parquet")
        return frame[frame["round"] == self.rounds[name]]

    def row(self, name):
        """The liar's row in the round of a lie."""
        return self.table("clients", name).set_index("client").loc[LIAR]

    def models(self):
        return [(run / "model.safetensors").read_bytes() for run in (self.lied, self.silent)]

    def check_rejected(self, name, reason):
        """The liar alone is rejected, in one line, and the round is that of its absence."""
        clients = self.table("clients", name).set_index("client")
        expected = {c: "rejected" if c == LIAR else "counted" for c in range(CLIENTS)}
        assert clients.status.to_dict() == expected
        told = clients.reason[LIAR]
        assert re.search(reason, told), told
        assert told.splitlines() == [told]
        assert len(told) <= 300
        (row,), (absent,) = (
            self.table("rounds", name, run).to_dict("records") for run in (self.lied, self.silent)
        )
        assert (row["clients_counted"], row["clients_failed"]) == (CLIENTS - 1, 1)
        for column in ("accuracy", "loss", "train_loss"):
            assert row[column] == absent[column]


def silent(content, chain):
    return error_content("no answer")


def run(folder, world, lies, kind, engine=True):
    """A run with a lie a round from the second on, and an honest round at the end."""
    table = {
        "name": "hostile",
        "rounds": len(lies) + 2,
        "model": {"name": "logistic"},
        "local": {"lr": 0.1, "steps": 2},
        **WORLDS[world],
    }
    table["data"] = {"source": "digits", "clients": CLIENTS} | table.get("data", {})
    if not engine:  # it never changes a result
        table.pop("engine", None)
    told = {(kind, number): lie for number, lie in enumerate(lies, 2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "ClientSetup", lambda *given: LyingSetup(ClientSetup(*given), told))
        launch.simulate(PlannedRun("hostile", resolve(table, "test"), folder))
    return folder


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    """Plays lies in a world; a world is played once."""
    made = {}

    def of(world, lies, kind="train"):
        if world not in made:
            folder = tmp_path_factory.mktemp(world)
            made[world] = Played(
                {name: number for number, name in enumerate(lies, 2)},
                run(folder / "lied", world, lies.values(), kind),
                run(folder / "silent", world, [silent] * len(lies), kind, engine=False),
            )
        return made[world]

    yield of
    ray_executor.shutdown()


@pytest.fixture
def played_with_lost_replies(tmp_path):
    """The folder of a run in which so many replies of one client in a row do not arrive."""

    def of(world, lost):
        return run(tmp_path / f"{world}-{lost}", world, [silent] * lost, "train")

    return of
