"""Scenario files: reading one, checking one run, writing one with every key said."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from federation.errors import ScenarioError
from federation.scenario import dotted
from federation.scenario.messages import one_line
from federation.scenario.schema import Scenario
from federation.scenario.values import show

INT64_MAX = 2**63 - 1


def read(path: Path) -> dict[str, object]:
    """The TOML table of a file, sweep included, not yet checked against the schema.

    Raises ScenarioError for a file that is missing, cannot be read, is not UTF-8 or not TOML.
    """
    try:
        # utf-8-sig: editors on Windows put a byte order mark first, which TOML does not know.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ScenarioError(f"{path}: is a folder; give a scenario file (.toml)") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(
            f"{path}: not UTF-8 at byte {error.start}; a scenario is a TOML text file in UTF-8"
        ) from None
    except RecursionError:
        raise ScenarioError(f"{path}: lists or tables are nested too deep") from None
    except ValueError as error:  # bad TOML, and numbers with thousands of digits
        raise ScenarioError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from None


def resolve(table: Mapping[str, object], where: str) -> Scenario:
    """Check one run and say what it leaves open: clients_per_round, and epochs = 1.

    `where` (a file, a run) opens the message of the ScenarioError. A `[sweep]` has to be expanded
    first (`sweep.expand`).
    """
    if "sweep" in table:
        raise ScenarioError(f"{where}: sweep: makes several runs; expand it and check each run")
    for place, remedy in _unusable((), table):
        raise ScenarioError(f"{where}: {place}: {remedy}")
    try:
        scenario = Scenario.model_validate(dict(table))
    except ValidationError as error:
        raise ScenarioError(one_line(error, where)) from None
    return _complete(scenario)


def to_toml(scenario: Scenario) -> str:
    """The scenario as a TOML file: tables in the schema's order, defaults written out."""
    said = scenario.model_dump(exclude_none=True)
    top = {key: value for key, value in said.items() if not isinstance(value, dict | list)}
    parts = [tomli_w.dumps(top)]
    for key, value in said.items():
        if isinstance(value, dict):
            parts.append(tomli_w.dumps({key: value}))
        elif isinstance(value, list):
            parts.extend(_entry(key, entry) for entry in value)
    return "\n".join(parts)


def _entry(key: str, entry: Mapping[str, object]) -> str:
    """One of a list of tables, with the tables that it holds."""
    plain = {name: value for name, value in entry.items() if not isinstance(value, dict)}
    inner = {name: value for name, value in entry.items() if isinstance(value, dict)}
    tables = "".join("\n" + tomli_w.dumps({key: {name: value}}) for name, value in inner.items())
    return f"[[{key}]]\n{tomli_w.dumps(plain)}{tables}"


def _complete(scenario: Scenario) -> Scenario:
    strategy, local = scenario.strategy, scenario.local
    if strategy.clients_per_round is None:
        strategy = strategy.model_copy(update={"clients_per_round": scenario.data.clients})
    if local.epochs is None and local.steps is None:
        local = local.model_copy(update={"epochs": 1})
    return scenario.model_copy(update={"strategy": strategy, "local": local})


def _unusable(path: tuple[str | int, ...], value: object) -> Iterator[tuple[str, str]]:
    """Values that TOML can hold (or Python can) and no key of a scenario takes."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _unusable((*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unusable((*path, index), item)
    else:
        remedy = _why_unusable(value)
        if remedy:
            yield f"{dotted.join(path)} = {show(value)}", remedy


def _why_unusable(value: object) -> str | None:
    if isinstance(value, date | time):  # a datetime is a date
        return "must not be a date or a time; put quotes around it where text is meant"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and not -INT64_MAX - 1 <= value <= INT64_MAX:
        return f"must fit in 64 bits (at most {INT64_MAX})"
    return None
