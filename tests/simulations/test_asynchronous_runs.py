"""Asynchronous runs on fleets whose clients come late, drop out, run empty, choose their power."""

import random
import tomllib

import pandas as pd
import pytest

from federation.errors import RunError
from federation.fleet import NO_LIMIT, Limit
from federation.scenario.files import resolve
from simulations.destinations import PlannedRun
from simulations.executors import ray as ray_executor
from simulations.launch import simulate

LEAVE_OUT = ("over_selection", "min_replies")


@pytest.fixture
def table(harsh_toml):
    """The harsh scenario without what asynchronous rounds refuse."""
    table = tomllib.loads(harsh_toml)
    strategy = {k: v for k, v in table["strategy"].items() if k not in LEAVE_OUT}
    strategy |= {"schedule": "asynchronous", "deadline_s": 0.1, "args": {"buffer": 3}}
    del table["downlink"], table["server"]
    return table | {"strategy": strategy}


@pytest.fixture
def run(tmp_path, table):
    """Runs it with some tables changed; gives the folder."""

    def run_it(name="run", **changes):
        changed = dict(table)
        for key, values in changes.items():
            changed[key] = table.get(key, {}) | values if isinstance(values, dict) else values
        folder = tmp_path / name
        simulate(PlannedRun("run", resolve(changed, name), folder))
        return folder

    return run_it


def tables_of(folder):
    return [
        pd.read_parquet(folder / f"{name}.parquet") for name in ("rounds", "clients", "exchanges")
    ]


def test_every_fate_is_a_row_with_its_reason(run):
    rounds, clients, _ = tables_of(run())
    assert {"counted", "late", "dropped"} == set(clients.status)
    bad = clients[clients.status != "counted"]
    assert {"it dropped out", "no reply within 0.1 s", "the run ended before it replied"} <= set(
        bad.reason
    )
    assert (rounds.clients_counted[1:] <= 3).all()
    assert clients.staleness.max() >= 2


def test_rounds_add_up_what_ended_in_them(run):
    rounds, clients, exchanges = tables_of(run())
    for number, row in rounds.set_index("round").iterrows():
        of_round = exchanges[exchanges["round"] == number]
        for link in ("uplink", "downlink"):
            sent = of_round[of_round.link == link].sent_bytes.sum()
            assert sent == row[f"{link}_bytes"]
        assert clients[clients["round"] == number].compute_j.sum() == pytest.approx(row.compute_j)
    ends = rounds.set_index("round").virtual_time_s
    assert (exchanges.end_s <= exchanges["round"].map(ends) + 1e-9).all()
    assert (clients.waiting_s >= 0).all()


def test_all_seconds_of_all_clients_are_spent_waiting_or_at_work(run):
    """Over rounds, too: an exchange that began in one and ended in another is counted once."""
    fleet = [{"device": "raspberry-pi-4", "jitter": 0.5}]
    rounds, clients, exchanges = tables_of(run(fleet=fleet))
    end_s = rounds.virtual_time_s.iloc[-1]
    sent_s = exchanges[exchanges.link == "downlink"].start_s.sum()
    up = exchanges[(exchanges.link == "uplink") & (exchanges.status == "counted")]
    late = (clients.status == "late").sum()  # at work until the end
    assert len(up) + late == len(clients)
    work_s = up.end_s.sum() + late * end_s - sent_s
    watts = clients.waiting_j.sum() / clients.waiting_s.sum()
    assert rounds.waiting_j.sum() == pytest.approx(watts * (24 * end_s - work_s))


def test_policies_that_remember_losses_are_told_of_every_reply(run):
    rounds, *_ = tables_of(run())
    assert rounds.accuracy.iloc[-1] > rounds.accuracy.iloc[0]


@pytest.mark.timeout(300)
def test_ray_gives_the_bits_of_the_inline_executor_with_any_number_of_workers(run, bits):
    args = {"rounds": 8}
    inline = bits(run("inline", **args))
    try:
        for workers in (1, 2):
            engine = {"backend": "ray", "workers": workers}
            assert bits(run(f"ray-{workers}", engine=engine, **args)) == inline
            ray_executor.shutdown()
    finally:
        ray_executor.shutdown()


