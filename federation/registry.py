"""One file, one name: finds codecs, algorithms and schedules by the files of a package.

A new codec or strategy is one new file. Its name in scenarios is the file's name with dashes for
underscores. The file defines exactly one public class derived from the registry's base class.
Only the file that is asked for is imported.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from typing import Generic, TypeVar

from federation.errors import ScenarioError, unknown_choice

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The classes derived from `base` that the modules of `package` define, one a module."""

    kind: str
    package: str
    base: type[T]

    def names(self) -> list[str]:
        """The valid names, sorted; nothing is imported but the package itself."""
        package = importlib.import_module(self.package)
        found = (module.name for module in pkgutil.iter_modules(package.__path__))
        return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))

    def get(self, name: str) -> type[T]:
        """The class of that name, or the user's own as `package.module:Class`.

        Raises ScenarioError for an unknown name, listing the valid ones.
        """
        if ":" in name:
            return self._foreign(name)
        if name not in self.names():
            raise ScenarioError(unknown_choice(self.kind, name, self.names()))
        module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        classes = [
            value
            for key, value in vars(module).items()
            if inspect.isclass(value)
            and issubclass(value, self.base)
            and value.__module__ == module.__name__
            and not key.startswith("_")
        ]
        if len(classes) != 1:
            raise TypeError(
                f"{module.__name__} must define one {self.base.__name__}, has {classes}"
            )
        return classes[0]

    def _foreign(self, name: str) -> type[T]:
        found = import_object(name, self.kind)
        if not (inspect.isclass(found) and issubclass(found, self.base)):
            raise ScenarioError(f"{self.kind} {name!r} is not a subclass of {self.base.__name__}")
        return found


def import_object(reference: str, kind: str) -> object:
    """The object that `package.module:name` names, found on PYTHONPATH.

    Raises ScenarioError, naming the part that is missing.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 - a user's module may fail in any way
        raise ScenarioError(
            f"{kind} {reference!r}: module {module_name!r} could not be imported "
            f"({type(error).__name__}: {error}); is it in the current folder or on PYTHONPATH?"
        ) from None
    if not hasattr(module, attribute):
        raise ScenarioError(f"{kind} {reference!r}: module {module_name!r} has no {attribute!r}")
    found: object = getattr(module, attribute)
    return found
