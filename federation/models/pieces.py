"""A model that is a chain of layers, cut into pieces that compute one after another.

Chains are `nn.Sequential`, also of chains. Layers are numbered from 0, those without weights too;
in a plain `nn.Sequential` the numbers are the layers' names as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from federation.arrays import Arrays
from federation.errors import ScenarioError, unknown_choice
from federation.models.learner import Learner

Named = tuple[str, nn.Module]


@dataclass(frozen=True)
class Piece:
    """Layers in order; `names` are those of their arrays in the model."""

    layers: tuple[nn.Module, ...]
    names: tuple[str, ...]

    def __call__(self, rows: Tensor) -> Tensor:
        """What the layers make of rows."""
        for layer in self.layers:
            rows = layer(rows)
        return rows

    @property
    def trained(self) -> list[nn.Parameter]:
        """What gradients move, in the order of the model."""
        return [p for layer in self.layers for p in layer.parameters() if p.requires_grad]

    @property
    def has_weights(self) -> bool:
        """Whether there is something to train."""
        return bool(self.trained)

    def load(self, learner: Learner, arrays: Arrays) -> None:
        """Overwrite the piece's arrays; those of other pieces stay."""
        for name in self.names:
            learner.views[name][...] = arrays[name]

    def arrays(self, learner: Learner) -> Arrays:
        """Copies of the piece's arrays."""
        return {name: learner.views[name].copy() for name in self.names}


def layers_of(module: nn.Module, prefix: str = "") -> list[Named]:
    """The layers of a chain with their names. Raises ScenarioError for another module."""
    if type(module) is not nn.Sequential:
        raise ScenarioError(
            f"strategy.args.cut: the model is a {type(module).__name__}, not an nn.Sequential; "
            "only chains of layers can be cut"
        )
    found: list[Named] = []
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            found += layers_of(child, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", child))
    return found


def place_of(layers: Sequence[Named], wanted: int | str, key: str) -> int:
    """The number of the layer of that name or number; below zero it is counted from the end."""
    names = [name for name, _ in layers]
    if isinstance(wanted, str):
        if wanted not in names:
            raise ScenarioError(unknown_choice(key, wanted, names))
        return names.index(wanted)
    if not -len(layers) <= wanted < len(layers):
        raise ScenarioError(f"{key} = {wanted}: the model has layers 0 to {len(layers) - 1}")
    return wanted % len(layers)


def first_cut(layers: Sequence[Named]) -> int:
    """The last of the first layer with weights and those without that follow it."""
    weighty = [place for place, (_, layer) in enumerate(layers) if list(layer.parameters())]
    return weighty[1] - 1 if len(weighty) > 1 else len(layers) - 1


def pieces(learner: Learner, bounds: Sequence[int]) -> list[Piece]:
    """The pieces between bounds: one more than there are bounds.

    Raises ScenarioError where two pieces share weights.
    """
    layers = layers_of(learner.module)
    ends = [0, *bounds, len(layers)]
    found = [_piece(learner, layers[a:b]) for a, b in pairwise(ends)]
    weights = [id(p) for piece in found for p in {id(p): p for p in piece.trained}.values()]
    if len(set(weights)) != len(weights):
        raise ScenarioError("strategy.args.cut: layers on its two sides share weights")
    return found


def _piece(learner: Learner, layers: Sequence[Named]) -> Piece:
    prefixes = tuple(f"{name}." for name, _ in layers)
    names = tuple(name for name in learner.views if prefixes and name.startswith(prefixes))
    return Piece(tuple(layer for _, layer in layers), names)
