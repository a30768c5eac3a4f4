"""Copies, in the run folder, of the files that a scenario names by path.

    inputs/device/mine.toml  inputs/carbon/grid.csv  inputs/index.json

They are made when the run begins, and the run reads them. So its folder repeats it on another
machine, and an interrupted run goes on with what it began with. Of what is above 64 MB only the
digest is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from federation.errors import DataError, FolderError
from federation.results import durable
from federation.scenario.schema import Scenario
from simulations.named_files import Named, named, with_paths

INDEX: Final = "inputs/index.json"
MOST_BYTES: Final = 64_000_000

Index = Mapping[tuple[str, str], "Entry"]


@dataclass(frozen=True)
class Entry:
    """A line of the index: the path as written, the copy (None: too large), and its SHA-256.

    The digest of a folder is that of its .csv files, name by name.
    """

    kind: str
    path: str
    kept: str | None
    sha256: str


def contents(said: Scenario, scenario: Scenario) -> dict[str, bytes]:
    """What goes into a run folder, by file name; empty where no file is named by path.

    `said` has the paths as the user wrote them, `scenario` those where the files lie.
    """
    files: dict[str, bytes] = {}
    index: dict[tuple[str, str], Entry] = {}
    for written, one in zip(named(said), named(scenario), strict=True):
        if (one.kind, written.path) in index:
            continue
        number = sum(kind == one.kind for kind, _ in index) + 1
        home = f"inputs/{one.kind}" + (f"-{number}" if number > 1 else "")
        place = one.place(scenario)
        kept = f"{home}/{place.name}" if _is_small(place) else None
        index[one.kind, written.path] = Entry(one.kind, written.path, kept, _digest(place))
        if kept is not None:
            files |= {f"{home}/{_name(path, place)}": path.read_bytes() for path in _members(place)}
    if index:
        text = json.dumps([asdict(entry) for entry in index.values()], indent=2)
        files[INDEX] = f"{text}\n".encode()
    return files


def from_copies(said: Scenario, folder: Path) -> Scenario:
    """The scenario with the paths of the copies in a run folder. Raises FolderError."""
    index = _index(folder)
    known = [one for one in named(said) if (one.kind, one.path) in index]
    copies = {one.key: _copy(index[one.kind, one.path], one, said, folder) for one in known}
    return with_paths(said, copies)


def to_go_on(said: Scenario, folder: Path, strict: bool) -> Scenario:
    """The scenario with the paths from which an interrupted run in `folder` goes on: the copies.

    Where a file that the user named has become a carbon trace with more rows, that is taken. Where
    it is another in any other way, FolderError is raised if `strict`.
    """
    index = _index(folder)
    paths: dict[str, Path] = {}
    for one in named(said):
        entry = index.get((one.kind, one.path))
        if entry is None:
            continue
        paths[one.key] = _copy(entry, one, said, folder)
        own = _own(one, said)
        if own is not None and _may_replace(own, entry, folder, one.key if strict else None):
            paths[one.key] = own
    return with_paths(said, paths)


def renew(said: Scenario, scenario: Scenario, folder: Path) -> None:
    """Take into the run folder the trace that `to_go_on` took. Raises FolderError."""
    index = _index(folder)
    for written, one in zip(named(said), named(scenario), strict=True):
        entry = index.get((one.kind, written.path))
        if entry is None or not _may_replace(one.place(scenario), entry, folder, one.key):
            continue
        for name, content in contents(said, scenario).items():
            durable.write(folder / name, content)


def _may_replace(place: Path, entry: Entry, folder: Path, key: str | None) -> bool:
    """Whether a trace has more rows than its copy.

    Raises FolderError, naming the key if there is one, where it is another in any other way.
    """
    if _digest(place) == entry.sha256:
        return False
    if entry.kind == "carbon" and entry.kept and _has_more_rows(place, folder / entry.kept):
        return True
    if key is None:
        return False
    copy = f" (its copy is {folder / entry.kept})" if entry.kept else ""
    raise FolderError(
        f"{folder} was made with another {place.name} ({key}): restore it{copy}, or choose "
        "another --out"
    )


def _index(folder: Path) -> Index:
    path = folder / INDEX
    if not path.exists():
        return {}
    try:
        entries = [Entry(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise FolderError(f"{path} cannot be read: {error}; restore it") from None
    return {(entry.kind, entry.path): entry for entry in entries}


def _copy(entry: Entry, one: Named, said: Scenario, folder: Path) -> Path:
    """The copy, or where there is none the user's own file; as it was. Raises FolderError."""
    copy = None if entry.kept is None else folder / entry.kept
    place = copy if copy is not None and copy.exists() else _own(one, said)
    if place is None:
        raise FolderError(f"{one.key}: {copy or one.path} is not there; restore it")
    if _digest(place) != entry.sha256:
        raise FolderError(f"{one.key}: {place} is not what the run was made with; restore it")
    return place


def _own(one: Named, said: Scenario) -> Path | None:
    """The file that the user named; None where it is not there."""
    try:
        place = one.place(said)
    except DataError:
        return None
    return place if place.exists() else None


def _members(place: Path) -> list[Path]:
    return sorted(place.glob("*.csv")) if place.is_dir() else [place]


def _is_small(place: Path) -> bool:
    return sum(path.stat().st_size for path in _members(place)) <= MOST_BYTES


def _name(member: Path, place: Path) -> str:
    return member.name if member == place else f"{place.name}/{member.name}"


def _digest(place: Path) -> str:
    if not place.is_dir():
        return durable.sha256(place)
    lines = [f"{durable.sha256(path)}  {path.name}\n" for path in _members(place)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _has_more_rows(own: Path, copy: Path) -> bool:
    """Whether a carbon trace says what its copy says, and more."""
    from federation.energy.carbon_files import read_trace

    return read_trace(own).goes_on_from(read_trace(copy))
