"""A figure of a profile: a number, its range, how well it is known, and where it stands written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, Field, NonNegativeFloat, model_validator

from federation.energy.ranges import Range
from federation.scenario.partitions import Section

Status = Literal["V", "D", "R", "M"]
STATUSES: Final = {
    "V": "read in the source",
    "D": "derived from figures that were read",
    "R": "recalled or weakly sourced",
    "M": "measured by the author of the profile",
}
INHERITED: Final = ("source", "status")
SMALLEST: Final = 1e-12  # of what is not nothing; beyond these two, products and quotients of
LARGEST: Final = 1e24  # figures might not fit a float


class Figure(Section):
    """A number that is not negative: `{ value, low, high, status, source }`, or the number alone.

    `low` and `high` are the ends of its range, the value where they are left out. `source` and
    `status` are those of the whole profile where they are left out.
    """

    value: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat
    status: Status
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _exact_without_ends(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "value" not in given:
            return given
        return {"low": given["value"], "high": given["value"], **given}

    @model_validator(mode="after")
    def _check_order(self) -> Figure:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"low = {self.low:g}, value = {self.value:g}, high = {self.high:g}: "
                "must be in this order"
            )
        for end in (self.low, self.value, self.high):
            if end and not SMALLEST <= end <= LARGEST:
                raise ValueError(f"{end:g} must be 0, or from {SMALLEST:g} to {LARGEST:g}")
        return self

    @property
    def range(self) -> Range:
        """The figure with its ends, for the formulas of `federation.energy`."""
        return Range(self.low, self.value, self.high)

    def __float__(self) -> float:
        return self.value


def _check_positive(figure: Figure) -> Figure:
    if figure.low <= 0:
        raise ValueError("must be greater than 0, its low end as well")
    return figure


def _check_share(figure: Figure) -> Figure:
    if figure.high > 1:
        raise ValueError("must be a share, from 0 to 1")
    return figure


Positive = Annotated[Figure, AfterValidator(_check_positive)]
Share = Annotated[Figure, AfterValidator(_check_share)]
PositiveShare = Annotated[Figure, AfterValidator(_check_positive), AfterValidator(_check_share)]


def with_inherited(table: Mapping[str, Any], figures: set[str]) -> dict[str, Any]:
    """The table of a profile, in which each figure has the profile's source and status.

    `figures` are the keys that hold figures. A key may also hold a table of figures (`rates`),
    which may be empty.
    """
    own = {key: table[key] for key in INHERITED if key in table}
    return {key: _given(value, own) if key in figures else value for key, value in table.items()}


def _given(value: Any, own: Mapping[str, Any]) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {**own, "value": value}
    if not isinstance(value, Mapping):
        return value
    if not value.keys() & Figure.model_fields.keys():
        return {key: _given(entry, own) for key, entry in value.items()}
    return {**own, **cast(Mapping[str, Any], value)}
