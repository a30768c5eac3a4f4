"""What a scenario may name, for `paceline list`."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import typer

from federation.errors import ScenarioError, unknown_choice
from federation.registry import Registry

_WIDEST = 100


@dataclass(frozen=True)
class Entry:
    """A name and a few words about it; without a name a heading, or a note on the whole list."""

    name: str
    about: str
    is_note: bool = False


def kinds() -> dict[str, Callable[[], Iterable[Entry]]]:
    """Kind -> its entries."""
    return {
        "scenarios": _scenarios,
        "sources": _sources,
        "partitions": _partitions,
        "models": _models,
        "schedules": _schedules,
        "algorithms": _algorithms,
        "selections": _selections,
        "codecs": _codecs,
        "devices": _devices,
        "networks": _networks,
        "availabilities": _availabilities,
        "meters": _meters,
    }


def print_catalogue(kind: str | None) -> None:
    """Print one kind, or all. Raises ScenarioError for an unknown kind."""
    known = kinds()
    if kind is not None and kind not in known:
        raise ScenarioError(unknown_choice("kind", kind, known))
    columns = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    for name in known if kind is None else [kind]:
        if kind is None:
            typer.echo(f"{name}:")
        for line in lines(list(known[name]()), columns):
            typer.echo(line)


def lines(entries: Iterable[Entry], columns: int) -> Iterator[str]:
    """The names in one column and what they are, wrapped, in a second one."""
    entries = list(entries)
    width = max((len(entry.name) for entry in entries), default=0) + 4
    for entry in entries:
        indent = 2 if entry.is_note else width
        first = " " * indent if entry.is_note else f"  {entry.name:<{width - 2}}"
        text = textwrap.wrap(
            entry.about,
            max(columns - indent, 20),
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield f"{first}{text[0] if text else ''}".rstrip()
        yield from (" " * indent + more for more in text[1:])


def _scenarios() -> Iterable[Entry]:
    from simulations.prepare import bundled_scenarios

    for name, path in bundled_scenarios().items():
        comment = path.read_text(encoding="utf-8").partition("\n")[0]
        yield Entry(name, comment.lstrip("# ") if comment.startswith("#") else "")


def _sources() -> Iterable[Entry]:
    from federation.data.build import PUBLISHED

    yield Entry("digits", "1,797 images of 8 x 8 pixels, ten classes; comes with Paceline.")
    for name, published in PUBLISHED.items():
        place = f"hub:{published.hub_name}, or {name}/train.parquet and test.parquet"
        yield Entry(name, f"{place} in data.dir or in the folder PACELINE_DATA.")
    yield Entry("FILE.parquet", "One table, split 80/20: images, numbers or lists of token ids.")
    yield Entry("FOLDER", "A folder with train.parquet and test.parquet.")
    yield Entry("hub:ORG/NAME", "A data set of the Hugging Face hub.")


def _schedules() -> Iterable[Entry]:
    from strategies.catalogue import schedules

    return _registered(schedules())


def _algorithms() -> Iterable[Entry]:
    from strategies.catalogue import algorithms

    return _registered(algorithms())


def _selections() -> Iterable[Entry]:
    from strategies.selections.registry import selections

    return _registered(selections())


def _availabilities() -> Iterable[Entry]:
    from simulations.availability.catalogue import availabilities

    return _registered(availabilities())


def _codecs() -> Iterable[Entry]:
    from federation.codecs._text import stages

    return [
        Entry("none", "Values as they are; nothing is lost."),
        *_registered(stages(), _module_about),
    ]


def _meters() -> Iterable[Entry]:
    """Told to a node, not to a scenario; here because its arguments are looked for here."""
    from federation.energy.catalogue import meters

    return _registered(meters(), lambda owner: _module_about(owner).partition(": ")[2])


def _module_about(owner: type[object]) -> str:
    """What a codec's or meter's file says first: its class says what its arguments are."""
    return (sys.modules[owner.__module__].__doc__ or "").strip().partition("\n")[0]


def _registered(
    registry: Registry[Any], about: Callable[[type[object]], str] | None = None
) -> Iterator[Entry]:
    for name in registry.names():
        owner = registry.get(name)
        fields = dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else ()
        fields = tuple(field for field in fields if not field.kw_only)
        text = (about or _about)(owner)
        yield Entry(name, text + _listed("Arguments", map(_argument, fields)))


def _argument(field: dataclasses.Field[Any]) -> str:
    if "rest" in field.metadata:
        return str(field.metadata["rest"])
    known = field.default is not dataclasses.MISSING
    return f"{field.name}={field.default!r}" if known else field.name


def _models() -> Iterator[Entry]:
    """Read from the text of the zoo, because importing it means importing torch."""
    spec = importlib.util.find_spec("federation.models.zoo")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    factories = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tables = [
        next(node for node in ast.walk(factories[name]) if isinstance(node, ast.Dict))
        for name in ("zoo", "language_models")
    ]
    pairs = [pair for one in tables for pair in zip(one.keys, one.values, strict=True)]
    for key, value in pairs:
        assert isinstance(key, ast.Constant)
        assert isinstance(value, ast.Name)
        factory = factories[value.id]
        about = (ast.get_docstring(factory) or "").partition("\n")[0]
        yield Entry(str(key.value), about + _listed("Arguments", _defaults(factory.args)))


def _defaults(arguments: ast.arguments) -> Iterator[str]:
    named = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    for argument, default in zip(named, arguments.defaults, strict=True):
        yield f"{argument.arg}={ast.unparse(default)}"


def _partitions() -> Iterator[Entry]:
    from federation.scenario.partitions import Partition

    for section in get_args(get_args(Partition)[0]):
        kind = get_args(section.model_fields["kind"].annotation)[0]
        keys = [name for name in section.model_fields if name != "kind"]
        yield Entry(kind, _about(section) + _listed("Keys", keys))


def _devices() -> Iterator[Entry]:
    from simulations import devices
    from simulations.profiles import listing

    known = {name: devices.device_profile(name) for name in devices.profile_names("devices")}
    cells = {name: listing.device_cells(profile) for name, profile in known.items()}
    return _table(listing.DEVICE_HEADING, cells, listing.device_notes(known))


def _networks() -> Iterator[Entry]:
    from simulations import devices
    from simulations.profiles import listing

    known = {name: devices.network_profile(name) for name in devices.profile_names("networks")}
    cells = {name: listing.network_cells(profile) for name, profile in known.items()}
    return _table(listing.NETWORK_HEADING, cells, listing.network_notes(known))


def _table(
    heading: Sequence[str], cells: Mapping[str, Sequence[str]], notes: Iterable[str]
) -> Iterator[Entry]:
    """A heading, a row a name in aligned columns, and notes."""
    from simulations.profiles.listing import aligned

    rows = aligned([heading, *cells.values()])
    yield from (Entry(name, row) for name, row in zip(["", *cells], rows, strict=True))
    yield from (Entry("", note, is_note=True) for note in notes)


def _about(documented: object) -> str:
    """The first paragraph's first line."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _listed(what: str, names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f" {what}: {text}." if text else ""
