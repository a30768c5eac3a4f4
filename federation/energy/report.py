"""A meter's reading as numbers of a reply, and the server's doubts about them.

A reply's metrics hold no text, so source, scope and remarks travel as numbers:

    meter_s        length of the window, s
    meter_flags    the sum of 2**n over the remarks that apply, in the order of `REMARKS`
    meter_j        energy, J          these three are there together, or the flags
    meter_source   place in `SOURCES` say "not measured"
    meter_scope    place in `SCOPES`

The orders are the format: new names go last. A client that measures nothing sends none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from federation.energy.meter import TOO_SHORT, Meter, Reading, Scope, Source
from federation.errors import RejectedUpdate

T = TypeVar("T")

SECONDS: Final = "meter_s"
FLAGS: Final = "meter_flags"
JOULES: Final = "meter_j"
SOURCE: Final = "meter_source"
SCOPE: Final = "meter_scope"
FIGURES: Final = (JOULES, SOURCE, SCOPE)
NAMES: Final = (SECONDS, FLAGS, *FIGURES)

SOURCES: Final[tuple[Source, ...]] = ("measured", "apportioned", "modelled", "estimated")
SCOPES: Final[tuple[Scope, ...]] = ("gpu", "package", "rail", "board", "wall")

NOT_MEASURED: Final = "not measured"
_OTHER: Final = "see the client's log"
REMARKS: Final = (
    TOO_SHORT,
    "counter and samples differ",
    "power samples, no counter",
    NOT_MEASURED,
    _OTHER,
)
"""A meter's remark counts as the one that it begins with, else as the last."""

MOST_S: Final = 1e7
"""No window is longer: four months."""

MOST_W: Final = 1e6
"""No client draws more on average, over its window or two seconds of it.

A megawatt is a small data centre. Counters move in steps, so a short window may show far more than
the power that was drawn; the bound counts from `Meter.shortest_s` on.
"""


def to_metrics(reading: Reading) -> dict[str, float]:
    """What a client adds to its reply's metrics; nothing where nobody tried to measure.

    What the server would refuse is told as not measured: a meter must not cost the client its
    update.
    """
    if reading.joules is None and not reading.flag:
        return {}
    if not 0 <= reading.seconds <= MOST_S:
        return {}
    metrics: dict[str, float] = {SECONDS: reading.seconds, FLAGS: _flags(reading.flag)}
    if reading.joules is None or reading.source is None or reading.scope is None:
        return metrics | {FLAGS: _with(metrics[FLAGS], NOT_MEASURED)}
    if not 0 <= reading.joules <= most_j(reading.seconds):
        return metrics | {FLAGS: _with(_with(metrics[FLAGS], NOT_MEASURED), _OTHER)}
    source, scope = SOURCES.index(reading.source), SCOPES.index(reading.scope)
    return metrics | {JOULES: float(reading.joules), SOURCE: source, SCOPE: scope}


def from_metrics(metrics: Mapping[str, float]) -> tuple[Reading | None, dict[str, float]]:
    """The reading in a reply's metrics, if there is one, and the other metrics.

    Raises RejectedUpdate for numbers that no honest client sends.
    """
    told = {name: metrics[name] for name in NAMES if name in metrics}
    rest = {name: value for name, value in metrics.items() if name not in told}
    return (_read(told) if told else None), rest


def most_j(seconds: float) -> float:
    """The most joules that a window of that length may hold."""
    return MOST_W * max(seconds, Meter.shortest_s)


def _read(told: Mapping[str, float]) -> Reading:
    wanted = NAMES if any(name in told for name in FIGURES) else (SECONDS, FLAGS)
    for name in wanted:
        if name not in told:
            raise RejectedUpdate(f"the reply holds a meter's reading without {name!r}")
    seconds = _between(told, SECONDS, MOST_S)
    remarks = _remarks(_whole(told, FLAGS, 1 << len(REMARKS)))
    if (NOT_MEASURED in remarks) == (JOULES in told):
        raise RejectedUpdate(f"metric {FLAGS!r} and {JOULES!r} contradict each other")
    if seconds < Meter.shortest_s and JOULES in told and TOO_SHORT not in remarks:
        remarks.insert(0, TOO_SHORT)
    flag = "; ".join(remarks)
    if JOULES not in told:
        return Reading(None, seconds, None, None, flag)
    joules = _between(told, JOULES, most_j(seconds))
    return Reading(joules, seconds, _code(told, SOURCE, SOURCES), _code(told, SCOPE, SCOPES), flag)


def _between(told: Mapping[str, float], name: str, most: float) -> float:
    value = told[name]
    if not 0 <= value <= most:
        raise RejectedUpdate(f"metric {name!r} is {value:g}, not between 0 and {most:g}")
    return value


def _whole(told: Mapping[str, float], name: str, count: int) -> int:
    value = _between(told, name, count - 1)
    if value != int(value):
        raise RejectedUpdate(f"metric {name!r} is {value:g}, not a whole number")
    return int(value)


def _code(told: Mapping[str, float], name: str, names: Sequence[T]) -> T:
    return names[_whole(told, name, len(names))]


def _flags(flag: str) -> int:
    """The remarks of a reading's flag as one number."""
    flags = 0
    for remark in filter(None, flag.split("; ")):
        known = next((name for name in REMARKS if remark.startswith(name)), _OTHER)
        flags = _with(flags, known)
    return flags


def _with(flags: float, remark: str) -> int:
    return int(flags) | 1 << REMARKS.index(remark)


def _remarks(flags: int) -> list[str]:
    return [remark for place, remark in enumerate(REMARKS) if flags >> place & 1]
