"""Workers in other processes give the bits of the inline executor, whatever happens to them."""

import hashlib
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from clients.build import wiring
from federation.errors import RunError
from federation.grid_fleet import GridFleet
from federation.messages import Body, Request
from federation.scenario.client import client_config
from federation.scenario.files import resolve
from federation.scenario.schema import EngineConfig
from simulations.executors import ray as ray_executor
from simulations.executors.base import Chunk
from simulations.executors.pool import Pool
from simulations.executors.processes import ProcessWorkers
from simulations.launch import executor, simulate, virtual_grid
from simulations.prepare import PlannedRun, materials
from simulations.workers import ClientSetup
from strategies.algorithms.fedavg import FedAvg

TABLE = {
    "name": "ray",
    "rounds": 3,
    "data": {"source": "digits", "clients": 12},
    "model": {"name": "logistic"},
    "local": {"lr": 0.1, "steps": 2},
    "strategy": {"clients_per_round": 8},
}


@pytest.fixture(scope="module", autouse=True)
def stopped_afterwards():
    yield
    ray_executor.shutdown()


@pytest.fixture
def run(tmp_path):
    """Runs the scenario with some changes; gives the model's hash and the run's folder."""

    def run_it(name, engine=None, channels=None, **strategy):
        table = TABLE | {"engine": engine or {"backend": "inline"}} | (channels or {})
        table["strategy"] = TABLE["strategy"] | strategy
        folder = tmp_path / name
        simulate(PlannedRun(name, resolve(table, name), folder))
        return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(), folder

    return run_it


