"""The port for meters: what a piece of work took, on real hardware.

    with meter.window("train") as w:
        ...
    w.joules      None where it was not measured, never a guess
    w.seconds     by a monotonic clock
    w.source      measured | apportioned | modelled | estimated
    w.scope       gpu | package | rail | board | wall: where the energy was taken
    w.flag        what to know of the figure, such as "too short"; empty where there is nothing

Scopes are never mixed in one comparison: a Raspberry Pi 3B+ idles at 1.1 W on its rail and 2.5 W
at the wall.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Literal

Source = Literal["measured", "apportioned", "modelled", "estimated"]
Scope = Literal["gpu", "package", "rail", "board", "wall"]
Clock = Callable[[], float]

TOO_SHORT: Final = "too short"
DIFFERENCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter found. `source` and `scope` are None where nothing was measured."""

    joules: float | None
    seconds: float
    source: Source | None
    scope: Scope | None
    flag: str = ""

    def flagged(self, remark: str) -> Reading:
        """The same with one more remark; none for an empty one."""
        return replace(self, flag="; ".join(filter(None, (self.flag, remark))))


def not_measured(seconds: float, why: str = "") -> Reading:
    """A reading without joules, and why."""
    return Reading(None, seconds, None, None, f"not measured: {why}" if why else "")


def disagreement(counter_j: float, samples_j: float) -> str:
    """A remark where a counter and the integral of power samples differ by more than 5 %."""
    larger = max(counter_j, samples_j)
    difference = abs(counter_j - samples_j) / larger if larger > 0 else 0.0
    return f"counter and samples differ by {difference:.1%}" if difference > DIFFERENCE else ""


Finish = Callable[[float], Reading]
"""Ends what `Meter.start` began; takes the seconds that passed."""


class Window:
    """Stands for the block of a `with`. What was found is there once the block has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reading: Reading | None = None

    def close(self, reading: Reading) -> None:
        """Put in what was found."""
        self._reading = reading

    @property
    def reading(self) -> Reading:
        """All of it in one. Raises RuntimeError within the block: there is nothing yet."""
        if self._reading is None:
            raise RuntimeError(f"window {self.name!r} is still open: read it after its block")
        return self._reading

    @property
    def joules(self) -> float | None:
        """Energy; None where it was not measured."""
        return self.reading.joules

    @property
    def seconds(self) -> float:
        """How long the block took."""
        return self.reading.seconds

    @property
    def source(self) -> Source | None:
        """Where the figure comes from; None where there is none."""
        return self.reading.source

    @property
    def scope(self) -> Scope | None:
        """Where the energy was taken; None where it was not."""
        return self.reading.scope

    @property
    def flag(self) -> str:
        """What to know of the figure."""
        return self.reading.flag


@dataclass(frozen=True)
class Meter(ABC):
    """Measures windows, which may overlap and nest.

    Subclasses are frozen dataclasses; their fields are the arguments that a user gives, but for
    keyword-only ones, which are for tests and our own code. Hardware that is not there, or fails
    while measuring, makes readings without joules; it never stops the work that is measured.
    """

    shortest_s: ClassVar[float] = 2.0
    """Windows below this are flagged: the hardware's own averaging takes that long."""

    clock: Clock = field(default=time.monotonic, kw_only=True, repr=False, compare=False)

    @abstractmethod
    def start(self) -> Finish:
        """Begin to measure; the function given back ends it and says what was found.

        Both may raise OSError, which becomes a reading without joules; so does any other error,
        under its name.
        """

    @contextmanager
    def window(self, name: str) -> Iterator[Window]:
        """Measure a block. An exception in it passes through, and the window is closed too."""
        window = Window(name)
        began_s = self.clock()
        finish = self._start()
        try:
            yield window
        finally:
            window.close(self._finish(finish, began_s))

    def _start(self) -> Finish:
        try:
            return self.start()
        except Exception as error:  # noqa: BLE001 - no meter stops the work that it measures
            why = _reason(error)
            return lambda seconds: not_measured(seconds, why)

    def _finish(self, finish: Finish, began_s: float) -> Reading:
        seconds = self.clock() - began_s
        try:
            reading = finish(seconds)
        except Exception as error:  # noqa: BLE001 - no meter stops the work that it measures
            return not_measured(seconds, _reason(error))
        if reading.joules is not None and seconds < self.shortest_s:
            return reading.flagged(TOO_SHORT)
        return reading


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
