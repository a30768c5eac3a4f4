"""Numbers as people read them: three digits and a unit; None is a dash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NOTHING: Final = "-"
_SCALES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL: Final = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"))


def scaled(value: float, unit: str, scales: Sequence[tuple[float, str]]) -> str:
    """`value` with the prefix that leaves one to three digits before the point.

    >>> scaled(1234567.0, "B", ((1e6, "M"), (1e3, "k")))
    '1.23 MB'
    """
    for scale, prefix in scales:
        # 999.6 kB would be written as "1000 kB": what rounds up to the next prefix takes it.
        if abs(value) >= 0.9995 * scale:
            return f"{_digits(value / scale)} {prefix}{unit}"
    scale, prefix = scales[-1]
    return f"{_digits(value / scale)} {prefix}{unit}"


def _digits(value: float) -> str:
    size = abs(value)
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{value:.{decimals}f}"


def bytes_text(value: float) -> str:
    """Bytes with decimal prefixes: 999 B, 12.3 kB, 4.56 GB."""
    return f"{value:.0f} B" if abs(value) < 999.5 else scaled(value, "B", _SCALES)


def joules_text(value: float) -> str:
    """Energy: 12.3 mJ, 4.56 J, 789 kJ."""
    return "0 J" if value == 0 else scaled(value, "J", (*_SCALES[:-1], *_SMALL))


def grams_text(value: float) -> str:
    """Mass of CO2e: 12.3 mg, 4.56 g, 7.89 kg, 1.23 t."""
    tonnes = ((1e6, "t"), (1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"))
    return "0 g" if value == 0 else scaled(value, "", tonnes)


def seconds_text(value: float) -> str:
    """A duration: 12.3 s, 4 min 05 s, 1 h 02 min, 3 d 04 h.

    >>> seconds_text(3720)
    '1 h 02 min'
    """
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(round(value / 60), 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(value / 3600), 24)
    return f"{days} d {hours:02d} h"


def percent_text(value: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{value:.2%}"
