"""What a node is told once, before it is asked to train.

In a simulation the workers are set up directly and nothing is sent. On Flower's own grids every
node says which client it is (`query`), then receives the run's configuration and, in experiments
where a common data set is shared out, the numbers of its rows (`query.enrol`). This set-up is
sent once per run and stands outside the tables, as the rows do in a real deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from numpy.typing import NDArray

from federation.errors import ClientError

NOT_ENROLLED = "this node was not told about the run"


@dataclass(frozen=True)
class Enrolment:
    """The run's id, the client configuration, and row numbers (None: the device's own data)."""

    run: str
    config_json: str
    rows: NDArray[Any] | None

    def to_record(self) -> ConfigRecord:
        """As it travels and as the node keeps it."""
        record = ConfigRecord({"run": self.run, "config": self.config_json})
        if self.rows is not None:
            record["rows"] = np.asarray(self.rows, "<i8").tobytes()
        return record

    @classmethod
    def from_record(cls, record: ConfigRecord) -> Enrolment:
        """Read back what `to_record` wrote."""
        rows = record.get("rows")
        numbers = np.frombuffer(rows, "<i8") if isinstance(rows, bytes) else None
        return cls(str(record["run"]), str(record["config"]), numbers)


@dataclass(frozen=True)
class Introduction:
    """What a node says of itself."""

    client: int
    own_data: bool
    enrolled: bool


def hello_content(client: int, own_data: bool, enrolled: bool) -> RecordDict:
    """A node's answer to the first query."""
    record = ConfigRecord({"client": client, "own_data": own_data, "enrolled": enrolled})
    return RecordDict({"hello": record})


def read_hello(content: RecordDict) -> Introduction:
    """Read a node's answer. Raises ClientError where it is not a Paceline client's."""
    record = content.config_records.get("hello")
    if record is None:
        raise ClientError("a node does not run the Paceline ClientApp")
    return Introduction(
        int(str(record["client"])), bool(record["own_data"]), bool(record["enrolled"])
    )
