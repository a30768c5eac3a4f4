"""The part of a scenario that a client must know to do its work."""

from __future__ import annotations

import hashlib

from pydantic import PositiveInt

from federation.scenario.partitions import Section
from federation.scenario.schema import (
    ChannelConfig,
    LocalConfig,
    ModelConfig,
    Scenario,
    StrategyConfig,
    Training,
)


class ClientDataConfig(Section):
    """What a client must know of the data: what it is, not who else holds which rows."""

    source: str
    input: str | list[str] | None
    label: str | None
    normalize: bool
    holdout: float
    public: int
    tasks: list[list[int]]


class ClientConfig(Section):
    """What is the same for all clients and all rounds of a run; told once, when a client joins."""

    seed: int
    rounds: PositiveInt
    data: ClientDataConfig
    model: ModelConfig
    local: LocalConfig
    strategy: StrategyConfig
    uplink: ChannelConfig
    downlink: ChannelConfig
    evaluation_batch_size: PositiveInt
    training: Training

    def to_json(self) -> str:
        """Canonical JSON: equal configurations give equal text."""
        return self.model_dump_json()

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name the configuration in every request."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def client_config(scenario: Scenario) -> ClientConfig:
    """What the clients of this scenario must know."""
    data = scenario.data
    return ClientConfig(
        seed=scenario.seed,
        rounds=scenario.rounds,
        data=ClientDataConfig(
            source=data.source,
            input=data.input,
            label=data.label,
            normalize=data.normalize,
            holdout=data.holdout,
            public=data.public,
            tasks=data.tasks,
        ),
        model=scenario.model,
        local=scenario.local,
        strategy=scenario.strategy,
        uplink=scenario.uplink,
        downlink=scenario.downlink,
        evaluation_batch_size=scenario.evaluation.batch_size,
        training=scenario.engine.training,
    )
