"""`zeus`: NVIDIA and AMD GPUs, Intel packages (RAPL) and Jetson boards, by the package zeus.

Extra `energy` (Apache-2.0). The meter gives one scope, never a sum over several:

    gpu       GPU `gpu` of those that CUDA_VISIBLE_DEVICES leaves; the whole GPU, never a slice
    package   all processor packages by RAPL, memory not among them; needs root or zeus's daemon
    board     a Jetson's input rail. Rails of its parts are named so that a combined one may count
              as CPU, so they are left alone, and boards without an input rail are not measured
    auto      the first of board, gpu, package that there is

zeus polls Jetson and RAPL in a process of its own, started by `spawn`: a script that makes this
meter needs the guard `if __name__ == "__main__"`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from federation.energy.meter import Finish, Meter, Reading, Scope, not_measured
from federation.energy.meters._nvml import open_gpu
from federation.energy.meters._packages import wait_for_gpu
from federation.energy.meters._zeus import Begin, Found, open_monitor

Wanted = Literal["auto", "gpu", "package", "board"]
ORDER: Final[tuple[Scope, ...]] = ("board", "gpu", "package")


@dataclass(frozen=True)
class ZeusMeter(Meter):
    """measure: the scope, see above. gpu: its number as CUDA counts them.

    `begin` stands in for zeus in tests.
    """

    measure: Wanted = "auto"
    gpu: int = 0
    begin: Begin | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        _ = self._begin  # what the user must mend should be known before the run

    @cached_property
    def _begin(self) -> Begin:
        if self.begin is not None:
            return self.begin
        begin = open_monitor("zeus")
        if self.measure in ("auto", "gpu"):
            with suppress(OSError):  # no NVIDIA driver, hence no slice to refuse
                open_gpu(self.gpu, "zeus")
        return begin

    def start(self) -> Finish:
        """Wait for the GPU and begin a window of zeus."""
        wait_for_gpu()
        end = self._begin()

        def finish(seconds: float) -> Reading:
            wait_for_gpu()
            return self._reading(end(), seconds)

        return finish

    def _reading(self, found: Found, seconds: float) -> Reading:
        scopes: tuple[Scope, ...] = ORDER if self.measure == "auto" else (self.measure,)
        for scope in scopes:
            joules = self._joules(found, scope)
            if joules is not None:
                return Reading(joules, seconds, "measured", scope)
        return not_measured(seconds, f"zeus finds no {' or '.join(scopes)} that it can read")

    def _joules(self, found: Found, scope: Scope) -> float | None:
        if scope == "board":
            return found.board_j
        if scope == "gpu":
            return found.gpu_j.get(self.gpu)
        return sum(found.package_j.values()) if found.package_j else None
