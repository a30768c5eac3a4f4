"""The run folder: one driver at a time, and a state that can be told from outside."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from federation.errors import FolderError, RunError
from federation.results import checkpoint
from federation.results.folder import RunFolder, find_runs, free_folder
from federation.results.store import Store
from federation.results.tables import RoundRow

HOLDER = """
    import sys, time
    from pathlib import Path
    from federation.results.folder import RunFolder

    with RunFolder.open(Path(sys.argv[1])).lock():
        print("locked", flush=True)
        time.sleep(600)
"""


def finish(folder, rounds):
    with folder.drive() as store:
        sha = checkpoint.save(folder.path, rounds[-1].round, {}, {})
        store.commit(rounds, [], [], rounds[-1].round, sha)
        checkpoint.save_model(folder.model_path, {"w": np.zeros(2)})
        store.export(folder.path)
        store.finish()


def test_a_new_folder_is_private_and_unfinished(run_folder):
    assert run_folder.scenario_path.read_text().startswith('name = "tiny"')
    assert json.loads((run_folder.path / "environment.json").read_text()) == {"python": "3"}
    assert stat.S_IMODE(run_folder.path.stat().st_mode) == 0o700
    assert run_folder.status() == "unfinished"
    assert RunFolder.open(run_folder.path) == run_folder


def test_a_folder_is_not_created_twice(run_folder):
    with pytest.raises(FolderError, match=r"exists already: resume it \(--resume\)"):
        RunFolder.create(run_folder.path, "", {})


def test_a_folder_with_other_things_in_it_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(FolderError, match="exists already"):
        RunFolder.create(tmp_path, "", {})


def test_what_a_crash_left_of_create_is_taken_over(run_folder):
    run_folder.scenario_path.unlink()
    assert RunFolder.create(run_folder.path, "rounds = 1\n", {}).status() == "unfinished"


def test_opening_what_is_no_run_says_what_is_missing(tmp_path):
    with pytest.raises(FolderError, match=r"needs scenario\.toml and run\.sqlite or rounds"):
        RunFolder.open(tmp_path)


def test_a_finished_run_has_model_tables_and_the_mark(run_folder, round_row):
    rounds = [round_row(0, accuracy=0.1), round_row(1)]
    finish(run_folder, rounds)
    assert run_folder.status() == "finished"
    assert run_folder.rounds() == rounds
    for name in ("model.safetensors", "rounds.parquet", "exchanges.parquet"):
        aside = run_folder.path / "aside"
        (run_folder.path / name).rename(aside)
        assert run_folder.status() == "unfinished"
        aside.rename(run_folder.path / name)
    with Store.open(run_folder.path) as store:
        store.commit([round_row(2)], [], [], 2, "sha")
    assert run_folder.status() == "unfinished"


def test_tables_alone_are_a_finished_run(run_folder, round_row):
    finish(run_folder, [round_row(0)])
    (run_folder.path / "run.sqlite").unlink()
    run_folder.model_path.unlink()
    assert RunFolder.open(run_folder.path).status() == "finished"
    assert run_folder.rounds() == [round_row(0)]


def test_a_damaged_table_is_named(run_folder, round_row):
    finish(run_folder, [round_row(0)])
    table = run_folder.path / "rounds.parquet"
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(FolderError, match=r"rounds\.parquet"):
        run_folder.rounds()


def test_an_error_leaves_its_reason_until_the_next_drive(run_folder):
    with pytest.raises(RunError), run_folder.drive():
        raise RunError("no client\nis left")
    assert run_folder.status() == "failed"
    assert run_folder.failure() == "no client is left"
    assert "Traceback" in run_folder.failed_path.read_text()
    with run_folder.drive():
        assert run_folder.failure() is None
    assert run_folder.status() == "unfinished"


def test_a_failure_of_ours_is_named_by_its_kind(run_folder):
    with pytest.raises(ZeroDivisionError), run_folder.drive():
        1 / 0  # noqa: B018
    assert run_folder.failure() == "ZeroDivisionError: division by zero"


def test_an_interrupt_is_not_a_failure(run_folder):
    with pytest.raises(KeyboardInterrupt), run_folder.drive():
        raise KeyboardInterrupt
    assert run_folder.status() == "unfinished"


def test_drive_goes_on_after_the_last_committed_round(run_folder, round_row):
    with run_folder.drive() as store:
        sha = checkpoint.save(run_folder.path, 1, {}, {"position": 5})
        store.commit([round_row(0), round_row(1)], [], [], 1, sha)
        checkpoint.save(run_folder.path, 2, {}, {"position": 6})  # and a crash before its commit
    with run_folder.drive() as store:
        assert store.committed() == (1, sha)
        assert checkpoint.load(run_folder.path, 1, sha)[1] == {"position": 5}
        assert os.listdir(run_folder.path / "checkpoint") == ["r000001"]
        assert [row.round for row in store.rows(RoundRow)] == [0, 1]


def test_a_second_driver_is_refused_with_the_first_ones_process(run_folder):
    with (
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDER), str(run_folder.path)],
            stdout=subprocess.PIPE,
        ) as holder,
    ):
        assert holder.stdout.readline() == b"locked\n"
        with (
            pytest.raises(FolderError, match=f"in use by process {holder.pid}:"),
            run_folder.drive(),
        ):
            pass
        assert run_folder.failure() is None  # the refused one has not touched the first one's run
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with run_folder.drive():  # the lock went with its process
        pass


def test_a_folder_is_locked_within_one_process_too(run_folder):
    with (
        run_folder.lock(),
        pytest.raises(FolderError, match=f"process {os.getpid()}"),
        run_folder.lock(),
    ):
        pass


KILLED = """
    import sys
    from pathlib import Path
    import numpy as np
    from federation.results import checkpoint
    from federation.results.folder import RunFolder
    from federation.results.tables import RoundRow, columns

    folder = RunFolder.open(Path(sys.argv[1]))
    blank = {int: 0, float: 0.0, str: ""}
    with folder.drive() as store:
        pointer = store.committed()
        first = 0 if pointer is None else pointer[0] + 1
        for number in range(first, 100_000):
            value = {"model": {"w": np.full(5000, number)}}
            sha = checkpoint.save(folder.path, number, value, {"round": number})
            cells = {c.name: blank[c.type] for c in columns(RoundRow)} | {"round": number}
            store.commit([RoundRow(**cells)], [], [], number, sha)
            print(number, flush=True)
