"""Work that is done behind the caller's back, one piece after another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass


@dataclass
class Behind:
    """A thread that is at most one piece of work behind. Not for use by several threads.

    The thread is made with the first piece. What a piece raises is raised by the next call.
    """

    _thread: ThreadPoolExecutor | None = None
    _under_way: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, once the one before it is done."""
        self.settle()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "paceline-behind")
        self._under_way = self._thread.submit(work)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.settle()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None
