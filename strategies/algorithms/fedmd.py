"""FedMD (Li and Wang 2019): clients learn from the mean of all class scores on the public rows.

    client: the first time, `pretrain_epochs` on the public rows and their labels
            digest: `digest_epochs` on T^2 * KL(softmax(mean / T) || softmax(z / T)), public rows
            revisit: train on its own rows;  send its class scores z on the public rows
    server: the mean of the scores

The bytes are 2 P o n_c b, the same for every model. The paper draws a subset of 5000 public rows in
each round; here all are used. It has no model at the server: `student_steps = 0` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import ClientError
from strategies.algorithms._checks import require
from strategies.algorithms._distillation import see, softmax
from strategies.algorithms._soft_labels import Learning, SoftLabels
from strategies.base import LocalContext, Train, Trained


@dataclass(frozen=True)
class FedMD(SoftLabels):
    """Class scores of the public rows are averaged and digested."""

    pretrain_epochs: int = 5
    digest_epochs: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        super().__post_init__()
        require("pretrain_epochs", self.pretrain_epochs, "[0, 1000]")
        require("digest_epochs", self.digest_epochs, "[1, 1000]")

    def probabilities(self, consensus: NDArray[Any]) -> NDArray[np.float64]:
        """Of the mean scores."""
        return softmax(consensus, self.temperature)

    def learn(self, context: LocalContext) -> Learning:
        """Digest, then revisit."""
        model = self.personal(context)
        if not context.kept and self.pretrain_epochs:
            x, y = (yield see()).value
            if y is None:
                raise ClientError("fedmd begins with labelled public rows; set pretrain_epochs = 0")
            more = {"steps": None, "epochs": self.pretrain_epochs}
            first = yield Train(model, rows=(x, y), local=context.local.model_copy(update=more))
            model = first.arrays
        consensus = context.received["consensus"]["scores"]
        model = yield from self.digest(model, consensus, context, self.digest_epochs)
        done: Trained = yield Train(model)
        return done.arrays
