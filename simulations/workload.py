"""How much each client is expected to do when it is asked to train: from its rows, before it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.scenario.schema import LocalConfig

Clients = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """`rows` are those of each client, shape (population,), of which a part is held out."""

    rows: NDArray[np.int64]
    holdout: float
    local: LocalConfig

    def examples(self, clients: Clients) -> Numbers:
        """Rows that each trains on, shape (n,)."""
        rows = np.asarray(self.rows[clients], dtype=np.float64)
        if not self.holdout:
            return rows
        held_out = np.clip(np.round(self.holdout * rows), 1, np.maximum(rows - 1, 1))
        return np.where(rows < 2, rows, rows - held_out)

    def processed(self, clients: Clients) -> Numbers:
        """Examples that go through a gradient, with repetitions, shape (n,).

        An algorithm whose clients do more or less than `[local]` says is not foreseen.
        """
        rows, local = self.examples(clients), self.local
        if local.steps is None:
            return rows * local.passes
        size = rows if local.batch_size == "full" else np.full(len(rows), float(local.batch_size))
        steps_per_epoch = np.ceil(rows / np.maximum(size, 1.0))
        epochs, left = np.divmod(float(local.steps), np.maximum(steps_per_epoch, 1.0))
        processed: Numbers = epochs * rows + left * np.minimum(size, rows)
        return processed
