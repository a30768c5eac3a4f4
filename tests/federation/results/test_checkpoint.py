"""Checkpoints come back bit for bit, or not at all."""

import hashlib
import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.arrays import digest
from federation.errors import FolderError
from federation.results import checkpoint

DTYPES = ["<f4", "<f8", "<f2", "<i8", "<i4", "|i1", "|u1", "<u2", "|b1"]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
PARTS = st.dictionaries(NAMES, st.dictionaries(NAMES, ARRAYS, max_size=3), max_size=3)
SCALARS = st.dictionaries(NAMES, st.integers() | st.floats(allow_nan=False) | NAMES, max_size=4)


@pytest.fixture
def saved(tmp_path):
    parts = {"model": {"w": np.arange(600, dtype="f4").reshape(20, 30), "steps": np.int64(3)}}
    parts["model"]["steps"] = np.asarray(parts["model"]["steps"])
    return tmp_path, checkpoint.save(tmp_path, 7, parts, {"position": 3})


@given(PARTS, SCALARS)
def test_state_round_trips_bit_for_bit(tmp_path_factory, parts, scalars):
    folder = tmp_path_factory.mktemp("run")
    sha = checkpoint.save(folder, 3, parts, scalars)
    loaded, numbers = checkpoint.load(folder, 3, sha)
    assert numbers == scalars
    assert [*loaded] == [*parts]
    assert [[*arrays] for arrays in loaded.values()] == [[*arrays] for arrays in parts.values()]
    assert digest(loaded) == digest(parts)


def test_special_values_keep_their_bits(tmp_path):
    values = np.array([0.0, -0.0, np.inf, -np.inf, 5e-324, np.nan]).view("u8")
    values = np.append(values, np.uint64(0x7FF0DEADBEEF0001)).view("f8")  # a NaN with a payload
    sha = checkpoint.save(tmp_path, 0, {"a": {"b": values}}, {"nan": math.nan, "big": 2**70})
    parts, scalars = checkpoint.load(tmp_path, 0, sha)
    assert parts["a"]["b"].tobytes() == values.tobytes()
    assert math.isnan(scalars["nan"])
    assert scalars["big"] == 2**70


def test_views_are_saved_as_they_read(tmp_path):
    value = np.arange(24.0).reshape(4, 6)
    parts = {"p": {"transposed": value.T, "strided": value[::2, ::3], "reversed": value[::-1]}}
    loaded, _ = checkpoint.load(tmp_path, 1, checkpoint.save(tmp_path, 1, parts, {}))
    for name, expected in parts["p"].items():
        np.testing.assert_array_equal(loaded["p"][name], expected)


def test_parts_whose_names_hold_the_separator_do_not_mix(tmp_path):
    parts = {"a": {"b/c": np.zeros(1)}, "a/b": {"c": np.ones(1)}, "a%2Fb": {"c": np.full(1, 2.0)}}
    loaded, _ = checkpoint.load(tmp_path, 1, checkpoint.save(tmp_path, 1, parts, {}))
    assert digest(loaded) == digest(parts)


def test_loaded_arrays_can_be_changed(saved):
    folder, sha = saved
    parts, _ = checkpoint.load(folder, 7, sha)
    parts["model"]["w"] += 1
    assert checkpoint.load(folder, 7, sha)[0]["model"]["w"][0, 0] == 0


FILES = ["state.safetensors", "state.json", "MANIFEST.json"]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_by_name_at_any_length(saved, name):
    folder, sha = saved
    file = folder / "checkpoint" / "r000007" / name
    whole = file.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        file.write_bytes(whole[:length])
        with pytest.raises(FolderError, match=name):
            checkpoint.load(folder, 7, sha)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_by_name(saved, name):
    folder, sha = saved
    file = folder / "checkpoint" / "r000007" / name
    whole = file.read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.integers(0, 8 * len(whole), 100):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << (position % 8)
        file.write_bytes(damaged)
        with pytest.raises(FolderError, match=name):
            checkpoint.load(folder, 7, sha)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_remedy(saved, name):
    folder, sha = saved
    (folder / "checkpoint" / "r000007" / name).unlink()
    with pytest.raises(FolderError, match=rf"{name}: No such file.*start a new run"):
        checkpoint.load(folder, 7, sha)


def test_a_checkpoint_that_the_store_does_not_name_is_refused(saved):
    folder, _ = saved
    with pytest.raises(FolderError, match=r"MANIFEST\.json is damaged"):
        checkpoint.load(folder, 7, hashlib.sha256(b"another").hexdigest())


def names(folder):
    return sorted(path.name for path in (folder / "checkpoint").iterdir())


def test_the_newest_two_are_kept(tmp_path):
    for number in (0, 1, 5, 1_000_000):
        checkpoint.save(tmp_path, number, {}, {})
    assert names(tmp_path) == ["r000005", "r1000000"]


def test_what_a_crash_left_is_replaced_and_swept_up(tmp_path):
    checkpoint.save(tmp_path, 4, {}, {"attempt": 1})
    (tmp_path / "checkpoint" / ".r000003.tmp").mkdir()
    (tmp_path / "checkpoint" / ".r000003.tmp" / "state.safetensors").write_bytes(b"half")
    checkpoint.save(tmp_path, 3, {}, {"attempt": 1})
    sha = checkpoint.save(tmp_path, 3, {}, {"attempt": 2})
    assert names(tmp_path) == ["r000003"]
    assert checkpoint.load(tmp_path, 3, sha)[1] == {"attempt": 2}


def test_discard_after_removes_later_ones_only(tmp_path):
    for number in (8, 9):
        checkpoint.save(tmp_path, number, {}, {})
    checkpoint.discard_after(tmp_path, 8)
    assert names(tmp_path) == ["r000008"]


def test_a_full_disk_leaves_the_earlier_checkpoints(saved):
    folder, sha = saved
    script = """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from federation.errors import FolderError
        from federation.results import checkpoint

        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        try:
            checkpoint.save(Path(sys.argv[1]), 8, {"m": {"w": np.zeros(1 << 20)}}, {})
        except FolderError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "r000008" in done.stdout
    assert done.stdout.count("\n") == 1
    assert names(folder) == ["r000007"]
    checkpoint.load(folder, 7, sha)


def test_a_model_is_plain_safetensors_with_the_sha_that_is_returned(tmp_path):
    from safetensors.numpy import load_file

    model = {"layer.weight": np.arange(6, dtype="f4").reshape(2, 3), "scale": np.asarray(2.5)}
    sha = checkpoint.save_model(tmp_path / "model.safetensors", model)
    assert hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest() == sha
    loaded = load_file(tmp_path / "model.safetensors")
    assert digest({name: {"": value} for name, value in loaded.items()}) == digest(
        {name: {"": value} for name, value in model.items()}
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
