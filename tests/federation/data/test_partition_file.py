"""Partitions given as exact rows, and what a wrong file is told."""

import json

import numpy as np
import pytest

from federation.data import source
from federation.data.partition import assign, cached_assignment
from federation.errors import DataError


@pytest.mark.parametrize("name", ["C1", "C2"])
def test_published_partition_files_have_their_published_statistics(config, data_dir, name):
    path = f"partitions/mnist_exdir_{name}_alpha10_M500.json"
    settings = config(
        "mnist", clients=500, dir=str(data_dir), partition={"kind": "file", "path": path}
    )
    mnist = source.load(settings)

    shared = assign(settings, mnist, 1)
    sizes = shared.sizes()
    classes = [len(set(mnist.train.y[shared.rows_of(client)])) for client in range(500)]

    published = {"C1": (29, 118, 250, 120), "C2": (55, 117, 241, 120)}[name]
    assert (sizes.min(), np.median(sizes), sizes.max(), sizes.mean()) == published
    assert np.bincount(classes).tolist() == {"C1": [0, 500], "C2": [0, 14, 486]}[name]
    assert sorted(shared.rows.tolist()) == list(range(60000))
    assert shared.provenance.startswith(f"file mnist_exdir_{name}_alpha10_M500.json sha256 ")
    assert shared.rows_of(0)[:3].tolist() == json.loads((data_dir / path).read_text())["0"][:3]


def test_a_partition_file_is_found_beside_the_user_first(share, parts, tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "p.json").write_text('{"0": [1], "1": [0]}')
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path / "base"))
    recipe = {"kind": "file", "path": "p.json"}

    assert parts(share(recipe, clients=2)) == [[1], [0]]
    (tmp_path / "here" / "p.json").write_text('{"0": [0], "1": [1]}')
    assert parts(share(recipe, clients=2)) == [[0], [1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[0], [1]]", "must hold an object"),
        ("{", "is not JSON"),
        ("\x00\xff", "is not JSON"),
        ('{"0": [0]}', "has 1 clients but data.clients = 2; set data.clients = 1"),
        ('{"0": [0], "2": [1]}', 'client 1 is missing; clients are named "0" to "1"'),
        ('{"0": [0], "1": []}', "client 1: '[]' is not a list of at least one row"),
        ('{"0": [0], "1": 3}', "client 1: '3' is not a list"),
        ('{"0": [0], "1": [240]}', "client 1: row 240 is not an integer from 0 to 239"),
        ('{"0": [-1], "1": [1]}', "client 0: row -1 is not an integer"),
        ('{"0": [0], "1": [1.5]}', "client 1: row 1.5 is not an integer"),
        ('{"0": [0], "1": [true]}', "client 1: row True is not an integer"),
        ('{"0": [0], "1": [99999999999999999999999]}', "client 1: row 99999999999999999999999 is"),
        ('{"0": [0, 5], "1": [1, 5]}', "client 1: row 5 is listed twice, first for client 0"),
        ('{"0": [0], "1": [5, 5]}', "client 1: row 5 is listed twice, first for client 1"),
    ],
)
def test_wrong_partition_files_name_client_and_row(share, tmp_path, text, words):
    (tmp_path / "here" / "p.json").write_text(text, encoding="latin-1")

    with pytest.raises(DataError) as error:
        share({"kind": "file", "path": "p.json"}, clients=2)

    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_partition_file_lists_where_it_was_sought(share, tmp_path, monkeypatch):
    monkeypatch.setenv("PACELINE_DATA", str(tmp_path))

    with pytest.raises(DataError, match=rf"'p.json' is not in .*here, {tmp_path}; set data.dir"):
        share({"kind": "file", "path": "p.json"})


def test_a_changed_partition_file_is_read_again(parts, config, tmp_path):
    settings = config(clients=1, partition={"kind": "file", "path": "p.json"})
    data = source.load(settings)
    path = tmp_path / "here" / "p.json"

    path.write_text('{"0": [1, 2]}')
    assert parts(cached_assignment(settings, data, 1)) == [[1, 2]]
    path.write_text('{"0": [1, 2, 3]}')
    assert parts(cached_assignment(settings, data, 1)) == [[1, 2, 3]]
