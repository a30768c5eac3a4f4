"""Requests and replies, and how they stand in Flower messages.

A request's content is one `ConfigRecord` named "request" and one `ArrayRecord` named "parts"; a
reply's is a `MetricRecord` "metrics" and an `ArrayRecord` "parts", or a `ConfigRecord` "reply".
Each part (the model, a control variate) is one array of encoded bytes, so a message is six or seven
Flower objects, not hundreds. Clients stand in envelopes alone: a broadcast is one shared content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from federation.arrays import Parts, raw_bytes
from federation.energy.levels import Level
from federation.energy.meter import Reading
from federation.errors import RejectedUpdate

Kind = Literal["train", "evaluate"]
Fault = Literal["late", "dropped", "failed", "rejected"]
Payloads = Mapping[str, bytes]

STYPE = "paceline"
HELD = "held "  # before the name of a part of `Body.held`
_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Task:
    """What a request asks of a client half that can do more than one thing.

    `step` counts the requests to one client within a round: from the second on (`step > 0`) the
    client goes on from what it kept in this round, not from what it had before it. `rows` are
    those that the parts are about, where shapes depend on them. All three travel, and the shapes
    that both sides accept (`Algorithm.specs`) depend on them alone.
    """

    name: str = "train"
    step: int = 0
    rows: int = 0


TRAIN = Task()


@dataclass(frozen=True)
class Body:
    """What a request says; the same object may go to many clients.

    `by_peers`: it came from peers and the reply goes to them, in a simulation without the server.
    `held` is what a lossy reply is a difference from, where that is not `parts`.
    """

    round: int
    kind: Kind
    parts: Parts
    task: Task = TRAIN
    by_peers: bool = False
    held: Parts | None = None

    @cached_property
    def raw_bytes(self) -> int:
        """Bytes of the values before encoding."""
        return sum(raw_bytes(arrays) for arrays in self.sent.values())

    @property
    def sent(self) -> Parts:
        """All parts under the names by which they travel."""
        return {**self.parts, **{HELD + part: value for part, value in (self.held or {}).items()}}

    @property
    def label(self) -> str:
        """Which of a client's exchanges it is; chance befalls each by itself."""
        task = self.task
        return str(self.round) if task == TRAIN else f"{self.round} {task.name} {task.step}"


@dataclass(frozen=True)
class Request:
    """A body addressed to one client."""

    client: int
    body: Body


@dataclass(frozen=True, slots=True)
class Cut:
    """What had gone over the links when an exchange was broken off."""

    request_bytes: int
    reply_bytes: int


@dataclass(frozen=True)
class Timing:
    """When a reply's legs took place, in seconds from the start of the run.

    On real devices the legs of the transfer are not seen: they are None. `arrived_s` is the end of
    the exchange, also of one that was `cut`. `level` is the level of power that the client trained
    at, where that is known.
    """

    sent_s: float
    arrived_s: float
    download_s: float | None = None
    compute_s: float | None = None
    upload_s: float | None = None
    level: Level | None = None
    cut: Cut | None = None


@dataclass(frozen=True)
class Reply:
    """What a client answered; `parts` is None where it failed or was summed near the worker.

    `fault` says what went wrong where there is an `error`. `reading` is what the client's meter
    found, where it has one; it is not among the `metrics`, which are summed.
    """

    client: int
    round: int
    kind: Kind
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: Parts | None = None
    error: str | None = None
    fault: Fault = "failed"
    raw_bytes: int = 0
    sent_bytes: int = 0
    request_raw_bytes: int = 0
    request_sent_bytes: int = 0
    timing: Timing = Timing(0.0, 0.0)
    reading: Reading | None = None
    task: Task = TRAIN

    @property
    def ok(self) -> bool:
        """Whether the client did what it was asked and the reply may count."""
        return self.error is None

    @property
    def asked(self) -> str:
        """What the tables call it: "train", "evaluate", or the name of an algorithm's task."""
        return self.kind if self.task == TRAIN else self.task.name

    @property
    def weight(self) -> float:
        """The reply's weight in the merge."""
        return self.metrics.get("weight", 0.0)


