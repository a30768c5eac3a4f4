"""What columns may hold, and what wrong ones are told: one line each."""

import datetime
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from federation.data import source
from federation.errors import DataError


def test_numeric_columns_become_one_matrix(config, parquet):
    path = parquet({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "target": [1.0, 2.0, 4.0]})

    data = source.load(config(path, input=["b", "a"]))

    assert data.kind == "numeric"
    assert data.classes is None
    assert data.train.x.dtype == data.train.y.dtype == np.float32
    both = np.concatenate([data.train.x, data.test.x])
    assert sorted(map(tuple, both.tolist())) == [(0.5, 1.0), (1.5, 2.0), (2.5, 3.0)]


def test_lists_of_floats_and_of_several_targets(config, parquet):
    path = parquet({"features": [[1.0, 2.0]] * 5, "y": [[0.0, 1.0, 2.0]] * 5})

    data = source.load(config(path))

    assert data.train.x.shape == (4, 2)
    assert data.train.y.shape == (4, 3)
    assert data.classes is None


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_(pa.int16(), 3)]
)
def test_token_lists_need_no_label(config, parquet, kind):
    path = parquet({"input_ids": pa.array([[1, 2, 3], [4, 5, 6]], kind)})

    data = source.load(config(path))

    assert (data.kind, data.classes, data.train.y) == ("tokens", None, None)
    assert data.inputs(data.train, slice(0, 1), normalize=True).dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "numbers_", "classes"),
    [
        (["cat", "dog", "ant", "dog"], [1, 2, 0, 2], 3),
        ([True, False, True, True], [1, 0, 1, 1], 2),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), [1, 0, 1, 0], 2),
        (pa.array([3, 0, 1, 0], pa.uint8()), [3, 0, 1, 0], 4),
    ],
)
def test_labels_become_class_numbers(config, parquet, tmp_path, labels, numbers_, classes):
    for split in ("train", "test"):
        parquet({"x": [0.0, 1.0, 2.0, 3.0], "label": labels}, f"s/{split}.parquet")

    data = source.load(config(tmp_path / "s"))

    assert data.train.y.tolist() == numbers_
    assert data.train.y.dtype == np.int64
    assert data.classes == classes


BROKEN_IMAGE = b"\x89PNG\r\n\x1a\nnothing that follows is a picture"
FINE = {"x": [1.0, 2.0, 3.0], "label": [0, 1, 0]}


@pytest.mark.parametrize(
    ("columns", "settings", "words"),
    [
        ({"x": pa.array([], pa.float64()), "label": pa.array([], pa.int64())}, {}, "has no rows"),
        ({"x": [1.0], "label": [0]}, {}, "1 row; at least 2"),
        (FINE, {"input": "pixels"}, "no column 'pixels'; it has x, label"),
        (FINE, {"input": ["x", "z"]}, "no column 'z'"),
        (FINE, {"label": "class"}, "no column 'class'; it has x, label"),
        ({"a": [1.0], "b": [2]}, {}, "no input column among a, b; name it with data.input"),
        ({"x": [1.0, 2.0]}, {}, "no label column among label, y"),
        ({"x": [1.0, float("nan")], "y": [0, 1]}, {}, "row 1 is NaN or infinite"),
        ({"x": [1.0, 1e300], "y": [0, 1]}, {}, "row 1 is NaN or infinite"),
        ({"x": [1.0, 2.0], "y": [0.5, float("inf")]}, {}, "column 'y', row 1 is NaN or infinite"),
        ({"x": [1.0, None], "y": [0, 1]}, {}, "column 'x', row 1 is null"),
        ({"x": [1.0, 2.0], "y": [None, 1]}, {}, "column 'y', row 0 is null"),
        ({"x": [[1.0], [None]], "y": [0, 1]}, {}, "row 1 has a null in its list"),
        ({"x": [[1.0, 2.0], [1.0]], "y": [0, 1]}, {}, "row 1: list of 1 where row 0 has 2"),
        ({"x": pa.array([[], []], pa.list_(pa.float32())), "y": [0, 1]}, {}, "empty lists"),
        ({"tokens": [[1, 2], [3, -4]]}, {}, "row 1 has a negative token id"),
        ({"x": ["a", "b"], "y": [0, 1]}, {}, "holds strings"),
        ({"x": [["a"], ["b"]], "y": [0, 1]}, {}, "lists of string"),
        ({"x": [datetime.date(2020, 1, 1)] * 2, "y": [0, 1]}, {}, "has type date32"),
        ({"x": [1.0, 2.0], "y": [0, -1]}, {}, "row 1: label -1 is negative"),
        ({"x": [1.0, 2.0], "y": pa.array([0, 2**64 - 1], pa.uint64())}, {}, "above 2**63"),
        ({"image": [BROKEN_IMAGE] * 2, "y": [0, 1]}, {}, "row 0: image cannot be decoded"),
        ({"image": [b"text"] * 2, "y": [0, 1]}, {}, "(unknown format); use PNG or JPEG"),
        ({"image": [{"path": "a.png"}] * 2, "y": [0, 1]}, {}, "has the fields path, not 'bytes'"),
        ({"image": [{"bytes": None, "path": "a"}] * 2, "y": [0, 1]}, {}, "row 0 is null"),
    ],
)  # fmt: skip
def test_unusable_columns_are_one_clear_line(config, parquet, columns, settings, words):
    with pytest.raises(DataError) as error:
        source.load(config(parquet(columns), **settings))

    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_images_of_different_shape_name_the_row(config, parquet, png):
    path = parquet({"image": [png(np.eye(3)), png(np.eye(4))], "label": [0, 1]})

    with pytest.raises(DataError, match=r"row 1: image of 1x4x4 where row 0 has 1x3x3"):
        source.load(config(path))


def test_sixteen_bit_images_are_refused(config, parquet, png):
    file = io.BytesIO()
    Image.fromarray(np.full((2, 2), 40000, np.uint16)).save(file, "PNG")
    path = parquet({"image": [file.getvalue()] * 2, "label": [0, 1]})

    with pytest.raises(DataError, match=r"pixel format 'I;16'; use 8 bits a channel"):
        source.load(config(path))


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ({"label": [0, 1]}, {"label": [0, 2]}, "label 2 is out of range; the training labels go"),
        ({"label": ["a", "b"]}, {"label": ["a", "c"]}, "label 'c' is not among the training"),
        ({"label": [0, 1]}, {"label": [0.0, 1.0]}, "is of another type than in"),
        ({"label": [0, 1]}, {"y": [0, 1]}, "input and label are (["),
    ],
)
def test_splits_must_agree(config, parquet, tmp_path, train, test, words):
    parquet({"x": [0.0, 1.0], **train}, "s/train.parquet")
    parquet({"x": [0.0, 1.0], **test}, "s/test.parquet")

    with pytest.raises(DataError) as error:
        source.load(config(tmp_path / "s"))

    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_splits_must_have_the_same_shape(config, parquet, tmp_path):
    parquet({"x": [[0.0, 1.0]], "y": [0]}, "s/train.parquet")
    parquet({"x": [[0.0]], "y": [0]}, "s/test.parquet")

    with pytest.raises(
        DataError, match=r"numeric of shape \(1,\) where .* numeric of shape \(2,\)"
    ):
        source.load(config(tmp_path / "s"))
