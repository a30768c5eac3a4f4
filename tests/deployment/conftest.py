"""Real Flower processes for the tests: a SuperLink with SuperNodes, and the stock simulation.

What a fixture starts carries a mark in its environment, and so do its children: all are found.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.fleet_traffic import Traffic
from benchmarks.relay import Server, relaying
from clients.credentials import write_credentials

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent  # must be on PATH too, where Flower finds its helpers
MARK = "PACELINE_TEST_MARK"
NODES = 3
START_LIMIT_S, RUN_LIMIT_S, STOP_LIMIT_S = 90, 400, 20


@dataclass(frozen=True)
class Processes:
    """What one fixture has started: programs with a log each, ended together."""

    folder: Path
    local_port: int = 0  # of the SuperLink that `flwr run` starts by itself
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: dict[str, subprocess.Popen] = field(default_factory=dict)

    def environment(self):
        return os.environ | {
            MARK: self.mark,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "SPT_NOENV": "1",  # or Ray's workers overwrite their environment with their title
            "FLWR_HOME": str(self.folder),
            "PACELINE_STATE": str(self.folder / "state"),
            "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": str(self.local_port),
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",  # seconds; 1 by default, for each request
        }

    def start(self, name, program, *arguments):
        """Start a program in a session of its own; its output goes to NAME.log."""
        with open(self.folder / f"{name}.log", "wb") as log:
            self.started[name] = subprocess.Popen(
                [PROGRAMS / program, *map(str, arguments)],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.started[name]

    def call(self, *arguments):
        """Run `flwr ...` to its end."""
        command = [str(PROGRAMS / "flwr"), *map(str, arguments)]
        where = {"cwd": self.folder, "env": self.environment()}
        return subprocess.run(command, **where, capture_output=True, text=True, check=False)

    def flwr(self, *arguments):
        """Run `flwr ... --format json` and return the object that it prints."""
        done = self.call(*arguments, "--format", "json")
        start = done.stdout.find("{")
        answer = json.loads(done.stdout[start:]) if start >= 0 else {}
        if not answer.get("success"):
            pytest.fail(f"{done.args}\n{done.stdout}\n{done.stderr}\n{self.logs()}")
        return answer

    def logs(self, lines=40):
        """Return the last lines of every log below the folder."""
        shown = []
        for path in sorted(self.folder.rglob("*.log")):
            shown += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(shown)

    def wait_until(self, condition, what, limit_s=START_LIMIT_S):
        deadline = time.monotonic() + limit_s
        while not condition():
            ended = {name: p.poll() for name, p in self.started.items() if p.poll() is not None}
            if ended or time.monotonic() > deadline:
                pytest.fail(f"no {what} within {limit_s} s; ended: {ended}\n{self.logs()}")
            time.sleep(0.3)

    def stop(self):
        """End everything; return the ids of processes that would not end."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.alive():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            deadline = time.monotonic() + STOP_LIMIT_S
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.2)
        return self.alive()

    def alive(self):
        """Return the ids of what was started, and of all processes with our mark (Linux)."""
        found = {process.pid for process in self.started.values() if process.poll() is None}
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # another user's, or gone meanwhile
                if f"{MARK}={self.mark}".encode() in path.read_bytes().split(b"\0"):
                    found.add(int(path.parent.name))
        return found


