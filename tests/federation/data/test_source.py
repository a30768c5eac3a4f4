"""Every source of data ends in the same arrays, and every wrong one in one clear line."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from federation.data import source
from federation.errors import DataError


def numbers(count, **extra):
    return {"x": np.arange(count, dtype=np.float64), "label": np.arange(count) % 2, **extra}


def test_digits_split_is_the_same_everywhere(config):
    digits = source.load(config())

    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.x.shape == (1437, 1, 8, 8)
    assert digits.train.x.dtype == np.uint8
    assert (digits.kind, digits.classes, digits.scale) == ("image", 10, 16.0)
    assert (digits.mean, digits.std) == ((0.3049,), (0.3757,))
    assert digits.train.y[:10].tolist() == [0, 3, 5, 6, 7, 9, 0, 1, 3, 4]


def test_digits_together_are_scikit_learns(config):
    from sklearn.datasets import load_digits

    digits = source.load(config())
    pixels = np.concatenate([digits.train.x, digits.test.x]).sum(axis=0)
    published = load_digits()

    np.testing.assert_array_equal(pixels[0], published.images.sum(axis=0))
    labels = np.concatenate([digits.train.y, digits.test.y])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(published.target))


def test_mnist_is_in_its_original_order_with_the_published_statistics(config, data_dir):
    mnist = source.load(config("mnist", dir=str(data_dir)))

    assert mnist.train.x.shape == (60000, 1, 28, 28)
    assert len(mnist.test) == 10000
    assert mnist.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert (mnist.mean, mnist.std) == ((0.1307,), (0.3081,))
    pixels = mnist.inputs(mnist.train, slice(0, 60000), normalize=True)
    assert abs(pixels.mean(dtype=np.float64)) < 1e-3
    assert abs(pixels.std(dtype=np.float64) - 1) < 1e-3


def test_inputs_are_new_writable_arrays_in_zero_to_one(config):
    digits = source.load(config())

    pixels = digits.inputs(digits.train, np.array([3, 1]), normalize=False)

    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels * 16, digits.train.x[[3, 1]])
    pixels += 1  # neither read-only nor a view of the cache
    assert not digits.train.x.flags.writeable


def test_colour_images_are_channels_first_and_normalised_a_channel(config, parquet, png):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
    path = parquet({"img": [{"bytes": png(p), "path": "p"} for p in pixels], "y": [0, 1] * 5})

    data = source.load(config(path))
    rows = np.arange(8)
    normal = data.inputs(data.train, rows, normalize=True)

    assert data.train.x.shape == (8, 3, 4, 5)
    train, _ = source.split_rows(10)
    np.testing.assert_array_equal(data.train.x, pixels[train].transpose(0, 3, 1, 2))
    np.testing.assert_allclose(normal.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(normal.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_plain_bytes_of_grey_images(config, parquet, png):
    path = parquet(
        {"image": [png(np.full((2, 3), v)) for v in (7, 8, 9, 10, 11)], "label": [0] * 5}
    )

    data = source.load(config(path))

    assert data.train.x.shape == (4, 1, 2, 3)
    assert data.classes == 1


def test_a_file_is_split_80_20_into_disjoint_rows(config, parquet):
    data = source.load(config(parquet(numbers(100))))

    everything = np.concatenate([data.train.x, data.test.x])[:, 0]
    assert (len(data.train), len(data.test)) == (80, 20)
    assert sorted(everything) == list(range(100))
    assert (np.diff(data.train.x[:, 0]) > 0).all()


@pytest.mark.parametrize(
    "names",
    [
        ("train.parquet", "test.parquet"),
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
    ],
)
def test_a_folder_holds_both_splits(config, parquet, tmp_path, names):
    for name, count in zip(names, (6, 4), strict=True):
        parquet(numbers(count), f"set/{name}")

    data = source.load(config(tmp_path / "set"))

    assert (len(data.train), len(data.test)) == (6, 4)


def test_files_of_one_split_follow_one_another(config, parquet, tmp_path):
    for part in (0, 1):
        parquet({"x": [10.0 * part, 10.0 * part + 1], "y": [0, 1]}, f"s/train-{part}.parquet")
    parquet(numbers(2), "other.parquet")
    parquet({"x": [5.0], "y": [0]}, "s/test.parquet")

    data = source.load(config(tmp_path / "s"))

    assert data.train.x[:, 0].tolist() == [0, 1, 10, 11]


@pytest.mark.parametrize(
    "layout", ["mnist/", "mnist/mnist/", "mnist/data/", "", "mnist/plain_text/"]
)
def test_mnist_is_found_in_the_layouts_of_the_hub(config, parquet, png, tmp_path, layout):
    for split in ("train", "test"):
        parquet(
            {"image": [{"bytes": png(np.eye(3)), "path": None}], "label": [0]},
            f"base/{layout}{split}-00000-of-00001.parquet",
        )

    assert source.load(config("mnist", dir=str(tmp_path / "base"))).mean == (0.1307,)


def test_paceline_data_is_the_default_folder(config, parquet, png, tmp_path, monkeypatch):
    for split in ("train", "test"):
        parquet({"image": [png(np.eye(3))], "label": [0]}, f"base/mnist/{split}.parquet")
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path / "base"))

    assert len(source.load(config("mnist")).train) == 1


def test_relative_paths_count_from_the_current_folder(config, parquet, tmp_path, monkeypatch):
    parquet(numbers(10), "here/mine.parquet")

    assert len(source.load(config("mine.parquet")).train) == 8


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


def test_a_raw_column_comes_in_the_order_of_the_training_rows(config, parquet):
    path = parquet(numbers(50, user=[f"u{row}" for row in range(50)]))
    data = source.load(config(path))

    users = source.read_column(config(path), "user")

    assert users.tolist() == [f"u{int(x)}" for x in data.train.x[:, 0]]


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
    import io

    from PIL import Image

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
        ({"label": [0, 1]}, {"y": [0, 1]}, "has other columns than"),
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


def test_missing_places_are_named(config, parquet, tmp_path):
    parquet(numbers(4), "half/train.parquet")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("no parquet")
    for name, words in {
        "mnits": "did you mean 'mnist'? Valid: cifar10, digits, mnist, a Parquet file",
        str(tmp_path / "gone.parquet"): "gone.parquet does not exist",
        str(tmp_path / "half"): "has a training split but no test split",
        str(tmp_path / "empty"): "has no train.parquet",
        str(tmp_path / "text.parquet"): "text.parquet is not a readable Parquet file",
        "hub:nameless": "must be of the form hub:ORG/NAME",
    }.items():
        with pytest.raises(DataError) as error:
            source.load(config(name))
        assert words in str(error.value)
        assert len(str(error.value).splitlines()) == 1
    with pytest.raises(DataError, match=r"data.dir = '.*empty' holds no mnist/train.parquet"):
        source.load(config("mnist", dir=str(tmp_path / "empty")))


def test_a_source_under_a_wrong_name_is_refused(config, parquet, png, tmp_path):
    for split in ("train", "test"):
        parquet({"image": [png(np.eye(3))], "label": [0]}, f"base/cifar10/{split}.parquet")

    with pytest.raises(DataError, match="is not cifar10: its inputs are image"):
        source.load(config("cifar10", dir=str(tmp_path / "base")))


def test_read_column_errors(config, parquet):
    path = parquet(numbers(10, user=["a", None] * 5))

    with pytest.raises(DataError, match="'digits' has no column 'user'"):
        source.read_column(config(), "user")
    with pytest.raises(DataError, match="no column 'writer'; it has x, label, user"):
        source.read_column(config(path), "writer")
    with pytest.raises(DataError, match="column 'user', row 1 is null"):
        source.read_column(config(path), "user")
