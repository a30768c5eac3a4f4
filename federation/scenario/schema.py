"""What a scenario may say: one frozen pydantic model per table of the TOML file.

Names of schedules, algorithms, codecs, models and devices are plain strings here; whoever owns
the thing checks the name (see `simulations/prepare.py`), so that a new one is a new file only.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from federation.scenario.fleet import EnergyConfig, FleetShare, ServerConfig
from federation.scenario.partitions import (
    File,
    Iid,
    InnerDirichlet,
    Partition,
    Section,
    Sizes,
    Text,
)
from federation.scenario.quantization import QuantizationConfig
from federation.scenario.rates import ConstantRate, RateSchedule


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(
            "must be at most 100 letters, digits, '.', '_' and '-', a letter or digit first"
        )
    return name


Fraction = Annotated[float, Field(ge=0, lt=1)]
Argument = bool | int | float | str | list[int] | list[float] | list[str]


class DataConfig(Section):
    """Where the rows come from and who holds which."""

    source: Text
    dir: Text | None = None
    input: Text | list[Text] | None = None
    label: Text | None = None
    normalize: bool = True
    clients: PositiveInt
    partition: Partition = Iid()
    holdout: Fraction = 0.0
    public: NonNegativeInt = 0
    tasks: list[list[NonNegativeInt]] = []

    @model_validator(mode="after")
    def _check(self) -> DataConfig:
        if isinstance(self.partition, Sizes | InnerDirichlet):
            given = len(self.partition.sizes)
            if given != self.clients:
                raise ValueError(f"partition.sizes has {given} numbers, clients = {self.clients}")
        if self.public and isinstance(self.partition, File):
            raise ValueError("public rows are drawn, partition.kind = 'file' says all: take one")
        return self


class ModelConfig(Section):
    """The model and the task it is trained for.

    With `kinds` clients have models of their own in turn, and `name` is the server's.
    """

    name: Text
    task: Text = "auto"
    args: dict[str, Argument] = {}
    quantization: QuantizationConfig | None = None
    kinds: list[Text] = []

    def of_kind(self, number: int) -> ModelConfig:
        """The model of clients of a kind."""
        return ModelConfig(name=self.kinds[number], task=self.task, quantization=self.quantization)


class LocalConfig(Section):
    """What a client does when it trains."""

    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: PositiveFloat
    batch_size: PositiveInt | Literal["full"] = 32
    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0
    clip_norm: PositiveFloat | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    lr_schedule: RateSchedule = ConstantRate()

    @model_validator(mode="after")
    def _check(self) -> LocalConfig:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give either epochs or steps, not both")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov = true needs momentum > 0")
        if self.optimizer != "sgd" and self.momentum > 0:
            raise ValueError(f"momentum belongs to optimizer = 'sgd', not {self.optimizer!r}")
        return self

    @property
    def passes(self) -> int:
        """Epochs over the client's rows; meaningless where `steps` is given."""
        return self.epochs or 1


class StrategyConfig(Section):
    """Who speaks when (schedule), what is computed (algorithm), and whom a round asks.

    `over_selection` times `clients_per_round` are asked (up to all) and as many as that are waited
    for, each at most `deadline_s`; a round with a smaller share of replies than `min_replies` is
    given up.
    """

    schedule: Text = "parallel"
    algorithm: Text = "fedavg"
    clients_per_round: PositiveInt | None = None
    selection: Text = "random"
    over_selection: Annotated[float, Field(ge=1, le=100)] = 1.0
    deadline_s: PositiveFloat | None = None
    min_replies: Annotated[float, Field(ge=0, le=1)] = 0.0
    args: dict[str, Argument] = {}


class ChannelConfig(Section):
    """How updates travel in one direction."""

    codec: Text = "none"
    error_feedback: bool | Literal["ef", "ef21"] = False


class EvaluationConfig(Section):
    """When the server tests the model, and whether clients do so too."""

    every: PositiveInt = 1
    batch_size: PositiveInt = 1000
    per_client: bool = False


class StopConfig(Section):
    """What ends a run before its last round: whichever is met first. None: that does not."""

    accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    bytes: PositiveInt | None = None
    seconds: PositiveFloat | None = None
    joules: PositiveFloat | None = None
    grams: PositiveFloat | None = None


Training = Literal["auto", "eager", "stacked", "native", "compiled", "cuda"]


class EngineConfig(Section):
    """What executes the clients. Never changes a result, only how long it takes.

    But for `timeout_s`: after so many seconds a real client that is silent has failed. And for
    `training`: engines agree within the tolerance of float32, each with itself to the bit.
    """

    backend: Literal["inline", "processes", "ray"] = "inline"
    workers: PositiveInt = 2
    training: Training = "auto"
    address: Text | None = None
    timeout_s: PositiveFloat = 3600.0

    @model_validator(mode="after")
    def _check(self) -> EngineConfig:
        if self.address is not None and self.backend != "ray":
            raise ValueError("address joins a Ray cluster: it needs backend = 'ray'")
        if self.training == "cuda" and self.backend == "processes":
            raise ValueError(
                "processes share no GPUs out: training = 'cuda' needs 'inline' or 'ray'"
            )
        return self


class Scenario(Section):
    """One run, fully said."""

    name: Annotated[str, AfterValidator(_check_name)]
    seed: NonNegativeInt = 1
    rounds: PositiveInt
    data: DataConfig
    model: ModelConfig
    local: LocalConfig
    strategy: StrategyConfig = StrategyConfig()
    uplink: ChannelConfig = ChannelConfig()
    downlink: ChannelConfig = ChannelConfig()
    fleet: list[FleetShare] = [FleetShare()]
    server: ServerConfig = ServerConfig()
    energy: EnergyConfig = EnergyConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    stop: StopConfig | None = None
    engine: EngineConfig = EngineConfig()

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        asked, clients = self.strategy.clients_per_round, self.data.clients
        if asked is not None and asked > clients:
            raise ValueError(
                f"strategy.clients_per_round = {asked} is more than data.clients = {clients}"
            )
        total = sum(share.share for share in self.fleet)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of [[fleet]] add up to {total:g}, not to 1")
        if self.evaluation.per_client and self.data.holdout == 0:
            raise ValueError("evaluation.per_client = true needs data.holdout > 0")
        if self.model.quantization is not None and self.local.precision != "fp32":
            raise ValueError("model.quantization rounds float32: it needs local.precision = 'fp32'")
        return self

    @property
    def clients_per_round(self) -> int:
        """The number of clients a round asks: all, unless the scenario says fewer."""
        return self.strategy.clients_per_round or self.data.clients
