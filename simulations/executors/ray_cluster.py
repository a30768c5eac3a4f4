"""Starts Ray on this machine, joins a cluster, and leaves it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from federation.errors import RunError
from simulations.interrupts import keeping_sigterm

_PROBE_S = 5.0


def connect(workers: int, address: str | None) -> None:
    """Start or join Ray, unless this process has done so. Call it in the main thread.

    Raises RunError where that cannot be done.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if ray.is_initialized():
        return
    _probe(address)
    try:
        _init(workers, address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = address or "this machine"
        raise RunError(f"Ray on {where} cannot be used: {_first_line(error)}") from None


def worker_variables() -> dict[str, str]:
    """What a worker finds in its environment: our packages, one thread, our settings."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    ours = ("PACELINE_", "FLWR_", "HF_")
    variables = {name: value for name, value in os.environ.items() if name.startswith(ours)}
    return {**variables, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _init(workers: int, address: str | None) -> None:
    import ray

    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with keeping_sigterm():
        if address is None:
            # Ray starts workers with this environment beforehand. One that is asked for with an
            # environment of its own would be started when it is, two seconds later.
            with _environment(worker_variables()):
                cpus = max(workers, os.cpu_count() or 1)
                # "local": a cluster of our own, also where another runs on this machine.
                ray.init("local", num_cpus=cpus, include_dashboard=False, **common)
        else:
            ray.init(address=address, **common)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def shutdown() -> None:
    """Stop Ray, or leave the cluster, if this process ever used it."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def _probe(address: str | None) -> None:
    """Ray itself would try for minutes to reach a cluster that is not there."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except OSError as error:
        raise RunError(
            f"engine.address = {address!r}: no Ray cluster answers there ({error}); "
            "start one with 'ray start --head', or leave engine.address out"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
