"""Asynchronous rounds follow the papers' equations, and are FedAvg where nobody is behind."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from federation.arrays import digest
from federation.errors import ScenarioError
from federation.scenario.files import resolve
from federation.scenario.schema import StrategyConfig
from simulations.launch import simulate
from simulations.prepare import PlannedRun, check_materials, materials
from strategies.catalogue import algorithms, build_algorithm, build_schedule
from strategies.schedules._staleness import Staleness, mixed, moved_on

A, B, ROWS = (0.5, 0.25, 1.0, 0.1), (1.0, -2.0, 0.5, 3.0), (1, 4, 2, 3)
N, LR, ROUNDS, START = len(ROWS), 0.1, 12, 10.0
UNEVEN = {
    "data": {"partition": {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0}}
}
EQUAL_WORK = {"data": {"partition": {"kind": "resampled", "examples": 48}}}
SLOW = [
    {"share": 0.5, "device": "raspberry-pi-4"},
    {"share": 0.5, "device": "raspberry-pi-3b-plus", "network": "lte"},
]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (Staleness("constant"), [1, 1, 1, 1, 1, 1]),
        (Staleness("polynomial", exponent=0.5), [(1 + d) ** -0.5 for d in range(6)]),
        (Staleness("polynomial", exponent=1.0), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]),
        (Staleness("hinge"), [1, 1, 1, 1, 1, 1 / 11]),
        (Staleness("hinge", hinge_slope=2, hinge_after=1.5), [1, 1, 1 / 2, 1 / 4, 1 / 6, 1 / 8]),
    ],
)
def test_weights_of_the_papers(weights, expected):
    assert [weights.weight(delay) for delay in range(6)] == pytest.approx(expected, abs=0)


def test_a_model_is_mixed_and_a_change_is_moved_on():
    one, two, three = ({"model": {"x": np.float32([v]), "n": np.int64([k])}} for v, k in VALUES)
    assert mixed(one, two, 0.25)["model"]["x"] == 0.75 * 1 + 0.25 * 2
    assert mixed(one, two, 1.0) is two
    moved = moved_on(one, two, three, 0.5, frozenset({"n"}))["model"]
    assert moved["x"] == 1 + 0.5 * (4 - 2)
    assert moved["n"] == 10 + 0.5 * (40 - 10), "what no gradient moves is mixed"


VALUES = ((1.0, 10), (2.0, 20), (4.0, 40))


@pytest.fixture
def scalar(cache, tmp_path, monkeypatch):
    """Runs f_m(x) = a_m x^2 + b_m x over clients of 1 to 4 rows; gives the last x and tables."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    owners = np.repeat(np.arange(N), ROWS)
    frame = pd.DataFrame(
        {"hundred_a": [100 * A[m] for m in owners], "b": [B[m] for m in owners], "label": owners}
    )
    for split in ("train", "test"):
        frame.to_parquet(tmp_path / f"{split}.parquet")
    rows = {str(m): np.flatnonzero(owners == m).tolist() for m in range(N)}
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    data = {"source": str(tmp_path), "input": ["hundred_a", "b"], "clients": N}

    def execute(algorithm="fedavg", **args):
        table = {
            "name": "equations",
            "rounds": ROUNDS,
            "data": data | {"partition": {"kind": "file", "path": str(tmp_path / "rows.json")}},
            "model": {"name": "quadratic_problem:Scalar", "task": "quadratic_problem:Quadratic"},
            "local": {"lr": LR, "batch_size": 1, "epochs": 1},
            "strategy": {"schedule": "asynchronous", "algorithm": algorithm, "args": args},
            "fleet": [{"jitter": 1.0}],
        }
        folder = tmp_path / "run"
        simulate(PlannedRun("run", resolve(table, "test"), folder))
        return float(load_file(folder / "model.safetensors")["x"]), *tables_of(folder)

    return execute


def tables_of(folder):
    return [
        pd.read_parquet(folder / f"{name}.parquet") for name in ("rounds", "clients", "exchanges")
    ]


def walk(m, x):
    """SGD, one step a row."""
    for _ in range(ROWS[m]):
        x -= LR * (2 * A[m] * x + B[m])
    return x


def counted(clients, number):
    rows = clients[(clients["round"] == number) & (clients.status == "counted")]
    return list(zip(rows.client, rows.staleness, strict=True))


