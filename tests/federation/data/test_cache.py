"""The cache is built once, is never seen half written, and mends itself."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from federation.data import cache, source
from federation.data.cache import Entry
from federation.errors import DataError


def entry(value=1):
    return Entry({"rows": np.full(100, value)}, {"note": "kept"})


def never():
    raise AssertionError("must not be built again")


def test_an_entry_is_built_once_and_mapped(cache_dir):
    first = cache.fetch("kind", "key", entry)
    again = cache.fetch("kind", "key", never)

    np.testing.assert_array_equal(first.arrays["rows"], again.arrays["rows"])
    assert again.meta == {"note": "kept"}
    assert not again.arrays["rows"].flags.writeable
    assert isinstance(again.arrays["rows"].base, np.memmap)
    assert [path.name for path in (cache_dir / "kind").iterdir()] == ["key"]


def truncate(folder):
    path = folder / "rows.npy"
    path.write_bytes(path.read_bytes()[:-8])


def empty(folder):
    (folder / "rows.npy").write_bytes(b"")


def lose_an_array(folder):
    (folder / "rows.npy").unlink()


def lose_the_meta(folder):
    (folder / "meta.json").unlink()


def garble_the_meta(folder):
    (folder / "meta.json").write_text('{"arrays": [')


def replace_an_array(folder):
    np.save(folder / "rows.npy", np.zeros(99))


def pickle_an_array(folder):
    np.save(folder / "rows.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        empty,
        lose_an_array,
        lose_the_meta,
        garble_the_meta,
        replace_an_array,
        pickle_an_array,
    ],
)
def test_a_damaged_entry_is_built_again(cache_dir, damage):
    cache.fetch("kind", "key", entry)
    damage(cache_dir / "kind" / "key")

    mended = cache.fetch("kind", "key", lambda: entry(2))

    assert mended.arrays["rows"].tolist() == [2] * 100
    assert cache.fetch("kind", "key", never).arrays["rows"][0] == 2
    assert [path.name for path in (cache_dir / "kind").iterdir()] == ["key"]


def test_a_failed_build_leaves_nothing(cache_dir):
    with pytest.raises(AssertionError):
        cache.fetch("kind", "key", never)
    with pytest.raises(ValueError, match="Object arrays"):
        cache.fetch("kind", "key", lambda: Entry({"x": np.array([{}])}, {}))

    assert list(cache_dir.glob("kind/*")) == []


FETCH = """
import sys, time
import numpy as np
from federation.data import cache

def build():
    time.sleep(0.2)  # long enough for all to find the place empty
    return cache.Entry({"rows": np.ones(100, int)}, {})

print("ready", flush=True)
sys.stdin.readline()
print(cache.fetch("kind", "key", build).arrays["rows"].sum())
"""


def test_processes_that_build_at_once_all_get_the_entry(cache_dir, repo_root):
    command = [sys.executable, "-c", FETCH]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, cwd=repo_root, **pipes) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    sums = [worker.communicate(timeout=60)[0].strip() for worker in workers]

    assert sums == ["100"] * 4
    assert [path.name for path in (cache_dir / "kind").iterdir()] == ["key"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "file"))

    with pytest.raises(DataError, match=r"^cache folder .*file/kind: .* set PACELINE_CACHE"):
        cache.fetch("kind", "key", entry)


def test_without_a_setting_the_cache_is_the_users(monkeypatch):
    monkeypatch.delenv("PACELINE_CACHE")

    assert cache.root().name == "paceline"


def test_a_changed_file_is_read_again(config, parquet):
    path = parquet({"x": [1.0, 2.0], "y": [0, 1]})
    before = source.load(config(path))
    parquet({"x": [3.0, 4.0], "y": [0, 1]})
    os.utime(path, ns=(1, 1))

    after = source.load(config(path))

    assert before.fingerprint != after.fingerprint
    assert float(after.train.x.sum() + after.test.x.sum()) == 7


def test_other_columns_are_another_entry(config, parquet):
    path = parquet({"x": [1.0, 2.0], "z": [5.0, 5.0], "y": [0, 1]})

    assert source.load(config(path)).train.x[0, 0] in (1.0, 2.0)
    assert source.load(config(path, input="z")).train.x[0, 0] == 5.0


STARTED = """
import json, sys
from federation.data import source
from federation.data.partition import cached_assignment
from federation.scenario.schema import DataConfig

recipe = {"kind": "dirichlet", "alpha": 0.5}
config = DataConfig(source="digits", clients=20, partition=recipe)
data = source.load(config)
rows = cached_assignment(config, data, 1).rows_of(3)
data.inputs(data.train, rows, True)
heavy = "pandas sklearn scipy flwr_datasets datasets matplotlib pyarrow PIL torch ray".split()
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def start(repo_root):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STARTED],
        cwd=repo_root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout), done.stderr


def test_a_process_that_finds_all_in_the_cache_imports_nothing_heavy(repo_root):
    first, noise = start(repo_root)
    second, _ = start(repo_root)

    assert {"sklearn", "flwr_datasets"} <= set(first)
    assert noise == ""
    assert second == []
