"""Every source of data ends in the same arrays, and every wrong one in one clear line."""

import numpy as np
import pytest

from federation.data import source
from federation.data.build import split_rows
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
    train, _ = split_rows(10)
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


def test_a_raw_column_comes_in_the_order_of_the_training_rows(config, parquet):
    path = parquet(numbers(50, user=[f"u{row}" for row in range(50)]))
    data = source.load(config(path))

    users = source.read_column(config(path), "user")

    assert users.tolist() == [f"u{int(x)}" for x in data.train.x[:, 0]]


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

    with pytest.raises(
        DataError, match=r"holds image inputs of shape .* not the images of uoft-cs/cifar10"
    ):
        source.load(config("cifar10", dir=str(tmp_path / "base")))


def test_read_column_errors(config, parquet):
    path = parquet(numbers(10, user=["a", None] * 5))

    with pytest.raises(DataError, match="'digits' has no column 'user'"):
        source.read_column(config(), "user")
    with pytest.raises(DataError, match="no column 'writer'; it has x, label, user"):
        source.read_column(config(path), "writer")
    with pytest.raises(DataError, match="column 'user', row 1 is null"):
        source.read_column(config(path), "user")
