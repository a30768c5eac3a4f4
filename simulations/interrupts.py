"""Ctrl-C and SIGTERM end the program in order: the run stays resumable and says how."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interrupts:
    """While entered, the first SIGINT or SIGTERM raises KeyboardInterrupt in the main thread.

    Both raise the same, because Ray's core lets no other exception through. A second signal, for
    somebody who does not want to wait for the cleaning up, prints `farewell` and ends the process.
    """

    farewell: str
    _received: int | None = None
    _before: list[Any] = field(default_factory=list)

    def __enter__(self) -> Interrupts:
        self._before = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self._received or signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            os.write(2, f"{self.farewell}\n".encode())
            os._exit(128 + number)
        self._received = number
        raise KeyboardInterrupt


@contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Keeps the program's handler of SIGTERM where `ray.init` puts one that exits with a dump."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit:  # Ray's handler was faster; its native part would abort us in 3 seconds
        signal.alarm(0)
        handler(signal.SIGTERM, None)
    finally:
        signal.signal(signal.SIGTERM, handler)
