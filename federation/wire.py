"""The length of what Flower serialises for a message's content.

Flower 1.41 sends a message as a tree of objects, each addressed by its SHA-256: the record
dictionary, its records, their arrays and chunks of at most 5 MiB. Serialising a large array only
to measure it would cost more than the rest of a round, so its length is computed: a header
`Type ids length`, a zero byte, and the body. `tests/federation/test_wire.py` holds this against
the objects that Flower really makes.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TypeVar

from flwr.app import ArrayRecord, RecordDict

from federation.errors import RejectedUpdate

T = TypeVar("T", bound=Hashable)

_ID = "0" * 64
_CHUNK_BYTES = 5 * 1024 * 1024


def content_bytes(content: RecordDict) -> int:
    """Bytes of all objects below the message: what `sent_bytes` counts in the ledger.

    The envelope (ids, times, type: under 200 bytes) depends on Flower's random node ids and is
    protocol overhead, like polling. Raises RejectedUpdate for what Flower cannot serialise.
    """
    try:
        return _content_bytes(content)
    except Exception as error:  # noqa: BLE001 - a stranger's objects, and Flower's code on them
        raise RejectedUpdate(
            f"the content cannot be serialised: {type(error).__name__}: {error}"
        ) from None


def _content_bytes(content: RecordDict) -> int:
    body = len(json.dumps(dict.fromkeys(content, _ID)))
    total = _object_bytes("RecordDict", len(content), body)
    for record in content.values():
        if isinstance(record, ArrayRecord):
            total += _array_record_bytes(record)
        else:
            total += len(record.deflate())
    return total


def _array_record_bytes(record: ArrayRecord) -> int:
    arrays = _distinct([(a.data, a.dtype, a.shape, a.stype) for a in record.values()])
    body = len(json.dumps(dict.fromkeys(record, _ID)))
    total = _object_bytes("ArrayRecord", len(arrays), body)
    all_chunks: list[bytes] = []
    for data, dtype, shape, stype in arrays:
        chunks = _chunks(data)
        own = _distinct(chunks)
        order = [own.index(chunk) for chunk in chunks] if len(own) > 1 else [0] * len(chunks)
        meta = {"dtype": dtype, "shape": shape, "stype": stype, "arraychunk_ids": order}
        total += _object_bytes("Array", len(own), len(json.dumps(meta)))
        all_chunks += own
    return total + sum(_object_bytes("ArrayChunk", 0, len(c)) for c in _distinct(all_chunks))


def _chunks(data: bytes) -> list[bytes]:
    if len(data) <= _CHUNK_BYTES:
        return [data] if data else []
    return [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]


def _distinct(values: list[T]) -> list[T]:
    """Without repetitions, order kept; one value is not hashed, since hashing megabytes costs."""
    return values if len(values) < 2 else list(dict.fromkeys(values))


def _object_bytes(kind: str, children: int, body: int) -> int:
    ids = children * 64 + max(children - 1, 0)
    return len(kind) + 1 + ids + 1 + len(str(body)) + 1 + body
