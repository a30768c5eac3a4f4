"""The package zeus, one monitor a process, as windows that give plain figures."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final, TypeVar

from federation.energy.meters._packages import load

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What one window took, in joules: by GPU, by processor package, and the whole board.

    Empty or None where zeus finds no such hardware.
    """

    gpu_j: Mapping[int, float]
    package_j: Mapping[int, float]
    board_j: float | None


Begin = Callable[[], Callable[[], Found]]
"""Begins a window; the function given back ends it. Both raise OSError where hardware fails."""

_KEYS: Final = count()


@cache
def open_monitor(meter: str) -> Begin:
    """Windows of the one monitor of this process. Raises ScenarioError where zeus is missing."""
    monitoring = load("zeus.monitor", meter, "zeus", "energy")
    failure = load("zeus.exception", meter, "zeus", "energy").ZeusBaseError
    monitor = monitoring.ZeusMonitor(approx_instant_energy=True)

    def checked(call: Callable[[], T]) -> T:
        try:
            return call()
        except (failure, queue.Empty, ValueError) as error:
            raise OSError(f"zeus: {type(error).__name__}: {error}") from None

    def begin() -> Callable[[], Found]:
        key = f"paceline {next(_KEYS)}"
        # Waiting for the GPU is the meter's affair: zeus would import torch to do it.
        checked(lambda: monitor.begin_window(key, sync_execution=False))
        return lambda: _found(checked(lambda: monitor.end_window(key, sync_execution=False)))

    return begin


def _found(measurement: Any) -> Found:
    """Its fields are joules, but for a board's, which are millijoules."""
    board_mj = getattr(measurement.soc_energy, "total_energy_mj", None)
    return Found(
        gpu_j=dict(measurement.gpu_energy),
        package_j=dict(measurement.cpu_energy or {}),
        board_j=None if board_mj is None else board_mj / 1000,
    )