def free_ports(count):
    """Return ports that were free a moment ago, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in sockets)


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Federation:
    """A SuperLink as `flwr` knows it by name. Ports: its own, the SuperNodes', the relay's."""

    processes: Processes
    superlink: str
    ports: tuple[int, ...]
    run_options: tuple[str, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)

    def run(self, scenario, out):
        """Run the app of this repository to its end and return what `flwr list` says of it."""
        settings = ("--run-config", f'scenario="{scenario}" out="{out}"', *self.run_options)
        run_id = self.processes.flwr("run", ROOT, self.superlink, *settings)["run-id"]
        state = {}

        def finished():
            time.sleep(3)  # asking costs a second of a core, which the run needs itself
            (run,) = self.processes.flwr("list", self.superlink, "--run-id", run_id)["runs"]
            state.update(run)
            return state["status"].startswith("finished")

        self.processes.wait_until(finished, "end of the run", RUN_LIMIT_S)
        if state["status"] != "finished:completed":
            log = self.processes.call("log", run_id, self.superlink, "--show").stdout
            pytest.fail(f"{state['status']}: {state['status-details']}\n{log}")
        return state

    def nodes_online(self):
        nodes = self.processes.flwr("supernode", "list", self.superlink)["nodes"]
        return sum(node["status"] == "online" for node in nodes)

    def start_superlink(self, credentials):
        """Start a SuperLink with TLS and node authentication, and tell `flwr` where it is."""
        port, server = self.ports[0], credentials / "server"
        (self.processes.folder / "config.toml").write_text(
            f'[superlink.{self.superlink}]\naddress = "127.0.0.1:{port}"\n'
            f'root-certificates = "{server / "ca.crt"}"\n'
        )
        self.processes.start(
            "superlink",
            "flower-superlink",
            *("--host", "127.0.0.1", "--port", port, "--database", "state.db"),
            *("--ssl-ca-certfile", server / "ca.crt", "--ssl-certfile", server / "server.crt"),
            *("--ssl-keyfile", server / "server.key", "--enable-supernode-auth"),
        )
        self.processes.wait_until(lambda: is_open(port), "SuperLink")

    def start_supernode(self, keys, partition, told=""):
        """Start one SuperNode with the keys in the folder `keys`."""
        return self.processes.start(
            keys.name,
            "flower-supernode",
            *("--superlink", f"127.0.0.1:{self.ports[-1]}", "--root-certificates", keys / "ca.crt"),
            *("--auth-supernode-private-key", keys / "node.key"),
            *("--host", "127.0.0.1", "--port", self.ports[1 + partition]),
            *("--node-config", f"partition-id={partition} num-partitions={NODES} {told}"),
        )

    def stop(self):
        assert self.processes.stop() == set()
        assert [port for port in self.ports if is_open(port)] == []


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, told):
    """A SuperLink with TLS and node keys, and SuperNodes behind a relay, each `told` something."""
    processes = Processes(tmp_path_factory.mktemp("deployment"))
    federation = Federation(processes, "site", ports := free_ports(3 + NODES))
    write_credentials(credentials := processes.folder / "credentials", nodes=NODES + 1)
    try:
        federation.start_superlink(credentials)
        with relaying(Server(ports[0], credentials / "server"), federation.traffic.see, ports[-1]):
            for node in range(NODES):
                keys = credentials / f"node-{node}"
                processes.flwr("supernode", "register", keys / "node.key.pub", "site")
                federation.start_supernode(keys, node, told[node])
            processes.wait_until(lambda: federation.nodes_online() == NODES, "three SuperNodes")
            yield federation
            processes.stop()  # while the way to the SuperLink is there
    finally:
        federation.stop()


@pytest.fixture(scope="module")
def stock_simulation(tmp_path_factory):
    """Flower's own simulation of three nodes, by the local SuperLink that `flwr run` starts."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("the local SuperLink of `flwr run` can be found and ended only through /proc")
    (port,) = free_ports(1)
    processes = Processes(tmp_path_factory.mktemp("simulation"), local_port=port)
    options = ("--federation-config", f"num-supernodes={NODES} client-resources-num-cpus=1")
    federation = Federation(processes, "local", (port,), options)
    try:
        yield federation
    finally:
        federation.stop()


@pytest.fixture(scope="session")
def scenario():
    return Path(__file__).with_name("scenario.toml")


@pytest.fixture(scope="session")
def models_in():
    """Read the bytes of every model below a folder, by path."""

    def read(folder):
        paths = folder.rglob("model.safetensors")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    return read


@pytest.fixture(scope="session")
def reference_models(scenario, models_in, tmp_path_factory):
    """The models that the scenario gives in this machine's own simulation, inline."""
    out = tmp_path_factory.mktemp("reference") / "out"
    command = [sys.executable, "-m", "simulations", "run", str(scenario), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True)
    return models_in(out)
