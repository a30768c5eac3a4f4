"""Co-distillation (Anil et al. 2018): every client learns from what the others said before.

    client: CE on its own rows + weight * T^2 * KL(softmax(m / T) || softmax(z / T)) on the public
            rows, both kinds shuffled together; send the scores z on the public rows
            m: the mean of the others' last scores, a round old
    server: the mean of the scores, with the number P of those that are in it

The mean of the others is (P * mean - own) / (P - 1) where the client's own scores are in the mean.
Without others (the first round, one client) it is a plain training, to the bit. The paper exchanges
models or scores; these are scores: 2 P o n_c b, and two whole numbers (16 bytes) down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Arrays, Field, Parts, Spec
from federation.errors import ClientError
from federation.reduce import Total
from federation.rounds import State
from federation.transport import PartSpecs
from strategies.algorithms._checks import require
from strategies.algorithms._distillation import loss, see, softmax, targets
from strategies.algorithms._soft_labels import Learning, SoftLabels
from strategies.base import LocalContext, Train, Trained


@dataclass(frozen=True)
class CoDistillation(SoftLabels):
    """Labels and the others' stale scores teach together."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a loss that pushes away."""
        super().__post_init__()
        require("weight", self.weight, "[0, 1000]")

    def init(self, model: Arrays, spec: Spec) -> State:
        """A mean of nobody, before any merge."""
        state = super().init(model, spec)
        none = {"count": np.array(0, np.int64), "merges": np.array(0, np.int64)}
        return {**state, "consensus": {**state["consensus"], **none}}

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The mean, of how many, and which it is."""
        whole = (Field(name, (), "<i8", exact=True) for name in ("count", "merges"))
        return {"consensus": (*super().downlink_specs(model)["consensus"], *whole)}

    def merge(self, state: State, total: Total) -> State:
        """The mean of these replies."""
        after = super().merge(state, total)
        number = {"count": total.count, "merges": state["consensus"]["merges"] + 1}
        told = {name: np.array(value, np.int64) for name, value in number.items()}
        return {**after, "consensus": {**after["consensus"], **told}}

    def probabilities(self, consensus: NDArray[Any]) -> NDArray[np.float64]:
        """Of the mean scores."""
        return softmax(consensus, self.temperature)

    def keep(self, context: LocalContext, model: Arrays, said: Arrays) -> Parts:
        """What was said too, and which mean it will be in."""
        merges = context.received["consensus"]["merges"] + 1
        return {"own": model, "said": {**said, "merges": np.array(merges)}}

    def learn(self, context: LocalContext) -> Learning:
        """From labels and from the others at once."""
        model = self.personal(context)
        others = self.others(context.received["consensus"], context.kept.get("said"))
        if others is None or not self.weight:
            alone: Trained = yield Train(model)
            return alone.arrays
        import torch

        own_x, own_y = (yield see(public=False)).value
        x, _ = (yield see()).value
        if own_y is None:
            raise ClientError("co-distillation needs labels of the client's own rows")
        classes = others.shape[1]
        told = targets(None, own_y, 1.0, 0.0, classes)
        taught = targets(self.probabilities(others), None, 0.0, self.weight, classes)
        rows = torch.cat([own_x, x]), torch.cat([told, taught])
        done: Trained = yield Train(model, rows=rows, loss=loss(self.learnt_at))
        return done.arrays

    @staticmethod
    def others(mean: Arrays, said: Arrays | None) -> NDArray[Any] | None:
        """The mean scores of all but this client; None where there are none."""
        count = int(mean["count"])
        if said is None or int(said["merges"]) != int(mean["merges"]):
            return mean["scores"] if count else None
        if count < 2:
            return None
        rest = count * mean["scores"].astype(np.float64) - said["scores"]
        return np.asarray(rest / (count - 1))
