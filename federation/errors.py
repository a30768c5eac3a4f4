"""The one tree of errors.

    PacelineError
    ├── BadInput            what the user gave is wrong: one line, exit code 2
    │   ├── ScenarioError   the scenario file, an override or a sweep
    │   ├── DataError       a data file, a partition, a hub that cannot be reached
    │   └── FolderError     a run folder that cannot be read, written or resumed
    ├── RunError            the run could not go on (no client left, executor lost)
    ├── ClientError         one client's work failed; a row in `clients`, never the end of a run
    └── RejectedUpdate      a reply that must not be counted; a row in `clients`

A message is one line: the value, the place and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PacelineError(Exception):
    """Base of every error that Paceline raises on purpose."""


class BadInput(PacelineError):
    """What the user gave cannot be used. The command line ends with exit code 2."""


class ScenarioError(BadInput):
    """A scenario, an override or a sweep that cannot be run as written."""


class DataError(BadInput):
    """Data that cannot be found, read or shared out among the clients."""


class FolderError(BadInput):
    """A run folder that cannot be read, written or resumed."""


class RunError(PacelineError):
    """A run that cannot go on."""


class ClientError(PacelineError):
    """One client could not do what it was asked."""


class RejectedUpdate(PacelineError):
    """A reply whose content must not reach the model."""


def unknown_choice(kind: str, value: object, choices: Iterable[str]) -> str:
    """One line that names a wrong choice, the nearest right one and all valid ones.

    >>> unknown_choice("schedule", "paralel", ["serial", "parallel"])
    "unknown schedule 'paralel'; did you mean 'parallel'? Valid: parallel, serial"
    """
    valid = sorted(choices)
    close = get_close_matches(str(value), valid, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {kind} {value!r}; {hint}Valid: {', '.join(valid)}"
