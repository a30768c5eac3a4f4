"""How long each client is expected to keep a worker busy, so that the longest can begin first.

Before anything ran, from the examples it will process; then from what it took, or what others took,
in earlier rounds. It decides who works when and where, never what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from simulations.workload import Workload

_GUESS_S = 1e-4  # per example; only the proportions matter before anything was measured
_NEWEST = 0.5  # the weight of the last measurement against all before it
_MOST_KNOWN = 100_000  # clients whose pace is remembered


@dataclass
class Balance:
    """Expects and learns, apart for each kind of request (`train`, `evaluate`).

    A client's pace is seconds per expected example: it also holds what an algorithm has its clients
    do beside, or more often than, what `[local]` says.
    """

    workload: Workload
    _paces: dict[tuple[str, int], float] = field(default_factory=dict)
    _means: dict[str, float] = field(default_factory=dict)

    def expected_s(self, kind: str, clients: Sequence[int]) -> list[float]:
        """Seconds of a worker for each client; nobody costs nothing."""
        examples = self.workload.processed(np.asarray(clients, np.int64))
        paces = [self._pace(kind, client) for client in clients]
        return [p * max(1.0, n) for p, n in zip(paces, examples.tolist(), strict=True)]

    def learn(self, kind: str, clients: Sequence[int], expected_s: float, busy_s: float) -> None:
        """These clients together were expected to take so long, and took so long."""
        paces = [self._pace(kind, client) * busy_s / expected_s for client in clients]
        for client, pace in zip(clients, paces, strict=True):
            known = self._paces.pop((kind, client), None)
            self._paces[kind, client] = _mixed(known, pace)  # last, as it is the newest
        self._means[kind] = _mixed(self._means.get(kind), fmean(paces))
        while len(self._paces) > _MOST_KNOWN:
            del self._paces[next(iter(self._paces))]

    def _pace(self, kind: str, client: int) -> float:
        return self._paces.get((kind, client)) or self._means.get(kind, _GUESS_S)


def _mixed(known: float | None, new: float) -> float:
    return new if known is None else (1 - _NEWEST) * known + _NEWEST * new