@pytest.mark.parametrize(
    ("args", "weight"),
    [
        ({}, lambda d: 0.6 * (1 + d) ** -0.5),
        ({"mixing": 0.9, "staleness": "constant"}, lambda d: 0.9),
        (
            {"mixing": 1.0, "staleness": "hinge", "hinge_slope": 3.0, "hinge_after": 2.0},
            lambda d: 1 / (1 + 3 * (d - 2)) if d > 2 else 1.0,
        ),
    ],
    ids=["polynomial", "constant", "hinge"],
)
@pytest.mark.parametrize("server_lr", [1.0, 0.5])
def test_fedasync_mixes_each_reply_into_the_model(scalar, args, weight, server_lr):
    found, _, clients, _ = scalar(**args, server_lr=server_lr, concurrency=3)
    models, delays = [START], set()
    for number in range(1, ROUNDS + 1):
        ((client, delay),) = counted(clients, number)
        x, a = models[-1], server_lr * weight(delay)
        models.append((1 - a) * x + a * walk(client, models[number - 1 - delay]))
        delays.add(delay)
    assert found == pytest.approx(models[-1], rel=1e-12)
    assert delays >= {0, 1, 2, 3}, "or the weights were not tried"


@pytest.mark.parametrize("staleness", ["polynomial", "constant"])
def test_fedbuff_adds_the_changes_of_a_buffer(scalar, staleness):
    found, _, clients, _ = scalar(buffer=2, concurrency=3, staleness=staleness, server_lr=0.7)
    models, delays = [START], set()
    for number in range(1, ROUNDS + 1):
        replies, total = counted(clients, number), 0.0
        assert len(replies) == 2
        for client, delay in replies:
            began = models[number - 1 - delay]
            weight = (1 + delay) ** -0.5 if staleness == "polynomial" else 1.0
            total += ROWS[client] * weight * (walk(client, began) - began)
            delays.add(delay)
        models.append(models[-1] + 0.7 * total / sum(ROWS[client] for client, _ in replies))
    assert found == pytest.approx(models[-1], rel=1e-12)
    assert len(delays) > 1


def test_an_algorithm_of_the_server_gets_the_weighed_step(scalar):
    found, _, clients, _ = scalar(
        "fedavgm", momentum=0.5, nesterov=False, server_lr=1.0, concurrency=3
    )
    models, velocity = [START], 0.0
    for number in range(1, ROUNDS + 1):
        ((client, delay),) = counted(clients, number)
        a = 0.6 * (1 + delay) ** -0.5
        velocity = 0.5 * velocity + a * (walk(client, models[number - 1 - delay]) - models[-1])
        models.append(models[-1] + velocity)
    assert found == pytest.approx(models[-1], rel=1e-12)


@pytest.mark.parametrize("args", [{}, {"buffer": 2}, {"buffer": 3, "merge_every_s": 1.0}])
def test_staleness_is_the_number_of_merges_since_the_request_was_sent(scalar, args):
    _, rounds, clients, exchanges = scalar(**args, concurrency=3)
    ends = rounds.set_index("round").virtual_time_s
    sent = exchanges[exchanges.link == "downlink"].set_index(["round", "target"]).start_s
    for row in clients.itertuples():
        merged = (ends.iloc[1 : row.round] <= sent[row.round, f"client {row.client}"]).sum()
        assert row.staleness == row.round - 1 - merged
    assert clients.staleness.max() > 0


def play(world, schedule, tables=UNEVEN, per_round=4, rounds=3, algorithm="fedavg", **args):
    config = StrategyConfig(schedule=schedule, algorithm=algorithm, args=args)
    chosen = build_schedule(config), build_algorithm(config)
    return world(**tables).play(*chosen, per_round=per_round, rounds=rounds)


def bits(results):
    return [(digest({"model": result.state["model"]}), result.ended_s) for result in results]


@pytest.mark.parametrize("algorithm", ["fedavg", "fedadam", "feddyn", "ditto"])
@pytest.mark.parametrize("per_round", [4, 6])
def test_fedbuff_whose_buffer_is_all_that_train_is_fedavg(world, per_round, algorithm):
    """Nobody is behind then: models, clocks and clients are those of parallel rounds."""
    same = {"per_round": per_round, "algorithm": algorithm}
    parallel = play(world, "parallel", **same)
    buffered = play(world, "asynchronous", **same, buffer=per_round)
    assert bits(buffered) == bits(parallel)
    for one, other in zip(buffered, parallel, strict=True):
        timings = ({o.reply.client: o.reply.timing for o in r.outcomes} for r in (one, other))
        assert next(timings) == next(timings)


