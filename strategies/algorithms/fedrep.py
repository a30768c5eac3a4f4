"""FedRep (Collins et al. 2021): a shared body, and a head that is fitted to it before it moves.

    client: train the head for `head_epochs`, the body held still; then the body for `body_epochs`
    server: FedAvg over the body

As FedPer, but for the order. The bytes are those of the body, both ways. `local.epochs` and
`local.steps` have no say. Batch statistics of the body move with the head's training too, as they
do in the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms.fedper import FedPer
from strategies.base import LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class FedRep(FedPer):
    """The last `head` layers stay on each client and are trained first, alone."""

    head_epochs: int = 10
    body_epochs: int = 1

    def __post_init__(self) -> None:
        """Refuse trainings of no epoch."""
        super().__post_init__()
        require("head_epochs", self.head_epochs, "[1, 1000]")
        require("body_epochs", self.body_epochs, "[1, 1000]")

    def local(self, context: LocalContext) -> LocalHalf:
        """First the head, then the body."""
        start = self.personal(context)
        head = self.private(list(start))
        body = frozenset(start) - head
        alone = {"steps": None, "epochs": self.head_epochs}
        fitted = yield Train(start, local=context.local.model_copy(update=alone), frozen=body)
        after = {"steps": None, "epochs": self.body_epochs}
        local = context.local.model_copy(update=after)
        done = yield Train(fitted.arrays, local=local, frozen=head)
        return self.split(done.arrays, done.examples)
