"""Times that calls take, less the watched calls within them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any


@dataclass
class Spans:
    """Seconds by name, of the threads together unless `main_only`; every second counts once.

    >>> spans = Spans(clock=iter([0.0, 1.0, 3.0, 7.0]).__next__)
    >>> with spans.span("outer"), spans.span("inner"):
    ...     pass
    >>> spans.seconds
    {'inner': 2.0, 'outer': 5.0}
    """

    clock: Callable[[], float] = time.perf_counter
    main_only: bool = True
    seconds: dict[str, float] = field(default_factory=dict)
    _local: threading.local = field(default_factory=threading.local)
    _main: int = field(default_factory=threading.get_ident)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count what happens inside; in other threads under `behind`."""
        stack: list[float] = self._local.__dict__.setdefault("stack", [])
        began = self.clock()
        stack.append(0.0)
        try:
            yield
        finally:
            taken, inner = self.clock() - began, stack.pop()
            if stack:
                stack[-1] += taken
            if self.main_only and threading.get_ident() != self._main:
                name = "behind"
            self.seconds[name] = self.seconds.get(name, 0.0) + taken - inner

    @contextmanager
    def watching(self, places: Sequence[tuple[str, type, str]]) -> Iterator[None]:
        """Count calls of methods, each given as (name of the span, class, method)."""
        kept = [(owner, method, owner.__dict__[method]) for _, owner, method in places]
        try:
            for name, owner, method in places:
                setattr(owner, method, self._watched(name, owner.__dict__[method]))
            yield
        finally:
            for owner, method, plain in kept:
                setattr(owner, method, plain)

    def _watched(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def watched(*given: Any, **named: Any) -> Any:
            with self.span(name):
                return plain(*given, **named)

        return watched
