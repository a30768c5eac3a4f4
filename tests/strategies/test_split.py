"""Split learning: special cases to the bit, bytes of the formulae, and clients that fail or lie."""

from dataclasses import replace

import numpy as np
import pytest

from federation.arrays import digest
from federation.errors import ScenarioError
from federation.results.folder import RunFolder
from federation.scenario.files import resolve
from federation.scenario.schema import StrategyConfig
from simulations.launch import simulate
from simulations.prepare import PlannedRun, check_materials
from strategies.catalogue import build_algorithm, build_schedule

UNEVEN = {"partition": {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0}}


@pytest.fixture
def play(world):
    """The results of a strategy over a world of six clients."""

    def run(schedule, algorithm="split", per_round=4, rounds=2, broken=(), tables=None, **args):
        config = StrategyConfig(schedule=schedule, algorithm=algorithm, args=args)
        small = world(**({"model": "2nn", "data": UNEVEN} | (tables or {})))
        return small.play(
            build_schedule(config),
            build_algorithm(config),
            per_round=per_round,
            rounds=rounds,
            broken=broken,
        )

    return run


def bits(results):
    return [digest({"model": result.state["model"]}) for result in results]


EAGER = {"engine": {"training": "eager"}}


@pytest.mark.parametrize(
    ("local", "args"),
    [
        ({}, {}),
        ({"momentum": 0.9}, {"cut": "3"}),
        ({"optimizer": "adamw", "lr": 0.01}, {"cut": 1, "tail": -1}),
        ({"steps": None, "epochs": 1, "batch_size": 64}, {"cut": 1}),
    ],
)
def test_vanilla_split_learning_goes_the_way_of_the_serial_schedule(play, args, local):
    tables = EAGER | {"local": local}
    split = play("split", tables=tables, **args)
    serial = play("serial", "fedavg", tables=tables)
    assert bits(split) == bits(serial)


def test_without_clipping_only(play):
    """Each side clips what it has: the norm over all layers is known to nobody."""
    tables = EAGER | {"local": {"clip_norm": 0.1}}
    assert bits(play("split", tables=tables)) != bits(play("serial", "fedavg", tables=tables))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tail", ["", -1])
def test_splitfed_with_one_client_is_split_learning_and_centralised(play, version, tail):
    fed = play("splitfed", per_round=1, tables=EAGER, version=version, tail=tail)
    assert bits(fed) == bits(play("split", per_round=1, tables=EAGER, tail=tail))
    assert bits(fed) == bits(play("parallel", "fedavg", per_round=1, tables=EAGER))


def test_splitfed_1_with_one_step_and_all_clients_is_fedsgd(play):
    tables = EAGER | {"local": {"steps": 1, "batch_size": "full"}}
    fed = play("splitfed", per_round=6, tables=tables)
    assert bits(fed) == bits(play("parallel", "fedsgd", per_round=6, tables=tables))


def test_splitfed_1_is_fedavg_over_whole_models(play):
    assert bits(play("splitfed", tables=EAGER)) == bits(play("parallel", "fedavg", tables=EAGER))


def test_splitfed_2_learns_from_one_batch_after_the_other(play):
    assert bits(play("splitfed", tables=EAGER, version=2)) != bits(play("splitfed", tables=EAGER))


@pytest.mark.parametrize("schedule", ["split", "splitfed"])
def test_a_client_that_fails_is_one_row_and_the_round_goes_on(play, schedule):
    results = play(schedule, per_round=6, broken={2})
    for result in results:
        found = {one.reply.client: one.status for one in result.outcomes}
        assert found == {client: "failed" if client == 2 else "counted" for client in range(6)}
    whole = play(schedule, per_round=6)
    assert bits(whole) != bits(results)


def test_one_row_sums_what_a_clients_exchanges_say(play):
    (result,) = play("split", rounds=1, per_round=2)
    for one in result.outcomes:
        own = [e.reply for e in result.exchanges if e.reply.client == one.reply.client]
        assert [reply.asked for reply in own] == [
            "split-half", "split-forward", "split-forward", "split-back",
        ]  # fmt: skip
        assert one.reply.metrics["steps"] == 2
        assert one.reply.metrics["processed"] == 32
        share = (2 * 64 * 200 * 2) / (3 * (64 * 200 + 200 * 200 + 200 * 10) * 2 - 64 * 200 * 2)
        assert one.reply.metrics["effort"] == pytest.approx(32 * share)


@pytest.fixture
def ledger(cache, tmp_path):
    """The exchanges and clients of a plain run on a small model."""

    def run(schedule, model="mlp", steps=2, codecs=None, **args):
        told = {"hidden": 8} if model == "mlp" else {}
        table = {
            "name": "split",
            "rounds": 2,
            "data": {"source": "digits", "clients": 5},
            "model": {"name": model, "args": told},
            "local": {"lr": 0.1, "steps": steps, "batch_size": 16},
            "strategy": {
                "algorithm": "split",
                "schedule": schedule,
                "clients_per_round": 3,
                "args": args,
            },
        }
        table |= codecs or {}
        simulate(PlannedRun("run", resolve(table, "split"), tmp_path / "run"))
        return RunFolder.open(tmp_path / "run")

    return run