@pytest.mark.parametrize("period", ["", ", merge_every_s = 0.03"])
def test_a_killed_run_ends_with_the_same_bits(
    start, paceline, here, bits, kill_after, harsh_toml, period
):
    """Requests under way go on: batteries, levels of power and delays are as they were."""
    moments, path = random.Random(period), here.parent / "harsh.toml"
    text = (
        harsh_toml.partition("[downlink]")[0] + "[[fleet]]" + harsh_toml.partition("[[fleet]]")[2]
    )
    text = text.replace("deadline_s = 3.0", "deadline_s = 0.1")
    text = "\n".join(line for line in text.splitlines() if not line.startswith(LEAVE_OUT))
    args = f"args = {{ buffer = 3{period} }}"
    path.write_text(text.replace("[strategy]", f'[strategy]\nschedule = "asynchronous"\n{args}'))
    assert paceline("run", path, "--out", "undisturbed").code == 0
    again = ()
    for least in (1, 6):
        process = start("run", path, "--out", "out", *again)
        kill_after(process, here / "out", moments.randrange(least, least + 4), moments)
        again = ("--resume",)
    last = start("run", path, "--out", "out", *again).wait()
    assert last.code == 0, last
    assert bits(here / "out") == bits(here / "undisturbed")


def test_a_run_that_stops_early_leaves_what_was_under_way_out_of_the_tables(run):
    rounds, clients, _ = tables_of(run(stop={"seconds": 0.3}))
    assert rounds.virtual_time_s.iloc[-1] >= 0.3
    assert rounds.stopped.iloc[-1]
    assert len(rounds) < 17
    assert "the run ended before it replied" not in set(clients.reason)


def test_a_request_goes_on_from_when_it_was_sent(world):
    """Client 0: 0.1 + 1 s down, t s of training, 0.1 + 1 s up, whether it was broken or not."""
    whole = world()
    name = whole.push(world.request(0), NO_LIMIT)
    assert not whole.lands_by(1.5)
    assert whole.now == 1.5
    kept = whole.state()
    assert whole.lands_by(1e6)
    whole.pull_messages([name])
    broken = world()
    broken.resume_at(1.5)
    broken.restore(kept)
    name_again = broken.push(world.request(0), NO_LIMIT, sent_s=0.0)
    assert broken.lands_by(1e6)
    broken.pull_messages([name_again])
    assert broken.timing_of(name_again) == whole.timing_of(name)
    assert broken.now == whole.now


def test_who_shares_the_servers_link_cannot_go_on(world):
    grid = world(tables={"server": {"downlink_mbit_per_s": 8.0}})
    grid.resume_at(1.0)
    with pytest.raises(RunError, match=r"server\.downlink_mbit_per_s.*run it anew") as refusal:
        grid.push(world.request(0), NO_LIMIT, sent_s=0.5)
    assert "\n" not in str(refusal.value)


def test_what_is_broken_off_ends_then_as_far_as_it_has_come(world):
    grid = world()
    name = grid.push(world.request(0), Limit(None, 0.6))
    assert not grid.lands_by(0.6)
    timing = grid.break_off(name, "no reply within 0.1 s")
    assert (timing.sent_s, timing.arrived_s) == (0.0, 0.6)
    assert timing.cut.request_bytes == 600_000, "1 MB/s for 0.6 s; half a round trip comes after"
    assert grid.lands_by(9.0) is False


def test_a_client_that_was_told_to_stop_ends_its_work_before_it_gets_more(world):
    """Two at once would share what the client keeps; a worker may still be at the first."""
    grid = world()
    first = grid.push(world.request(0), NO_LIMIT)
    grid.lands_by(0.5)
    grid.break_off(first, "late")
    assert grid.executor.handler.ran == []
    grid.push(world.request(1), NO_LIMIT)
    assert grid.executor.handler.ran == [], "another client has nothing to wait for"
    grid.push(world.request(0), NO_LIMIT)
    assert grid.executor.handler.ran == [0]


def test_stragglers_cost_synchronous_rounds_more_time_than_asynchronous_ones(run):
    """The order of Nguyen et al. 2022; every fifth client is slow. Time to 85 %."""
    slow = {"device": "raspberry-pi-3b-plus", "network": "3g", "share": 0.2}
    common = {
        "data": {"partition": {"kind": "iid"}},
        "fleet": [{"device": "phone-high", "share": 0.8}, slow],
        "stop": {"accuracy": 0.85},
        "rounds": 200,
        "uplink": {"codec": "none", "error_feedback": False},
    }
    seconds = {}
    for name, args in {"parallel": {}, "asynchronous": {"buffer": 3}}.items():
        strategy = {"schedule": name, "args": args, "selection": "random", "deadline_s": 1e6}
        rounds, *_ = tables_of(run(name, strategy=strategy, **common))
        assert rounds.accuracy.iloc[-1] >= 0.85
        seconds[name] = rounds.virtual_time_s.iloc[-1]
    assert seconds["asynchronous"] < seconds["parallel"] / 2