@pytest.mark.parametrize("schedule", ["parallel", "serial"])
def test_fedasync_with_one_client_at_a_time_and_no_mixing_is_a_hop(world, schedule):
    hops = play(world, schedule, per_round=1, rounds=5)
    assert bits(play(world, "asynchronous", per_round=1, rounds=5, mixing=1.0)) == bits(hops)
    assert bits(play(world, "asynchronous", per_round=1, rounds=5)) != bits(hops)


def test_a_server_that_waits_long_enough_for_everybody_is_fedavg(world):
    parallel = play(world, "parallel", per_round=6)
    waits = play(world, "asynchronous", per_round=6, buffer=6, merge_every_s=1e6)
    assert bits(waits) == bits(parallel)


def test_replies_are_merged_as_they_arrive_and_whoever_replied_is_asked_again(world):
    """Two clients, both always at work: each one's exchanges follow one another without a gap."""
    tables = EQUAL_WORK | {"fleet": SLOW, "clients": 2}
    results = play(world, "asynchronous", tables, per_round=2, rounds=40)
    timings = {0: [], 1: []}
    for result in results:
        (outcome,) = [one for one in result.outcomes if one.status == "counted"]
        assert outcome.reply.timing.arrived_s == result.ended_s
        timings[outcome.reply.client].append(outcome.reply.timing)
    for legs in timings.values():
        assert len(legs) > 1
        assert legs[0].sent_s == 0.0
        assert [leg.sent_s for leg in legs[1:]] == [leg.arrived_s for leg in legs[:-1]]
    lengths = {
        client: {leg.arrived_s - leg.sent_s for leg in legs} for client, legs in timings.items()
    }
    slow, fast = sorted(lengths.values(), key=max, reverse=True)
    assert max(slow) == pytest.approx(min(slow))
    arrivals = sorted(
        [k * min(fast) for k in range(1, 41)] + [k * min(slow) for k in range(1, 41)]
    )[:40]
    assert [result.ended_s for result in results] == pytest.approx(arrivals)


def test_replies_that_arrive_together_are_merged_in_the_order_of_asking(world):
    tables = EQUAL_WORK | {"clients": 3, "local": {"epochs": 1, "steps": None}}
    results = play(world, "asynchronous", tables, per_round=3, rounds=3)
    assert len({result.ended_s for result in results}) == 1
    merged = [result.outcomes[0].reply.client for result in results]
    assert merged[1:] == [client for client, _ in results[0].under_way]
    assert sorted(merged) == [0, 1, 2]


def spans(results):
    """When each client was at work."""
    found = {}
    for result in results:
        for one in result.outcomes:
            timing = one.reply.timing
            found.setdefault(one.reply.client, []).append((timing.sent_s, timing.arrived_s))
    return found


@pytest.mark.parametrize("args", [{}, {"buffer": 3}, {"concurrency": 2, "buffer": 4}])
def test_nobody_is_asked_while_at_work_and_never_more_than_there_are_places(world, args):
    results = play(world, "asynchronous", {"fleet": SLOW}, rounds=10, **args)
    found = spans(results)
    for each in found.values():
        ordered = sorted(each)
        assert all(first[1] <= second[0] for first, second in pairwise(ordered))
    every = [span for each in found.values() for span in each]
    for moment, _ in every:
        at_work = sum(start <= moment < end for start, end in every)
        assert at_work <= args.get("concurrency", 4)


def test_whoever_is_at_work_when_the_last_round_ends_is_late(world):
    *before, last = play(world, "asynchronous", {"fleet": SLOW})
    assert [len(result.outcomes) for result in before] == [1, 1]
    assert [len(result.under_way) for result in (*before, last)] == [3, 3, 0]
    counted, *late = last.outcomes
    assert counted.status == "counted"
    assert {(one.status, one.reason) for one in late} == {
        ("late", "the run ended before it replied")
    }
    assert {one.reply.timing.arrived_s for one in late} == {last.ended_s}
    assert last.state.keys() == {"model"}, "no requests are left in the last state"


def test_semi_synchronous_rounds_end_on_time_and_late_ones_count_in_the_next(world):
    tables = EQUAL_WORK | {"fleet": SLOW}
    whole = play(world, "parallel", tables, per_round=6, rounds=1)[0]
    times = sorted(one.reply.timing.arrived_s for one in whole.outcomes)
    fast, slow = times[0], times[-1]
    period = (fast + slow) / 2
    assert fast * 1.01 < slow < 2 * period
    args = {"per_round": 6, "buffer": 6, "merge_every_s": period}
    results = play(world, "asynchronous", tables, rounds=3, **args)
    assert results[0].ended_s == pytest.approx(period)
    late = {client for client, _ in results[0].under_way}
    assert late == {o.reply.client for o in whole.outcomes if o.reply.timing.arrived_s > period}
    second = {o.reply.client: o.reply.round for o in results[1].outcomes}
    assert {client for client, asked in second.items() if asked == 1} == late


