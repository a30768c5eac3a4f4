"""The hub: what comes from it, and that being offline is said at once and in one line."""

import json
import os
import subprocess
import sys

import pytest

from federation.data import source
from federation.errors import DataError

UNREACHABLE = "http://127.0.0.1:9"  # the discard port: refused at once


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", UNREACHABLE)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_DATASETS_OFFLINE", raising=False)
    monkeypatch.delenv("PACELINE_DATA", raising=False)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_without_a_folder_or_a_network_both_remedies_are_named(config, offline, name, capfd):
    with pytest.raises(DataError) as error:
        source.load(config(name))

    message = str(error.value)
    assert "cannot be reached" in message
    assert f"set PACELINE_DATA or data.dir to a folder with {name}/train.parquet" in message
    assert "pip install 'paceline[sim]'" in message
    assert len(message.splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_a_hub_source_names_its_remedy(config, offline):
    with pytest.raises(DataError, match=r"^hub:some/set could not be loaded: .*; get online"):
        source.load(config("hub:some/set"))


LOAD = """
import json
from federation.data import source
from federation.errors import DataError
from federation.scenario.schema import DataConfig

config = DataConfig(source="hub:org/set", clients=1)
try:
    data = source.load(config)
    users = source.read_column(config, "user").tolist()
    print(json.dumps([data.train.x.shape, data.train.x.tolist(), data.test.y.tolist(), users]))
except DataError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def load_from_hub(repo_root, tmp_path):
    """Loads hub:org/set in a process of its own; the folder org/set stands in for the hub.

    The hub's client takes a folder of that name in the current folder before it asks the network.
    """

    def run():
        settings = {
            "PYTHONPATH": str(repo_root),
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_OFFLINE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", LOAD], cwd=tmp_path, env=os.environ | settings,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return json.loads(done.stdout)

    return run


def test_rows_keep_their_published_order(parquet, png, load_from_hub):
    for split, count in (("train", 6), ("test", 2)):
        images = [{"bytes": png([[row, 0]]), "path": None} for row in range(count)]
        labels = [row % 2 for row in range(count)]
        users = [f"u{row}" for row in range(count)]
        parquet({"image": images, "label": labels, "user": users}, f"org/set/{split}.parquet")

    shape, pixels, labels, users = load_from_hub()

    assert shape == [6, 1, 1, 2]
    assert [image[0][0][0] for image in pixels] == list(range(6))
    assert labels == [0, 1]
    assert users == [f"u{row}" for row in range(6)]


def test_a_missing_test_split_is_one_line(parquet, load_from_hub):
    parquet({"x": [1.0], "y": [0], "user": ["a"]}, "org/set/train.parquet")

    message = load_from_hub()

    assert message.startswith("hub:org/set could not be loaded: The given split: 'test'")
    assert len(message.splitlines()) == 1


def test_a_data_set_that_was_never_loaded_is_one_line(load_from_hub):
    message = load_from_hub()

    assert message.startswith("hub:org/set could not be loaded: ")
    assert len(message.splitlines()) == 1
