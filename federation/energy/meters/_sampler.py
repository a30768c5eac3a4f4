"""Power samples, taken in a thread of their own and integrated as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable

from federation.energy.meter import Clock
from federation.errors import ScenarioError


def check_period(period_s: float, meter: str) -> None:
    """Raises ScenarioError for a time between samples that is not above 0."""
    if not period_s > 0:
        raise ScenarioError(f"meter {meter!r}: period_s = {period_s:g} must be above 0")


class Sampler:
    """Reads a power until it is stopped; joules by the trapezoidal rule, in constant memory.

    The first sample is taken by whoever starts it and the last by whoever stops it, so the whole
    time is covered however busy the machine is.
    """

    def __init__(self, watts: Callable[[], float], period_s: float, clock: Clock) -> None:
        """Take the first sample and start the thread. `watts` may raise OSError."""
        self._watts = watts
        self._period_s = period_s
        self._clock = clock
        self._joules = 0.0
        self._failure: OSError | None = None
        self._last_s, self._last_w = clock(), watts()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power samples", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Joules since the start. Raises the OSError that a sample raised."""
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._sample()
        return self._joules

    def _run(self) -> None:
        try:
            while not self._over.wait(self._period_s):
                self._sample()
        except OSError as error:
            self._failure = error

    def _sample(self) -> None:
        now_s, now_w = self._clock(), self._watts()
        self._joules += (now_s - self._last_s) * (now_w + self._last_w) / 2
        self._last_s, self._last_w = now_s, now_w