def test_a_period_in_which_nobody_replies_lasts_until_the_first_reply(world):
    args = {"per_round": 6, "buffer": 6, "merge_every_s": 1e-6}
    results = play(world, "asynchronous", {"fleet": SLOW}, **args)
    for result in results:
        good = [one for one in result.outcomes if one.status == "counted"]
        assert good
        assert {one.reply.timing.arrived_s for one in good} == {result.ended_s}


def test_every_exchange_costs_the_model_twice(cache, tmp_path):
    """2W, as the literature has it; half of that for who is asked and has not replied."""
    table = {
        "name": "bytes",
        "rounds": 4,
        "data": {"source": "digits", "clients": 5},
        "model": {"name": "mlp", "args": {"hidden": 8}},
        "local": {"lr": 0.1, "steps": 1},
        "strategy": {"schedule": "asynchronous", "clients_per_round": 3, "args": {"buffer": 2}},
    }
    scenario = resolve(table, "bytes")
    simulate(PlannedRun("run", scenario, tmp_path / "run"))
    w = sum(field.size_bytes for field in materials(scenario).learner.spec)
    rounds, clients, exchanges = tables_of(tmp_path / "run")
    for number, row in rounds.set_index("round")[1:].iterrows():
        good = exchanges[(exchanges["round"] == number) & (exchanges.status == "counted")]
        assert row.clients_counted == 2
        assert good.raw_bytes.tolist() == [w] * 4
        assert sorted(good.link) == ["downlink"] * 2 + ["uplink"] * 2
        assert ((good.sent_bytes > w) & (good.sent_bytes < w + 1500)).all()
    assert (clients[clients["round"] < 4].status == "counted").all()


def scenario(**changes):
    table = {
        "name": "refused",
        "rounds": 1,
        "data": {"source": "digits", "clients": 4, "holdout": 0.2},
        "model": {"name": "mlp"},
        "local": {"lr": 0.1},
    }
    strategy = {"schedule": "asynchronous"} | changes.pop("strategy", {})
    return resolve(table | {"strategy": strategy} | changes, "test")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": {"args": {"buffer": 5}}}, "buffer = 5 is more than data.clients = 4"),
        ({"strategy": {"args": {"concurrency": 5}}}, "concurrency = 5 is more than"),
        ({"strategy": {"algorithm": "scaffold"}}, "send 'change' beside a model"),
        ({"strategy": {"algorithm": "fednova"}}, "beside a model"),
        ({"strategy": {"algorithm": "fedmd"}}, "send 'scores' beside a model"),
        ({"strategy": {"algorithm": "fedgkt"}}, "send 'features' and 'labels'"),
        ({"evaluation": {"per_client": True}}, "evaluation.per_client = true"),
        ({"downlink": {"codec": "int8"}}, 'set downlink.codec = "none"'),
    ],
)
def test_what_does_not_go_with_requests_under_way_is_refused(cache, changes, words):
    with pytest.raises(ScenarioError) as refusal:
        check_materials([PlannedRun("run", scenario(**changes), Path("nowhere"))])
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"staleness": "hinged"}, "did you mean 'hinge'"),
        ({"mixing": 0.0}, "mixing = 0: must be in (0, 1]"),
        ({"buffer": 0}, "buffer = 0"),
        ({"exponent": -1.0}, "exponent = -1"),
        ({"hinge_slope": -1.0}, "hinge_slope = -1"),
        ({"hinge_after": -1.0}, "hinge_after = -1"),
        ({"merge_every_s": -1.0}, "merge_every_s = -1"),
        ({"concurrency": -1}, "concurrency = -1"),
        ({"buffer": 2, "mixing": 0.5}, "models are mixed where buffer = 1"),
        ({"merge_every_s": 5.0}, "with buffer = 1 each reply is merged at once"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(args, words):
    with pytest.raises(ScenarioError) as refusal:
        build_schedule(StrategyConfig(schedule="asynchronous", args=args))
    assert words in str(refusal.value)


UNSUITED = {
    *("scaffold", "fednova", "fedmd", "ds-fl", "codistillation", "fedgkt"),
    *("pruned", "heterofl"),
}


def test_every_algorithm_whose_clients_send_models_is_taken(cache):
    for name in set(algorithms().names()) - UNSUITED:
        check_materials(
            [PlannedRun("run", scenario(strategy={"algorithm": name}), Path("nowhere"))]
        )
