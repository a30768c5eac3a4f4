"""Reading profiles: those that ship, by name, and a user's own, by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from federation.errors import ScenarioError, unknown_choice
from federation.scenario import files
from federation.scenario.partitions import Section
from simulations.profiles.figure import INHERITED, STATUSES, Figure

P = TypeVar("P", bound=Section)

PROFILES: Final = Path(__file__).parent
ENDING: Final = ".toml"
PHRASES: Final = {
    "missing": "missing",
    "float_type": "must be a number",
    "string_type": "must be text, in quotes",
    "string_too_short": "must not be empty",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:g}",
    "model_type": "must be a number, or a table with a value",
    "dict_type": "must be a table",
    "list_type": "must be a list; write [[{key}]] for each entry",
}


def names(kind: str, folder: Path = PROFILES) -> list[str]:
    """The profiles that ship, of a kind: "devices" or "networks"."""
    return sorted(path.stem for path in (folder / kind).glob(f"*{ENDING}"))


def read(kind: str, name: str, model: type[P], folder: Path = PROFILES) -> P:
    """The profile of that name, or in the file where the name ends in .toml.

    Raises ScenarioError, in one line, for an unknown name and for a profile that is not right.
    """
    if name.endswith(ENDING):
        return _read(_own(kind, name, folder), model)
    known = names(kind, folder)
    if name not in known:
        remedy = f"; or give the path of a profile of your own, ending in {ENDING}"
        raise ScenarioError(unknown_choice(f"fleet {kind[:-1]}", name, known) + remedy)
    return _read(folder / kind / f"{name}{ENDING}", model)


def short_name(name: str) -> str:
    """How tables call it: its name, or the stem of a user's own file."""
    return Path(name).stem if name.endswith(ENDING) else name


def _own(kind: str, name: str, folder: Path) -> Path:
    path = Path(name).expanduser()
    if path.stem in names(kind, folder):
        raise ScenarioError(
            f"fleet {kind[:-1]} {name!r}: {path.stem} is the name of a profile that ships; rename "
            "the file, or tables could not tell the two apart"
        )
    return path


def _read(path: Path, model: type[P]) -> P:
    try:
        return model.model_validate(files.read(path))
    except ScenarioError as error:
        raise ScenarioError(f"profile {error}") from None
    except ValidationError as error:
        raise ScenarioError(f"profile {path.name}: {_one_line(error, model)}") from None


def _one_line(error: ValidationError, model: type[Section]) -> str:
    """The first problem, an unknown key before all others, and how many more there are."""
    found = error.errors(include_url=False)
    found.sort(key=lambda details: details["type"] != "extra_forbidden")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return " ".join(_explain(found[0], model).split()) + more


def _explain(details: Mapping[str, Any], model: type[Section]) -> str:
    path = [str(part) for part in details["loc"]]
    key, kind, value = ".".join(path), details["type"], details["input"]
    if kind == "extra_forbidden":
        valid = _keys(model) if len(path) == 1 else Figure.model_fields
        place = f"{'.'.join(path[:-1])}: " if path[1:] else ""
        return place + unknown_choice("key", path[-1], valid)
    if kind == "missing":
        return _missing(path)
    if kind == "value_error":
        text = str(details["ctx"]["error"])
        return f"{key}: {text}" if key else text
    if kind == "literal_error":
        return _choice(path, value, details["ctx"]["expected"])
    phrase = PHRASES.get(kind, str(details["msg"]).replace("Input should", "must"))
    return f"{key} = {_show(value)}: {phrase.format(key=key, **details.get('ctx', {}))}"


def _keys(model: type[Section]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _missing(path: list[str]) -> str:
    if path[-1] not in INHERITED or len(path) == 1:
        return f"{'.'.join(path)}: missing"
    owner = ".".join(path[:-1])
    what = "one of V, D, R, M" if path[-1] == "status" else "where the figure stands written"
    return f"{owner}: missing {path[-1]} ({what}); give it there or at the profile's top"


def _choice(path: list[str], value: object, expected: str) -> str:
    if path[-1] == "status":
        said = "; ".join(f"{key}: {meaning}" for key, meaning in STATUSES.items())
        return f"{'.'.join(path)} = {value!r}: must be one of {said}"
    valid = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
    return unknown_choice(".".join(path), value, valid)


def _show(value: object) -> str:
    if isinstance(value, Mapping | list):
        return "{...}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
