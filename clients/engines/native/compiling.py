"""How numba compiles the functions here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inner(function: _Function) -> _Function:
    """Compiles what only compiled functions call."""
    made = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")(function)
    return cast(_Function, made)


def once(function: _Function) -> _Function:
    """Like `inner`, in the one place that calls it: each level that calls compiles all below it."""
    return cast(_Function, njit(inline="always", error_model="numpy")(function))


def outer(function: _Function) -> _Function:
    """Compiles what Python calls, and keeps it on the disk."""
    return cast(_Function, njit(cache=True, error_model="numpy")(function))