"""


def test_a_committed_state_can_be_loaded_after_a_kill_at_any_instant(run_folder):
    rng = np.random.default_rng(0)
    reached = -1
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(run_folder.path)],
            stdout=subprocess.PIPE,
        ) as process:
            said = int(process.stdout.readline())
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=float(rng.uniform(0, 0.05)))
            process.send_signal(signal.SIGKILL)
        assert said > reached
        with Store.view(run_folder.path) as store:
            reached, sha = store.committed()
            assert [row.round for row in store.rows(RoundRow)] == list(range(reached + 1))
        parts, scalars = checkpoint.load(run_folder.path, reached, sha)
        assert scalars == {"round": reached}
        assert (parts["model"]["w"] == reached).all()


def test_the_first_free_folder(tmp_path):
    base = tmp_path / "mnist"
    taken = []
    for _ in range(3):
        taken.append(free_folder(base))
        taken[-1].mkdir()
    assert [path.name for path in taken] == ["mnist", "mnist-2", "mnist-3"]


def test_runs_are_found_at_and_below_a_folder(tmp_path):
    for name in ("b", "a/deep/run", "a/.hidden"):
        RunFolder.create(tmp_path / name, "rounds = 1\n", {})
    assert find_runs(tmp_path) == [tmp_path / "a/deep/run", tmp_path / "b"]
    assert find_runs(tmp_path / "b") == [tmp_path / "b"]


def test_no_run_says_what_was_looked_for(tmp_path):
    with pytest.raises(FolderError, match=r"no run at or below .*scenario\.toml and run\.sqlite"):
        find_runs(tmp_path)
    with pytest.raises(FolderError, match="no such folder"):
        find_runs(Path(tmp_path / "absent"))