@pytest.fixture
def own_algorithm(tmp_path, monkeypatch):
    """A module with an algorithm whose clients end their worker process."""
    (tmp_path / "deadly.py").write_text(
        textwrap.dedent(
            f"""
            import os
            from dataclasses import dataclass
            from pathlib import Path

            from strategies.algorithms.fedavg import FedAvg
            from strategies.base import Contribution, Train

            MARK = Path({str(tmp_path / "mark")!r})


            @dataclass(frozen=True)
            class Once(FedAvg):
                def local(self, context):
                    if context.round == 2 and not MARK.exists():
                        MARK.touch()
                        os._exit(1)
                    return (yield from super().local(context))


            @dataclass(frozen=True)
            class Always(FedAvg):
                def local(self, context):
                    if context.client == 3:
                        os._exit(1)
                    return (yield from super().local(context))
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def ray(workers):
    return {"backend": "ray", "workers": workers}


def processes(workers):
    return {"backend": "processes", "workers": workers}


both = pytest.mark.parametrize("many", [ray, processes])


@both
def test_one_and_two_workers_give_the_bits_of_the_inline_executor(run, many):
    models = {run("inline")[0], run("one", many(1))[0], run("two", many(2))[0]}

    assert len(models) == 1


@both
def test_tables_do_not_depend_on_the_executor(run, many):
    _, inline = run("inline")
    _, elsewhere = run("two", many(2))

    for table in ("rounds", "clients", "exchanges"):
        left, right = (pd.read_parquet(f / f"{table}.parquet") for f in (inline, elsewhere))
        ignored = ["run", "wall_time_s"]
        pd.testing.assert_frame_equal(
            left.drop(columns=ignored, errors="ignore"),
            right.drop(columns=ignored, errors="ignore"),
        )


@both
def test_compressed_both_ways_with_feedback_the_bits_are_the_same_with_workers(run, many):
    lossy = {
        "uplink": {"codec": "topk(0.05) | int8 | range", "error_feedback": True},
        "downlink": {"codec": "stc(0.05)"},
    }

    assert run("inline", None, lossy)[0] == run("two", many(2), lossy)[0]


@both
def test_a_harsh_fleet_has_the_same_fates_with_workers(tmp_path, harsh_toml, bits, many):
    table = tomllib.loads(harsh_toml) | {"rounds": 6}
    for name, engine in (("inline", {}), ("two", many(2))):
        simulate(PlannedRun("harsh", resolve(table | {"engine": engine}, name), tmp_path / name))

    assert bits(tmp_path / "inline") == bits(tmp_path / "two")


@pytest.fixture
def asynchronous(tmp_path):
    """Four clients train at a time, and whoever replies hands its model to the next."""

    def play(workers, many):
        fleets = [("raspberry-pi-4", 0.1), ("phone-mid", 0.3), ("raspberry-pi-zero-2-w", 0.6)]
        shares = [{"device": d, "jitter": j, "share": 1 / 3} for d, j in fleets]
        scenario = resolve(TABLE | {"fleet": shares}, "asynchronous")
        made, folder = materials(scenario), tmp_path / f"workers-{workers}"
        pool = executor(EngineConfig(**many(workers)), ClientSetup(scenario, folder))
        grid = virtual_grid(PlannedRun("asynchronous", scenario, folder), made, pool)
        told = wiring(client_config(scenario), FedAvg(), made.learner, 60.0)
        fleet, model, seen = GridFleet(grid, 12, told), made.learner.arrays(), []
        try:
            for client in range(4):
                fleet.send(Request(client, Body(1, "train", {"model": model})))
            for number in range(2, 32):
                reply = fleet.next_reply()
                seen.append((reply.client, fleet.now, hashlib.sha256(str(reply.parts).encode())))
                body = Body(number, "train", {"model": reply.parts["model"]})
                fleet.send(Request((5 * number) % 12, body))
        finally:
            grid.close()
        return [(client, now, digest.hexdigest()) for client, now, digest in seen]

    return play


@both
def test_asynchronous_replies_come_in_the_same_order_for_one_and_two_workers(asynchronous, many):
    one, two = asynchronous(1, many), asynchronous(2, many)

    assert one == two
    assert [now for _, now, _ in one] == sorted(now for _, now, _ in one)
    assert [client for client, _, _ in one[:4]] != [0, 1, 2, 3], "by arrival, not as asked"


@both
def test_a_lost_worker_is_replaced_and_its_clients_run_again(run, own_algorithm, tmp_path, many):
    undisturbed, _ = run("inline")
    disturbed, folder = run("lost", many(2), algorithm="deadly:Once")

    assert (tmp_path / "mark").exists()
    assert disturbed == undisturbed
    assert set(pd.read_parquet(folder / "clients.parquet")["status"]) == {"counted"}


@both
def test_a_client_that_kills_every_worker_fails_alone(run, own_algorithm, many):
    _, folder = run("killer", many(2), algorithm="deadly:Always", clients_per_round=12)

    clients = pd.read_parquet(folder / "clients.parquet")
    failed = clients[clients["status"] == "failed"]
    assert set(failed["client"]) == {3}
    assert list(failed["round"]) == [1, 2, 3]
    assert all("worker died" in reason for reason in failed["reason"])
    assert len(clients[clients["status"] == "counted"]) == 3 * 11


def test_a_cluster_that_is_not_there_is_an_error_with_a_remedy(run):
    ray_executor.shutdown()

    with pytest.raises(RunError, match=r"127\.0\.0\.1:1'.*ray start --head"):
        run("nowhere", ray(2) | {"address": "127.0.0.1:1"})


def test_two_nodes_of_a_cluster_give_the_same_bits(run, tmp_path):
    """Two Ray nodes with one CPU each: two workers cannot be on the same node."""
    ray_executor.shutdown()
    expected, _ = run("inline")
    script = tmp_path / "cluster.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            from pathlib import Path

            import ray
            from ray.cluster_utils import Cluster

            from federation.scenario.files import resolve
            from simulations.launch import simulate
            from simulations.prepare import PlannedRun

            cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1}})
            cluster.add_node(num_cpus=1)
            engine = {{"backend": "ray", "workers": 2, "address": cluster.address}}
            table = {TABLE!r} | {{"engine": engine}}
            simulate(PlannedRun("cluster", resolve(table, "cluster"), Path(sys.argv[1])))
            print("nodes", len([node for node in ray.nodes() if node["Alive"]]))
            ray.shutdown()
            cluster.shutdown()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "cluster")],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert "nodes 2" in done.stdout, done.stderr[-2000:]
    model = (tmp_path / "cluster" / "model.safetensors").read_bytes()
    assert hashlib.sha256(model).hexdigest() == expected


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module whose workers cannot be made, for a reason that cannot travel as it is."""
    (tmp_path / "own.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import dataclass


            @dataclass(frozen=True)
            class Broken:
                message: str

                def build(self):
                    error = ValueError(self.message)
                    error.here = lambda: None
                    raise error
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("own")
    sys.modules.pop("own", None)


def test_what_a_process_raises_is_raised_by_the_one_that_drives(own_module):
    pool = Pool(ProcessWorkers(own_module.Broken("no such data")), 1)
    try:
        pool.submit([Chunk(0, [])])
        with pytest.raises(RuntimeError, match="no such data"):
            pool.next_done()
    finally:
        pool.close()


def test_processes_end_with_the_one_that_drives(own_module, tmp_path):
    script = """
        import sys, time
        import own
        from simulations.executors.processes import ProcessWorkers

        print(ProcessWorkers(own.Broken("")).start().process.pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as driver:
        pid = int(driver.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        driver.kill()
    for _ in range(300):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker lives on")
