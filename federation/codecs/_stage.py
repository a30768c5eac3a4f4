"""The codec port: a stage of a chain.

A chain turns a vector of float32 values into bytes, stage by stage. What stands between two stages
is a one-dimensional array of one kind: `values` (float32), `symbols` (integers from 0 up to an
alphabet) or `bytes` (uint8). Both sides know the `Shape` of every array beforehand; what a
receiver allocates follows from it and never from the payload.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from federation.seeds import generator

Kind = Literal["values", "symbols", "bytes"]
Vector = NDArray[Any]
Memory = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Shape:
    """What an array between two stages is.

    `length` is the number of entries, or the most there can be where `exact` is False (then the
    chain sends the number). Symbols lie in [0, alphabet). `tensors` are the shapes of the tensors
    that the entries still are, end to end; None once a stage has dropped or reordered entries.
    """

    kind: Kind
    length: int
    exact: bool = True
    alphabet: int = 0
    tensors: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class Context:
    """Where in an experiment something is encoded.

    Sender and receiver have the same context, but for `memory`, which is the sender's own: what
    the stage kept the last time.
    """

    seed: int
    purpose: str
    round: int
    client: int
    memory: Memory = field(default_factory=dict)

    def rng(self) -> np.random.Generator:
        """The generator of this stage: sender and receiver draw the same numbers from it."""
        return generator(self.seed, self.purpose, self.round, self.client)


@dataclass(frozen=True)
class Encoded:
    """What a stage hands on, what the receiver needs beside it, and what the sender keeps."""

    values: Vector
    side: bytes = b""
    memory: Memory = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a stage promises of its decoded values C(x).

    "exact": C(x) = x. "unbiased": E C(x) = x and E|C(x) - x|^2 <= constant * |x|^2.
    "contractive": E|C(x) - x|^2 <= (1 - constant) * |x|^2. "bounded": |C(x) - x| <= constant *
    max|x| for every entry. "none": nothing in general.
    """

    kind: Literal["exact", "unbiased", "contractive", "bounded", "none"]
    constant: float = 0.0


@dataclass(frozen=True)
class Stage(ABC):
    """One step of a chain.

    Subclasses are frozen dataclasses: their `repr` rebuilds them, and their fields are the
    arguments in a scenario, in order (`topk(0.01)`). A stage keeps nothing in itself. One that
    must remember (`remembers = True`) finds what it kept in `context.memory` and hands back the
    new in `Encoded.memory`.
    """

    takes: ClassVar[Kind]
    remembers: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = ()
    """Chains with it, for the tests that go over all codecs, where its name alone is none."""
    feeds_back: ClassVar[bool] = False
    """Whether it sends later what it left out, so that no error feedback belongs around it."""

    @abstractmethod
    def shape(self, given: Shape) -> Shape:
        """The shape of what it hands on, given what it takes.

        Raises ScenarioError where it cannot work on that.
        """

    @abstractmethod
    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Sender's side. `given` is exact. Never changes `values`."""

    @abstractmethod
    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Receiver's side: an array of shape `given`, which is exact.

        Raises ValueError for anything that `encode` cannot have made; allocates no more than
        twice what `given` says.
        """

    @abstractmethod
    def claim(self, given: Shape) -> Claim:
        """What can be promised of decode(encode(x)) on inputs of that shape."""
