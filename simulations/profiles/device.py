"""What a device can do and what it draws while it does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from federation.energy.levels import Level, levels_from
from federation.energy.ranges import Range
from federation.errors import ScenarioError
from federation.scenario.partitions import Section, Text
from simulations.profiles.figure import Figure, Positive, Status, with_inherited

Factor = Annotated[float, Field(ge=1, le=1e6)]

Class = Literal["microcontroller", "board", "phone", "laptop", "desktop", "gpu", "server"]
Boundary = Literal["rail", "package", "board", "wall", "gpu"]
FIGURES = {"training_flop_per_s", "idle_w", "sleep_w", "train_w", "battery_wh", "rates"}


@dataclass(frozen=True, slots=True)
class FullSpeed(Level):
    """The only level of a device of which no others were measured."""

    @property
    def label(self) -> str:
        """As people say it."""
        return "full speed"


class DeviceProfile(Section):
    """A device: training rates, power, levels. Every figure has its status and source.

    `boundary` says where the watts were taken; those of different boundaries are not comparable.
    What is not known is left out. Times exclude `startup_s`, which comes before each training.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    title: Text
    device_class: Class = Field(alias="class")
    boundary: Boundary
    source: Text | None = None
    status: Status | None = None
    note: Text | None = None
    flop_rate: Positive | None = Field(None, alias="training_flop_per_s")
    rates: dict[str, Positive] = Field({})
    idle_w: Positive | None = None
    sleep_w: Figure | None = None
    train_w: Positive | None = None
    battery_wh: Positive | None = None
    supply_factor: Factor = 1.0
    startup_s: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    throttle: Factor = 1.0
    level_rows: list[dict[str, Any]] = Field([], alias="levels")

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        return with_inherited(given, FIGURES) if isinstance(given, dict) else given

    @field_validator("level_rows")
    @classmethod
    def _check_levels(cls, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            levels_from(rows, "levels")
        except ScenarioError as error:
            raise ValueError(str(error).removeprefix("levels: ")) from None
        return rows

    @model_validator(mode="after")
    def _check(self) -> DeviceProfile:
        if self.flop_rate is None and not self.rates:
            raise ValueError("needs training_flop_per_s, or measured examples/s under [rates]")
        if self.flop_rate is not None and self.flop_rate.low < 1:
            raise ValueError(
                f"training_flop_per_s = {self.flop_rate.low:g}: must be at least 1 operation a "
                "second, its low end as well"
            )
        if self.level_rows and (self.source is None or self.status is None):
            raise ValueError("levels: missing source and status; give them at the profile's top")
        if self.level_rows and self.train_w and self.train_w.range != self.levels[-1].train_w:
            raise ValueError(
                f"train_w = {self.train_w.value:g} differs from the fastest level's "
                f"{self.levels[-1].train_w.base:g} W; leave train_w out"
            )
        self._check_order()
        return self

    def _check_order(self) -> None:
        idle_w = None if self.idle_w is None else self.idle_w.value
        if idle_w is not None and (self.level_rows or self.train_w is not None):
            lowest_w = min(level.train_w.base for level in self.levels)
            if lowest_w < idle_w:
                raise ValueError(f"train_w = {lowest_w:g} is below idle_w = {idle_w:g}")
        if idle_w is not None and self.sleep_w is not None and idle_w < self.sleep_w.value:
            raise ValueError(f"idle_w = {idle_w:g} is below sleep_w = {self.sleep_w.value:g}")

    @cached_property
    def training_flop_per_s(self) -> float:
        """The base of the rate in arithmetic. Raises ScenarioError where only [rates] are known."""
        return self._known("training_flop_per_s", self.flop_rate).value

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Ascending; the last is full speed, and the only one where no others were measured.

        Raises ScenarioError where the power in training is not known.
        """
        if self.level_rows:
            return levels_from(self.level_rows, f"device {self.title!r}")
        return (FullSpeed(1.0, "W", 1.0, self._known("train_w", self.train_w).range),)

    @cached_property
    def idle(self) -> Range:
        """Watts awake, doing nothing. Raises ScenarioError where not known."""
        return self._known("idle_w", self.idle_w).range

    @cached_property
    def sleep(self) -> Range | None:
        """Watts asleep; None where not known."""
        return None if self.sleep_w is None else self.sleep_w.range

    @cached_property
    def missing_energy(self) -> tuple[str, ...]:
        """The keys that are missing for its energy to be counted; empty where all are known."""
        known = {"idle_w": self.idle_w, "train_w": self.level_rows or self.train_w}
        return tuple(key for key, value in known.items() if not value)

    def measured_rate(self, names: Iterable[str]) -> Figure | None:
        """Examples/s under the first of these names that was measured, such as a model's."""
        return next((self.rates[name] for name in names if name in self.rates), None)

    def training_s(self, examples: float, flop: float, names: Sequence[str] = ()) -> Range:
        """Seconds at full speed to train on so many examples, which take `flop` in all.

        `names` are those that the model may have under `[rates]` (see `rate_names`). A measured
        rate beats the arithmetic. The range is that of the rate (40 % where it was derived from a
        benchmark); the operations are counted and exact. Raises ScenarioError, with the remedy,
        where neither is known.
        """
        rate = self.measured_rate(names)
        if rate is not None:
            return Range.exact(examples * self.throttle) / rate.range
        if self.flop_rate is None:
            raise ScenarioError(self._cannot_train(names))
        return Range.exact(flop * self.throttle) / self.flop_rate.range

    def _cannot_train(self, names: Sequence[str]) -> str:
        wanted = names[-1] if names else "MODEL"
        known = ", ".join(sorted(self.rates)) or "none"
        return (
            f"device {self.title!r}: how fast it trains model {wanted!r} is not known: its profile "
            f"gives no training_flop_per_s, and under [rates] only {known}; add {wanted} = "
            "EXAMPLES_PER_SECOND there, or take another device"
        )

    def _known(self, key: str, figure: Figure | None) -> Figure:
        if figure is None:
            raise ScenarioError(
                f"device {self.title!r}: its profile gives no {key}; take another device, or a "
                "profile of your own that gives it"
            )
        return figure


def rate_names(model: str, source: str) -> tuple[str, str]:
    """What `[rates]` may call a model: with the data set first, then the model alone.

    `model` and `source` are `model.name` and `data.source` of a scenario.

    >>> rate_names("cnn", "hub:ylecun/mnist")
    ('cnn-mnist', 'cnn')
    """
    data = source.rstrip("/").replace(":", "/").rpartition("/")[2].removesuffix(".parquet")
    return f"{model}-{data}", model
