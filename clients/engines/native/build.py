"""Makes the engine, where numba is there; what is compiled is kept on the disk."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from clients.engines.base import Engine
from clients.engines.chain import Chain
from clients.engines.stack import Stack
from clients.engines.stacked import StackedEngine
from federation.data import cache
from federation.errors import ScenarioError
from federation.models.tasks import Task
from federation.scenario.schema import LocalConfig


def native_engine(chain: Chain, task: Task, local: LocalConfig, rounds: int, seed: int) -> Engine:
    """The engine, for classification and regression.

    Chains with wide convolutions keep PyTorch's own for these, and the loop around them. Raises
    ScenarioError where numba is not installed.
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        raise ScenarioError(
            "engine.training = 'native': numba is not installed; run "
            "pip install 'paceline[native]', or use 'auto'"
        ) from None
    settings = (local, rounds, seed)
    with _compiled_once():
        if chain.wide:
            from clients.engines.native.dense import NativeDense

            dtype = torch.bfloat16 if local.precision == "bf16" else torch.float32
            return StackedEngine(
                task,
                lambda clients, size: Stack(chain, clients, size, dtype, NativeDense),
                *settings,
                lambda _: 1,
            )
        from clients.engines.native.engine import NativeEngine
        from clients.engines.native.stack import NativeStack, loss_of

        loss = loss_of(task)
        return NativeEngine(lambda size: NativeStack(chain, size, loss), *settings)


@contextmanager
def _compiled_once() -> Iterator[None]:
    """What numba compiles is kept in a folder of these sources: other sources, another folder.

    By itself numba looks at the file of a function only, not at those of the functions it calls.
    """
    from numba.core import config

    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _folder() -> Path:
    """In the cache; where that cannot be written, one for this process alone."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = cache.root() / "native" / digest[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="paceline-native-"))
    return folder
