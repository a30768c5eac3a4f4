"""Tells a person how a run goes: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from federation.results.spent import Spent
from federation.results.tables import RoundRow
from federation.units import bytes_text, joules_text, percent_text, seconds_text

if TYPE_CHECKING:
    from rich.live import Live

_PLAIN_EVERY_S = 5.0
_PLAIN_SHARE = 0.05  # of the time so far, between two plain lines: a night is not 10,000 lines


@dataclass
class Progress:
    """A context manager around a run; `update` is called after every round.

    `clock` says which time a round's time is: "virtual", or "elapsed" on real devices.
    """

    run: str
    rounds: int
    first_round: int = 1
    clock: str = "virtual"
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    tick: Callable[[], float] = time.monotonic
    _quality: str = ""
    _started: float = 0.0
    _last_plain: float = float("-inf")
    _live: Live | None = None

    def __enter__(self) -> Progress:
        self._started = self.tick()
        if self.stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self.stream), refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        line = f"{self.run}  {text}"
        if self._live is not None:
            self._live.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=self.stream, flush=True)

    def update(self, row: RoundRow, spent: Spent) -> None:
        """Show the round that was just finished, and what the run took up to its end."""
        self._quality = _quality(row) or self._quality
        line = self._line(row, spent)
        if self._live is not None:
            self._show(self._live, line)
            return
        now = self.tick()
        pause_s = max(_PLAIN_EVERY_S, _PLAIN_SHARE * (now - self._started))
        ends = row.round == self.rounds or row.stopped is not None
        if ends or row.round == 0 or now - self._last_plain >= pause_s:
            self._last_plain = now
            print(line, file=self.stream, flush=True)

    def _line(self, row: RoundRow, spent: Spent) -> str:
        parts = [f"{self.run}  round {row.round}/{self.rounds}"]
        if self._quality:
            parts.append(self._quality)
        parts.append(bytes_text(spent.sent_bytes))
        if spent.energy_j is not None:
            parts.append(joules_text(spent.energy_j.base))
        parts.append(f"{seconds_text(row.virtual_time_s)} {self.clock}")
        done = row.round - self.first_round + 1
        if done > 0 and row.round < self.rounds and row.stopped is None:
            left = (self.tick() - self._started) / done * (self.rounds - row.round)
            parts.append(f"{seconds_text(left)} left")
        return "  ".join(parts)

    def _show(self, live: Live, line: str) -> None:
        """One line, cut where the terminal ends: names are no markup, and nothing is wrapped."""
        from rich.text import Text

        live.update(Text(line, no_wrap=True, overflow="ellipsis"))


def _quality(row: RoundRow) -> str:
    """How good the model is; empty for a round after which it was not tested."""
    if row.accuracy is not None:
        return f"accuracy {percent_text(row.accuracy)}"
    return "" if row.loss is None else f"loss {row.loss:.4g}"
