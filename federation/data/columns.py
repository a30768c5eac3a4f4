"""Columns of an Arrow table to the arrays of a data set: inputs, labels and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.data import images
from federation.data.dataset import Kind
from federation.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

INPUT_NAMES = ("image", "img", "x", "features", "input", "text_ids", "input_ids", "tokens")
LABEL_NAMES = ("label", "y", "target", "fine_label")


def choose(
    present: Sequence[str], inputs: str | list[str] | None, label: str | None, place: str
) -> tuple[list[str], str | None]:
    """The input columns and the label column: as given, or by their usual names.

    Raises DataError, listing the columns, where a given one is missing or no input is found.
    """
    if inputs is None:
        known = [name for name in INPUT_NAMES if name in present]
        if not known:
            raise DataError(
                f"{place}: no input column among {_listed(present)}; name it with data.input"
            )
        inputs = known[0]
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if label is None:
        label = next((n for n in LABEL_NAMES if n in present and n not in names), None)
    for name in names if label is None else [*names, label]:
        check_present(name, present, place)
    return names, label


def check_present(name: str, present: Sequence[str], place: str) -> None:
    """Raises DataError, listing the columns, where that one is missing."""
    if name not in present:
        raise DataError(f"{place} has no column {name!r}; it has {_listed(present)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def decode_inputs(table: pa.Table, names: Sequence[str], place: str) -> tuple[Kind, NDArray[Any]]:
    """What kind of inputs the columns hold, and their array as in `Split.x`."""
    from pyarrow import types

    if table.num_rows == 0:
        raise DataError(f"{place} has no rows")
    if len(names) > 1:
        return "numeric", np.stack([_numbers(table, name, place) for name in names], axis=1)
    column, where = _whole(table, names[0], place)
    if types.is_struct(column.type) or _is_binary(column.type):
        return "image", images.decode(_encoded(column, where), len(column), where)
    if _is_list(column.type):
        values = _matrix(column, where)
        if values.dtype.kind in "iu":
            return "tokens", _tokens(values, where)
        return "numeric", _finite(values, where)
    return "numeric", _numbers(table, names[0], place)[:, None]


def decode_labels(
    train: pa.Table, test: pa.Table, name: str, places: tuple[str, str]
) -> tuple[NDArray[Any], NDArray[Any], int | None]:
    """Labels of both splits and the number of classes; None where they are regression targets.

    Integers are class numbers from 0; strings become class numbers in sorted order.
    """
    first, second = (_labels(t, name, p) for t, p in zip((train, test), places, strict=True))
    where = f"{places[1]}: column {name!r}"
    if first.dtype.kind != second.dtype.kind or first.shape[1:] != second.shape[1:]:
        raise DataError(f"{where} is of another type than in {places[0]}")
    if first.dtype.kind == "f":
        return first, second, None
    if first.dtype.kind == "O":
        return _numbered(first, second, where)
    classes = int(first.max()) + 1
    if int(second.max()) >= classes:
        row = int(np.argmax(second >= classes))
        raise DataError(
            f"{where}, row {row}: label {second[row]} is out of range; "
            f"the training labels go from 0 to {classes - 1}"
        )
    return first, second, classes


def _numbered(
    first: NDArray[Any], second: NDArray[Any], where: str
) -> tuple[NDArray[Any], NDArray[Any], int]:
    number = {value: index for index, value in enumerate(sorted(set(first)))}
    for row, value in enumerate(second):
        if value not in number:
            raise DataError(f"{where}, row {row}: label {value!r} is not among the training labels")
    train = np.array([number[value] for value in first], np.int64)
    test = np.array([number[value] for value in second], np.int64)
    return train, test, len(number)


def _labels(table: pa.Table, name: str, place: str) -> NDArray[Any]:
    """int64 (N,), float32 (N,) or (N, K), or an object array of strings."""
    from pyarrow import types

    column, where = _whole(table, name, place)
    if _is_list(column.type) and types.is_floating(column.type.value_type):
        return _finite(_matrix(column, where), where)
    values = plain(table, name, place)
    if values.dtype.kind == "f":
        return _finite(values, where)
    if values.dtype.kind == "i" and int(values.min()) < 0:
        row = int(np.argmax(values < 0))
        raise DataError(f"{where}, row {row}: label {values[row]} is negative; count from 0")
    return values


def plain(table: pa.Table, name: str, place: str) -> NDArray[Any]:
    """A column of single values: int64 (also from booleans), float64, or an object array of str."""
    import pyarrow as pa
    from pyarrow import types

    column, where = _whole(table, name, place)
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if types.is_boolean(kind) or types.is_integer(kind):
        try:
            return np.asarray(column.cast(pa.int64()).to_numpy())
        except pa.ArrowInvalid:
            raise DataError(f"{where} has integers above 2**63 - 1") from None
    if types.is_floating(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy())
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=object)
    raise DataError(f"{where} has type {kind}; it must hold integers, floats or strings")


def _numbers(table: pa.Table, name: str, place: str) -> NDArray[Any]:
    values = plain(table, name, place)
    where = f"{place}: column {name!r}"
    if values.dtype.kind == "O":
        raise DataError(f"{where} holds strings; an input is images, numbers or lists of token ids")
    return _finite(values, where)


def _whole(table: pa.Table, name: str, place: str) -> tuple[pa.ChunkedArray, str]:
    column, where = table[name], f"{place}: column {name!r}"
    if column.null_count:
        row = int(np.argmax(np.asarray(column.is_null().to_numpy())))
        raise DataError(f"{where}, row {row} is null; remove or fill such rows")
    return column, where


def _encoded(column: pa.ChunkedArray, where: str) -> Iterator[bytes]:
    from pyarrow import types

    if types.is_struct(column.type):
        names = [field.name for field in column.type]
        if "bytes" not in names:
            raise DataError(f"{where} has the fields {_listed(names)}, not 'bytes'; is it images?")
    row = 0
    for chunk in column.chunks:
        for data in (chunk.field("bytes") if types.is_struct(chunk.type) else chunk).to_pylist():
            if data is None:
                raise DataError(f"{where}, row {row} is null; remove or fill such rows")
            yield data
            row += 1


def _matrix(column: pa.ChunkedArray, where: str) -> NDArray[Any]:
    """Lists of equal length as (N, D)."""
    from pyarrow import compute, types

    kind = column.type.value_type
    if not (types.is_integer(kind) or types.is_floating(kind)):
        raise DataError(f"{where} holds lists of {kind}; they must be of integers or floats")
    lengths = np.asarray(compute.list_value_length(column).to_numpy())
    width = int(lengths[0])
    if (lengths != width).any():
        row = int(np.argmax(lengths != width))
        raise DataError(
            f"{where}, row {row}: list of {lengths[row]} where row 0 has {width}; "
            "all lists must be of the same length: cut or pad them"
        )
    if width == 0:
        raise DataError(f"{where} holds empty lists")
    parts = [chunk.flatten() for chunk in column.chunks]
    starts = np.cumsum([0, *map(len, parts)])
    for start, part in zip(starts, parts, strict=False):
        if part.null_count:
            row = int(start + np.argmax(np.asarray(part.is_null()))) // width
            raise DataError(f"{where}, row {row} has a null in its list; fill it")
    values = np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts])
    return values.reshape(-1, width)


def _tokens(values: NDArray[Any], where: str) -> NDArray[Any]:
    if int(values.min()) < 0:
        row = int(np.argmax((values < 0).any(axis=1)))
        raise DataError(f"{where}, row {row} has a negative token id; count from 0")
    return values.astype(np.int64)


def _finite(values: NDArray[Any], where: str) -> NDArray[Any]:
    """As float32, after a check that no value is NaN, infinite or too large for it."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    bad = ~np.isfinite(narrow).reshape(len(narrow), -1).all(axis=1)
    if bad.any():
        raise DataError(
            f"{where}, row {int(np.argmax(bad))} is NaN or infinite as float32; "
            "remove or fill such rows"
        )
    return narrow


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    checks = types.is_list, types.is_large_list, types.is_fixed_size_list
    return any(check(kind) for check in checks)


def _is_binary(kind: pa.DataType) -> bool:
    from pyarrow import types

    return any(check(kind) for check in (types.is_binary, types.is_large_binary))
