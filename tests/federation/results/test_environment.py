"""What is recorded of the machine, and what is not."""

import getpass
import json
import platform
import socket
import subprocess
import sys

from federation.results.environment import describe


def test_it_says_versions_machine_and_survives_json():
    found = json.loads(json.dumps(describe()))
    assert found["python"] == platform.python_version()
    assert found["packages"]["flwr"].startswith("1.")
    assert found["cores"] >= found["usable_cores"] >= 1
    assert found["memory_bytes"] > 1 << 28


def test_only_known_switches_are_recorded_and_no_path_or_secret(monkeypatch):
    monkeypatch.setenv("FLWR_TELEMETRY_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PACELINE_DATA", "/home/canary-person/data")
    monkeypatch.setenv("PACELINE_TOKEN", "canary-secret")
    monkeypatch.setenv("FLWR_API_KEY", "canary-key")
    found = describe()
    assert found["switches"]["FLWR_TELEMETRY_ENABLED"] == "0"
    assert found["switches"]["PACELINE_DATA"] == "(set)"
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert "canary" not in json.dumps(found)


def test_it_names_neither_host_nor_user(monkeypatch):
    words = json.dumps(describe()).replace('"', " ").split()
    assert socket.gethostname() not in words
    assert f"/{getpass.getuser()}/" not in json.dumps(describe())


def test_it_loads_no_framework():
    script = (
        "import sys; from federation.results.environment import describe; describe();"
        "print({'torch', 'ray', 'flwr', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
