"""How the training rows are shared out among the clients: the kinds a scenario may name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table of the scenario: frozen, strictly typed, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Iid(Section):
    """Equal shares of the shuffled rows."""

    kind: Literal["iid"] = "iid"


class Dirichlet(Section):
    """Shares of each class drawn over the clients from Dirichlet(alpha) (Yurochkin et al. 2019)."""

    kind: Literal["dirichlet"]
    alpha: PositiveFloat
    min_examples: PositiveInt = 1


class Pathological(Section):
    """Every client holds a fixed number of classes."""

    kind: Literal["pathological"]
    classes_per_client: PositiveInt
    assignment: Literal["random", "deterministic", "first-deterministic"] = "random"


class Shards(Section):
    """Rows sorted by label and cut into shards, dealt out at random (McMahan et al. 2017)."""

    kind: Literal["shards"]
    shards_per_client: PositiveInt


class ExtendedDirichlet(Section):
    """Classes drawn per client, then Dirichlet(alpha) proportions among a class's holders.

    Li and Lyu, NeurIPS 2023.
    """

    kind: Literal["extended-dirichlet"]
    classes_per_client: PositiveInt
    alpha: PositiveFloat
    min_examples: PositiveInt = 10


class Natural(Section):
    """One client per value of a column; `group_size` values of it together make a client."""

    kind: Literal["natural"]
    column: Text
    group_size: PositiveInt = 1


class Linear(Section):
    """Client i holds a share proportional to i + 1."""

    kind: Literal["linear"]


class Square(Section):
    """Client i holds a share proportional to (i + 1) squared."""

    kind: Literal["square"]


class Exponential(Section):
    """Client i holds a share proportional to exp(i + 1)."""

    kind: Literal["exponential"]


class Sizes(Section):
    """The number of rows of each client, one number a client."""

    kind: Literal["sizes"]
    sizes: list[PositiveInt]


class InnerDirichlet(Section):
    """Sizes as given, class proportions of each client from Dirichlet(alpha)."""

    kind: Literal["inner-dirichlet"]
    sizes: list[PositiveInt]
    alpha: PositiveFloat


class Continuous(Section):
    """Rows ordered by a numeric column; strictness 0 is iid, 1 is sorted."""

    kind: Literal["continuous"]
    column: Text
    strictness: Annotated[float, Field(ge=0, le=1)]


class Resampled(Section):
    """Each client draws `examples` rows at random; clients may share rows.

    Costs nothing per client, so it serves for populations larger than the data.
    """

    kind: Literal["resampled"]
    examples: PositiveInt


class File(Section):
    """Exact row indices: a JSON file `{client: [row, ...]}` with clients 0, 1, 2, ..."""

    kind: Literal["file"]
    path: Text


Partition = Annotated[
    Iid
    | Dirichlet
    | Pathological
    | Shards
    | ExtendedDirichlet
    | Natural
    | Linear
    | Square
    | Exponential
    | Sizes
    | InnerDirichlet
    | Continuous
    | Resampled
    | File,
    Field(discriminator="kind"),
]
