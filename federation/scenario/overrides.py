"""Overrides: `--set dotted.key=VALUE` on the table of a scenario."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from federation.errors import ScenarioError
from federation.scenario import dotted, sweep
from federation.scenario.dotted import Path
from federation.scenario.values import show

EXAMPLE = "write key=VALUE, such as rounds=10 or data.partition.alpha=0.5"


def apply(table: Mapping[str, object], settings: Sequence[str]) -> dict[str, object]:
    """A copy of the table with each `dotted.key=VALUE` set, in order.

    * VALUE is TOML; what is not TOML (`serial`, `topk(0.01) | int8`) is text.
    * Setting a key that the scenario sweeps takes it out of the sweep, and out of every case.
      Setting a table takes out the sweeps below it. Setting a key below a table that is swept
      whole is an error: the sweep would undo it.
    * `sweep."key"=[...]` sweeps a key. A number in the key is an index: `fleet.0.device=...`.
    * Setting the `kind` of a table drops the keys, and their sweeps, which that kind does not
      have; setting `local.steps` drops `local.epochs` and the other way round. What another
      `--set` asks for is never dropped: where the two do not fit, the schema says so.

    Raises ScenarioError, naming the setting.
    """
    result: dict[str, Any] = deepcopy(dict(table))
    parsed = [_parse(text) for text in settings]
    ours = {path for path, _ in parsed}
    for text, (path, value) in zip(settings, parsed, strict=True):
        try:
            if path[0] == "sweep":
                _set_sweep(result, path, value)
            else:
                _release(result, path, value, ours)
                dotted.drop_displaced(result, path, value, ours)
                dotted.put(result, path, value)
        except ScenarioError as error:
            raise ScenarioError(f"--set {show(text)}: {error}") from None
    return result


def _parse(text: str) -> tuple[Path, object]:
    """Split at the first `=` that ends a key; a quoted part of the key may hold another."""
    at = text.find("=")
    if at < 0:
        raise ScenarioError(f"--set {show(text)}: has no '='; {EXAMPLE}")
    while at >= 0:
        path = dotted.parse(text[:at].strip())
        if path is not None:
            return path, _value(text, text[at + 1 :].strip())
        at = text.find("=", at + 1)
    key = text.partition("=")[0]
    raise ScenarioError(f"--set {show(text)}: {show(key)} is not a dotted key; {EXAMPLE}")


def _value(setting: str, text: str) -> object:
    if not text:
        raise ScenarioError(f"--set {show(setting)}: no value after '='; empty text is '\"\"'")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError) as error:
        if text[0] in "[{\"'":
            reason = " ".join(str(error).split())
            raise ScenarioError(
                f"--set {show(setting)}: the value is not valid TOML: {reason}; "
                "texts inside lists and tables need quotes"
            ) from None
        return text
    # A line break in the value could have started another key.
    return parsed["value"] if len(parsed) == 1 else text


def _set_sweep(table: dict[str, Any], path: Path, value: object) -> None:
    swept = table.setdefault("sweep", {})
    if len(path) == 1 or path[1] == sweep.CASE or not isinstance(swept, dict):
        dotted.put(table, path, value)
        return
    key = tuple(name for part in path[1:] for name in dotted.parse(part) or (part,))
    _release(table, key, None, set())
    table.setdefault("sweep", {})[dotted.join(key)] = value


def _release(table: dict[str, Any], path: Path, value: object, ours: set[Path]) -> None:
    """Take a key out of the sweep; an empty sweep goes altogether."""
    swept = table.get("sweep")
    if not isinstance(swept, dict):
        return
    kept: dict[str, Any] = {
        dotted.join(key): values
        for key, values in sweep.flat(swept)
        if not _gone(key, path, value, ours)
    }
    if sweep.CASE in swept:
        cases = _released_cases(swept[sweep.CASE], path, value, ours)
        if cases:
            kept[sweep.CASE] = cases
    table["sweep"] = kept
    if not kept:
        del table["sweep"]


def _released_cases(cases: Any, path: Path, value: object, ours: set[Path]) -> Any:
    """The cases without the key: each different one once, none where no case sets anything."""
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        return cases  # `sweep.expand` says what is wrong with it
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for case in cases:
        settings = {
            dotted.join(key): item
            for key, item in sweep.flat_case(case)
            if not _gone(key, path, value, ours)
        }
        if all(settings != other for other, _ in kept):
            label = {sweep.LABEL: case[sweep.LABEL]} if sweep.LABEL in case else {}
            kept.append((settings, {**label, **settings}))
    return [case for _, case in kept] if any(settings for settings, _ in kept) else []


def _gone(key: Path, path: Path, value: object, ours: set[Path]) -> bool:
    """True where the swept `key` ends by setting `path`; an error where it would undo that."""
    if dotted.covers(path, key):
        return True
    if dotted.covers(key, path):
        raise ScenarioError(
            f"the scenario sweeps the whole of {dotted.join(key)}; "
            f"set {dotted.join(key)} itself, or take it out of [sweep]"
        )
    return key not in ours and dotted.displaced(path, value, key)