SMASHED = 8 * 4  # q: bytes of a row at the cut of the small model
ALPHA_W = (64 * 8 + 8) * 4
P, ROWS = 3, 3 * 2 * 16  # clients; p: rows processed in a round
LABEL = 4


@pytest.mark.parametrize("schedule", ["split", "splitfed"])
def test_bytes_of_a_round_are_2pq_and_the_clients_layers(ledger, schedule):
    for row in ledger(schedule).rounds()[1:]:
        assert row.clients_selected == row.clients_counted == P
        assert row.raw_downlink_bytes == ROWS * SMASHED + P * ALPHA_W
        assert row.raw_uplink_bytes == ROWS * (SMASHED + LABEL) + P * ALPHA_W


def test_where_labels_stay_there_are_four_crossings(ledger, tmp_path, monkeypatch):
    (tmp_path / "ushape.py").write_text(
        "from torch import nn\n"
        "def make(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(),"
        " nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    head, tail = (64 * 8 + 8) * 4, (8 * 10 + 10) * 4
    folder = ledger("split", model="ushape:make", cut=1, tail=-1)
    for row in folder.rounds()[1:]:
        assert row.raw_downlink_bytes == 2 * ROWS * SMASHED + P * (head + tail)
        assert row.raw_uplink_bytes == 2 * ROWS * SMASHED + P * (head + tail)


REFUSED = [
    ({"algorithm": "fedavg"}, "cuts models; set strategy.algorithm = 'split'"),
    ({"deadline_s": 5.0}, "waits for all"),
    ({"args": {"cut": 9}}, "strategy.args.cut = 9: the model has layers 0 to 5"),
    ({"args": {"cut": "last"}}, "strategy.args.cut"),
    ({"args": {"cut": 5}}, "the server would have nothing to train"),
    ({"args": {"cut": 0}}, "the client would have nothing to train"),
    ({"args": {"cut": 3, "tail": 2}}, "leaves the server no layer"),
    ({"args": {"cut": 1.5}}, "strategy.args.cut = 1.5: must be"),
]


@pytest.mark.parametrize(("strategy", "says"), REFUSED)
def test_what_cannot_be_cut_is_refused_in_one_line(cache, strategy, says):
    table = {
        "name": "split",
        "rounds": 1,
        "data": {"source": "digits", "clients": 5},
        "model": {"name": "2nn"},
        "local": {"lr": 0.1},
        "strategy": {"schedule": "split", "algorithm": "split"} | strategy,
    }
    with pytest.raises(ScenarioError) as caught:
        check_materials([PlannedRun("run", resolve(table, "test"), None)])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


class Tampered:
    """A fleet whose replies pass through `change` before the server sees them."""

    def __init__(self, fleet, change):
        self._fleet, self._change = fleet, change

    def __getattr__(self, name):
        return getattr(self._fleet, name)

    def collect(self, requests):
        return [self._change(reply) for reply in self._fleet.collect(requests)]


def wrong_labels(reply):
    smashed = dict(reply.parts["smashed"])
    smashed["labels"] = np.full_like(smashed["labels"], 99)
    return replace(reply, parts={"smashed": smashed})


def far_away(reply):
    smashed = dict(reply.parts["smashed"])
    smashed["values"] = np.full_like(smashed["values"], 1e38)
    return replace(reply, parts={"smashed": smashed})


def gone(reply):
    return replace(reply, parts=None, error="it dropped out", fault="dropped")


@pytest.mark.parametrize(
    ("change", "status"),
    [(wrong_labels, "rejected"), (far_away, "rejected"), (gone, "dropped")],
)
def test_what_fails_in_the_middle_of_a_pass_leaves_the_model_as_it_was(world, change, status):
    """The second batch of client 1 goes wrong: the others end where they do without client 1."""

    def spoil(reply):
        bad = reply.client == 1 and reply.asked == "split-forward" and reply.task.step == 2
        return change(reply) if bad else reply

    config = StrategyConfig(schedule="split", algorithm="split", args={"order": "fixed"})
    small = world(model="2nn", data=UNEVEN)
    without = small.play(build_schedule(config), build_algorithm(config), 6, {1}, rounds=1)
    connect = small.connect
    small.connect = lambda *told: Tampered(connect(*told), spoil)
    (result,) = small.play(build_schedule(config), build_algorithm(config), 6, rounds=1)
    found = {one.reply.client: one.status for one in result.outcomes}
    assert found == {client: status if client == 1 else "counted" for client in range(6)}
    assert bits([result]) == bits(without)
    assert len([one for one in result.exchanges if one.reply.client == 1]) == 3


def test_smashed_data_and_gradients_go_through_the_codecs(ledger):
    codecs = {"uplink": {"codec": "int8"}, "downlink": {"codec": "int8"}}
    row = ledger("split", codecs=codecs).rounds()[1]
    plain = P * ALPHA_W  # the clients' layers go down as they are
    assert plain < row.downlink_bytes < plain + 0.25 * ROWS * SMASHED + 13 * 900
    assert row.uplink_bytes < 0.25 * (ROWS * SMASHED + plain) + ROWS * LABEL + 13 * 900
