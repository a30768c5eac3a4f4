"""What a node's requests take in energy: its meter, and the reading in each reply.

A node is told its meter in its node configuration, and the meter's arguments with it:

    meter="nvml" meter-gpu=0              the meter's name; its argument `gpu`
    meter="replay" meter-path="/a.csv"    argument names have dashes for underscores
    meter-shared-by=2                     so many clients of this kind use what the meter reads

A meter neither stops nor changes training. One that was named wrongly does: whoever asked for
figures should not wait for them in vain.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from flwr.app import RecordDict

from clients.calls import Call, Handler
from federation.energy.apportion import share_of_one
from federation.energy.catalogue import build_meter
from federation.energy.meter import TOO_SHORT, Finish, Meter, Reading, not_measured
from federation.energy.report import to_metrics
from federation.errors import ClientError, PacelineError

METER: Final = "meter"
SHARED_BY: Final = "meter-shared-by"
_PREFIX: Final = "meter-"
_MOST_CLIENTS: Final = 10_000
_log = logging.getLogger("paceline")

Value = str | int | float | bool
Pairs = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Absent(Meter):
    """Stands for a meter that could not be made, through no fault of the user's."""

    why: str = ""

    def start(self) -> Finish:
        """Nothing to begin."""
        return partial(not_measured, why=self.why)


@dataclass(frozen=True)
class Metering:
    """The meter of a node; without one replies are as they are. `clients` share what it reads."""

    meter: Meter | None = None
    clients: int = 1

    def handle(self, handler: Handler, call: Call) -> RecordDict:
        """Let the handler answer the call in a window of the meter, whose reading joins the reply.

        The window holds decoding, training or testing, and encoding.
        """
        if self.meter is None:
            return handler.handle([call])[0]
        with self.meter.window(call.message_type) as window:
            content = handler.handle([call])[0]
        if "metrics" in content:  # else the client failed
            content.metric_records["metrics"].update(self._metrics(window.reading))
        return content

    def _metrics(self, reading: Reading) -> dict[str, float]:
        _tell(reading)
        try:
            return to_metrics(share_of_one(reading, self.clients))
        except Exception as error:  # noqa: BLE001 - a user's own meter may find anything
            lost = not_measured(reading.seconds, f"{type(error).__name__}: {error}")
            _tell(lost)
            return to_metrics(lost)


def metering(node_config: Mapping[str, Value]) -> Metering:
    """The meter that a node's configuration names, made once a process.

    Raises ClientError, in one line, for a name or an argument that is wrong.
    """
    told = {key: value for key, value in node_config.items() if key.startswith(METER)}
    return _made(tuple(sorted(told.items())))


@lru_cache(maxsize=8)
def _made(pairs: Pairs) -> Metering:
    told = dict(pairs)
    name, clients = told.pop(METER, None), told.pop(SHARED_BY, 1)
    if name is None and pairs:
        raise _wrong(f'{pairs[0][0]} is given, but no meter: say meter="nvml" or the like')
    if name is None:
        return Metering()
    if not isinstance(name, str):
        raise _wrong(f'meter = {name!r} must be a name, such as meter="nvml"')
    if type(clients) is not int or not 1 <= clients <= _MOST_CLIENTS:
        raise _wrong(f"{SHARED_BY} = {clients!r} must be a whole number from 1 to {_MOST_CLIENTS}")
    return Metering(_meter(name, {_argument(key): value for key, value in told.items()}), clients)


def _meter(name: str, arguments: Mapping[str, Value]) -> Meter:
    try:
        return build_meter(name, arguments)
    except PacelineError as error:
        raise _wrong(str(error)) from None
    except Exception as error:  # noqa: BLE001 - no meter stops the work that it measures
        return Absent(f"meter {name!r}: {type(error).__name__}: {error}")


def _argument(key: str) -> str:
    """The meter's argument that a key of the node configuration stands for."""
    if not key.startswith(_PREFIX):
        raise _wrong(f"unknown key {key!r}: a meter's arguments are written {_PREFIX}NAME")
    return key.removeprefix(_PREFIX).replace("-", "_")


def _wrong(what: str) -> ClientError:
    return ClientError(f"node configuration: {' '.join(what.split())}")


def _tell(reading: Reading) -> None:
    """The whole of a remark stays in the node's own log: a reply has no room for it."""
    if reading.flag not in ("", TOO_SHORT):
        _log.warning("energy: %s", reading.flag)