def parts_record(payloads: Payloads) -> ArrayRecord:
    """One array of bytes per part."""
    return ArrayRecord(
        {
            name: Array(dtype="uint8", shape=(len(data),), stype=STYPE, data=data)
            for name, data in payloads.items()
        }
    )


def payloads_of(content: RecordDict) -> dict[str, bytes]:
    """The encoded parts of a message. Raises RejectedUpdate where they are not ours."""
    record = content.get("parts")
    if not isinstance(record, ArrayRecord):
        raise RejectedUpdate("the message holds no parts")
    for name, array in record.items():
        if array.stype != STYPE:
            raise RejectedUpdate(f"part {name!r} is of type {array.stype!r}, not {STYPE!r}")
    return {name: array.data for name, array in record.items()}


def request_content(
    config_digest: str, body: Body, payloads: Payloads, more: Mapping[str, int] | None = None
) -> RecordDict:
    """The content of a request, shared by all clients it goes to.

    `more` holds, of a lossy downlink, `version`, which the payloads make, from `base`, and the name
    of the `start` where that is the base; and `undo`, the first round since the last counted one
    whose reply from this client did not count.
    """
    record = ConfigRecord({"config": config_digest, "round": body.round, "kind": body.kind})
    if body.task != TRAIN:
        record.update({"task": body.task.name, "step": body.task.step, "rows": body.task.rows})
    if body.by_peers:
        record["by_peers"] = 1
    record.update(more or {})
    return RecordDict({"request": record, "parts": parts_record(payloads)})


def task_of(record: ConfigRecord) -> Task:
    """What the record "request" asks for."""
    if "task" not in record:
        return TRAIN
    return Task(str(record["task"]), int(str(record["step"])), int(str(record["rows"])))


def reply_content(metrics: Mapping[str, float], payloads: Payloads) -> RecordDict:
    """The content of a reply of a client that did what it was asked."""
    return RecordDict(
        {
            "metrics": MetricRecord(dict(metrics)),
            "parts": parts_record(payloads),
        }
    )


def error_content(error: str) -> RecordDict:
    """The content of a reply of a client that could not do it."""
    return RecordDict({"reply": ConfigRecord({"error": error or "unknown error"})})


def one_line(text: str) -> str:
    r"""A stranger's text as a row's reason: its last line, at most 300 characters, never empty.

    >>> one_line("Traceback ...\nValueError: no rows\n")
    'ValueError: no rows'
    """
    last = text.rstrip().rpartition("\n")[2].strip()
    return last[:_REASON_CHARACTERS].splitlines()[0] if last else "unknown error"


def error_of(content: RecordDict) -> str | None:
    """The error that a reply tells; None for a reply that holds results instead.

    Raises RejectedUpdate for a reply with records that are not ours.
    """
    strange = sorted(content.keys() - {"reply", "metrics", "parts"})
    if strange:
        raise RejectedUpdate(f"the reply holds a record {strange[0]!r}, which is not ours")
    if "reply" not in content:
        return None
    record = content["reply"]
    if not isinstance(record, ConfigRecord) or "error" not in record:
        raise RejectedUpdate("the message is not a reply of a Paceline client")
    text = str(record["error"])
    return one_line(text) if text else None


def metrics_of(content: RecordDict) -> dict[str, float]:
    """The reply's numbers as floats. Raises RejectedUpdate for lists and the like."""
    record = content.get("metrics")
    if not isinstance(record, MetricRecord):
        raise RejectedUpdate("the reply holds no metrics")
    metrics: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, list):
            raise RejectedUpdate(f"metric {name!r} is a list")
        try:
            metrics[name] = float(value)
        except OverflowError:
            raise RejectedUpdate(f"metric {name!r} is too large") from None
    return metrics
