"""Data sets of the Hugging Face hub, loaded through flwr-datasets. Only the desk needs it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from federation.data.parquet import Part, Select
from federation.errors import DataError

_OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
_PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Hub:
    """A data set of the hub, `ORG/NAME`; `remedy` says what else the user could do."""

    name: str
    remedy: str

    def identity(self) -> list[object]:
        """Its name: what was loaded once is used from the cache, also without a network."""
        return ["hub", self.name]

    def parts(self, select: Select) -> list[Part]:
        """The splits `train` and `test`; raises DataError within seconds where there is no hub."""
        if not any(os.environ.get(switch) for switch in _OFFLINE_SWITCHES):
            _check_reachable(self)
        with quiet():
            return _load(self, select)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, progress bars and log lines of the Hugging Face libraries off the terminal.

    Flower's telemetry is off too, unless the user has switched it on.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _load(hub: Hub, select: Select) -> list[Part]:
    try:
        from flwr_datasets import FederatedDataset
    except ImportError:
        raise _failed(hub, "flwr-datasets is not installed") from None
    # Rows stay in the published order; who holds which is decided in `partition.py`.
    federated = FederatedDataset(dataset=hub.name, partitioners={}, shuffle=False)
    parts = []
    for split in ("train", "test"):
        try:
            rows = federated.load_split(split)
        except Exception as error:  # the hub's libraries raise errors of many unrelated types
            text = str(error).strip()
            raise _failed(hub, text.splitlines()[0] if text else type(error).__name__) from error
        place = f"hub:{hub.name} ({split})"
        names = sorted(set(select(rows.column_names, place)))
        parts.append(Part(rows.select_columns(names).with_format("arrow")[:], place))
    return parts


def _check_reachable(hub: Hub) -> None:
    """One short request first: offline, the hub's own client retries for over 20 seconds."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    request = urllib.request.Request(endpoint, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_PROBE_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # an answer, if not a friendly one: the hub is there
    except (OSError, ValueError) as error:
        raise _failed(hub, f"{endpoint} cannot be reached ({error})") from None


def _failed(hub: Hub, reason: str) -> DataError:
    return DataError(f"hub:{hub.name} could not be loaded: {reason}; {hub.remedy}")
