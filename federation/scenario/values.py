"""How a value of a scenario is written in a one-line message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time

WIDTH = 60


def show(value: object) -> str:
    """A value on one line, at most about 60 characters, as TOML writes it where that is short."""
    text = _text(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        # Python refuses to write very long integers in decimal.
        return str(value) if value.bit_length() < 1000 else hex(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_text(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(item) for item in value)}]"
    return repr(value[: 2 * WIDTH] if isinstance(value, str) else value)


def _key(key: object) -> str:
    return str(key) if str(key).isidentifier() else repr(key)
