"""What a node is told once, before it is asked to train.

In a simulation the workers are set up directly and nothing is sent. On Flower's own grids every
node says which client it is (`query`), then receives the run's configuration and, in experiments
where a common data set is shared out, the numbers of its rows (`query.enrol`). This set-up is
sent once per run and stands outside the tables, as the rows do in a real deployment. A device with
data of its own gets the public rows (`data.public`) themselves in this way, if there are any.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from numpy.typing import NDArray

from federation.data.public import PublicRows
from federation.errors import ClientError

NOT_ENROLLED = "this node was not told about the run"


@dataclass(frozen=True)
class Enrolment:
    """The run's id, the client configuration, and row numbers (None: the device's own data).

    `public` are the rows that everybody holds, for a device that cannot find them by itself.
    """

    run: str
    config_json: str
    rows: NDArray[Any] | None
    public: PublicRows | None = None

    def to_record(self) -> ConfigRecord:
        """As it travels and as the node keeps it."""
        record = ConfigRecord({"run": self.run, "config": self.config_json})
        if self.rows is not None:
            record["rows"] = np.asarray(self.rows, "<i8").tobytes()
        if self.public is not None:
            for name, values in (("x", self.public.x), ("y", self.public.y)):
                if values is not None:
                    record[f"public-{name}"] = _npy(values)
        return record

    @classmethod
    def from_record(cls, record: ConfigRecord) -> Enrolment:
        """Read back what `to_record` wrote."""
        rows = record.get("rows")
        numbers = np.frombuffer(rows, "<i8") if isinstance(rows, bytes) else None
        x, y = (_values(record.get(f"public-{name}")) for name in "xy")
        public = None if x is None else PublicRows(x, y)
        return cls(str(record["run"]), str(record["config"]), numbers, public)


def _npy(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def _values(data: object) -> NDArray[Any] | None:
    return np.load(io.BytesIO(data), allow_pickle=False) if isinstance(data, bytes) else None


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
