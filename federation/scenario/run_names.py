"""Names of the runs of a sweep: short, readable, unique, safe as folder names everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LENGTH = 60


def slug(text: str) -> str:
    """Letters, digits and `._=+-`; everything else becomes one `-`.

    >>> slug("topk(0.01) | int8 | range")
    'topk-0.01-int8-range'
    """
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._=+-]", "-", text)).strip("-.")


def of_value(key: str, value: object) -> str:
    """The part of a name that stands for `key = value`: texts speak for themselves.

    >>> of_value("seed", 2), of_value("nesterov", True), of_value("schedule", "serial")
    ('seed-2', 'nesterov-true', 'serial')
    """
    if isinstance(value, str):
        return slug(value) or slug(key) or "empty"
    if isinstance(value, dict):
        return slug("-".join(of_value(str(name), item) for name, item in value.items())) or key
    if isinstance(value, list):
        if all(isinstance(item, int | float) for item in value):
            return slug("-".join([key, *(str(item).lower() for item in value)]))
        return slug("-".join(of_value(key, item) for item in value))
    if isinstance(value, int | float) and value < 0:
        return f"{slug(key)}={value}"  # a slug would swallow the sign
    return slug(f"{key}-{str(value)[:MAX_LENGTH].lower()}")


def unique(labels: Iterable[str]) -> list[str]:
    """The labels cut to MAX_LENGTH; one that was there before gets -2, -3, ...

    Upper and lower case count as the same, as they do in some file systems.
    """
    taken: set[str] = set()
    names = []
    for label in labels:
        name, number = _cut(label, ""), 1
        while name.casefold() in taken:
            number += 1
            name = _cut(label, f"-{number}")
        taken.add(name.casefold())
        names.append(name)
    return names


def _cut(label: str, ending: str) -> str:
    return label[: MAX_LENGTH - len(ending)].rstrip("-.+") + ending
