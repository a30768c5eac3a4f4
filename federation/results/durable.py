"""Files that are complete or absent, whatever happens while they are written.

Write beside the target, fsync, rename, fsync the folder: after a crash or a power cut the old
content or the new one stands there, never a part.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.errors import FolderError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path to write to; it becomes `path` on success and is removed otherwise.

    Raises FolderError where the disk refuses.
    """
    temp = path.with_name(f".{path.name}.tmp")
    try:
        yield temp
        sync(temp)
        os.replace(temp, path)
        sync(path.parent)
    except OSError as error:
        raise FolderError(f"cannot write {path}: {cause(error)}; make room and resume") from error
    finally:
        temp.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """Puts `data` into `path`, all of it or nothing."""
    with replacing(path) as temp:
        temp.write_bytes(data)


def sync(path: Path) -> None:
    """Waits until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """SHA-256 of the file's content, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cause(error: OSError) -> str:
    """What the operating system says, without the path."""
    return error.strerror or str(error)
