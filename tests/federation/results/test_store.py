"""The store: a round is all there or not at all, and the pointer says which one counts."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import FolderError
from federation.results.store import Store
from federation.results.tables import TABLES, ClientRow, ExchangeRow, RoundRow, columns

COMMITTER = """
    import sys
    from pathlib import Path
    from federation.results.store import Store
    from federation.results.tables import ClientRow, ExchangeRow, RoundRow, columns

    def row(kind, **values):
        blank = {int: 0, float: 0.0, str: ""}
        return kind(**({c.name: blank[c.type] for c in columns(kind)} | values))

    with Store.open(Path(sys.argv[1])) as store:
        for number in range(100_000):
            store.commit(
                [row(RoundRow, round=number)],
                [row(ClientRow, round=number, client=client) for client in range(40)],
                [row(ExchangeRow, round=number, exchange=each) for each in range(80)],
                number,
                f"sha-{number}",
            )
            print(number, flush=True)
"""


def count(store, kind):
    return sum(1 for _ in store.rows(kind))


def test_a_commit_gives_back_the_same_rows(tmp_path, round_row, client_row, exchange_row):
    rounds = [round_row(0, accuracy=0.1), round_row(1, loss=2.5, carbon_g_low=0.25)]
    clients = [client_row(1, 5), client_row(1, 2, status="failed", reason="out of memory")]
    exchanges = [exchange_row(1, number) for number in range(3)]
    with Store.open(tmp_path) as store:
        store.commit(rounds, clients, exchanges, 1, "sha")
        assert store.committed() == (1, "sha")
    with Store.open(tmp_path) as store:
        assert store.committed() == (1, "sha")
        assert list(store.rows(RoundRow)) == rounds
        assert list(store.rows(ClientRow)) == clients
        assert list(store.rows(ExchangeRow)) == exchanges


def test_nothing_is_committed_at_first(tmp_path):
    with Store.open(tmp_path) as store:
        assert store.committed() is None
        assert not store.is_finished()


def test_a_commit_that_fails_leaves_nothing(tmp_path, round_row, client_row):
    with Store.open(tmp_path) as store:
        store.commit([round_row(0)], [], [], 0, "first")
        with pytest.raises(sqlite3.IntegrityError):
            store.commit([round_row(1)], [client_row(1, 1, status=None)], [], 1, "second")
        assert count(store, RoundRow) == 1
        assert store.committed() == (0, "first")


def test_a_round_cannot_be_counted_twice(tmp_path, round_row):
    with Store.open(tmp_path) as store:
        store.commit([round_row(1)], [], [], 1, "sha")
        with pytest.raises(sqlite3.IntegrityError):
            store.commit([round_row(1)], [], [], 1, "sha")


@given(st.lists(st.integers(0, 2**40), unique=True, min_size=1, max_size=5), st.data())
def test_discard_after_keeps_what_is_up_to_that_round(tmp_path_factory, numbers, data):
    rounds = sorted(numbers)
    last = data.draw(st.sampled_from([-1, *rounds]))
    with Store.open(tmp_path_factory.mktemp("store")) as store:
        for number in rounds:
            blank = {int: number, float: 0.0, str: ""}
            row = RoundRow(**{c.name: blank[c.type] for c in columns(RoundRow)})
            store.commit([row], [], [], number, f"sha-{number}")
        store.discard_after(last)
        assert [row.round for row in store.rows(RoundRow)] == [n for n in rounds if n <= last]
        expected = (last, f"sha-{last}") if last == rounds[-1] else None
        assert store.committed() == expected


def test_finished_holds_until_the_next_commit(tmp_path, round_row):
    with Store.open(tmp_path) as store:
        store.commit([round_row(0)], [], [], 0, "sha")
        store.finish()
        assert store.is_finished()
        store.commit([round_row(1)], [], [], 1, "sha")
        assert not store.is_finished()


def test_a_finished_store_is_one_file(tmp_path, round_row):
    with Store.open(tmp_path) as store:
        store.commit([round_row(0)], [], [], 0, "sha")
        store.finish()
    with Store.view(tmp_path) as store:
        assert store.is_finished()
        assert os.listdir(tmp_path) == ["run.sqlite"]


def test_a_reader_sees_the_committed_rows_of_a_run_under_way(tmp_path, round_row):
    with Store.open(tmp_path) as driver:
        driver.commit([round_row(0)], [], [], 0, "sha")
        with Store.view(tmp_path) as reader:
            driver.commit([round_row(1)], [], [], 1, "sha")
            assert [row.round for row in reader.rows(RoundRow)] == [0, 1]
            with pytest.raises(FolderError, match="readonly"):
                reader.discard_after(0)


def test_only_the_owner_may_read_the_store(tmp_path, round_row):
    before = os.umask(0)
    try:
        with Store.open(tmp_path) as store:
            store.commit([round_row(0)], [], [], 0, "sha")
            for file in tmp_path.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(before)


def test_a_file_that_is_no_store_is_refused_by_name(tmp_path):
    (tmp_path / "run.sqlite").write_text("not a database at all, but long enough to be read" * 99)
    with pytest.raises(FolderError, match=r"run\.sqlite.*not a database"):
        Store.open(tmp_path)


def test_a_store_of_another_version_is_refused(tmp_path):
    with Store.open(tmp_path):
        pass
    database = sqlite3.connect(tmp_path / "run.sqlite")
    database.execute("ALTER TABLE rounds ADD COLUMN novelty REAL")
    database.close()
    with pytest.raises(FolderError, match="another version"):
        Store.open(tmp_path)


@pytest.mark.parametrize("commits", [1, 4, 16])
def test_rounds_are_complete_after_a_kill(tmp_path, commits):
    script = textwrap.dedent(COMMITTER)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(commits):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    with Store.open(tmp_path) as store:
        last, checkpoint = store.committed()
        assert last >= said  # what was reported as committed is there
        assert checkpoint == f"sha-{last}"
        assert [row.round for row in store.rows(RoundRow)] == list(range(last + 1))
        assert count(store, ClientRow) == 40 * (last + 1)
        assert count(store, ExchangeRow) == 80 * (last + 1)


def test_an_export_has_the_columns_in_order_also_when_empty(tmp_path):
    with Store.open(tmp_path) as store:
        store.export(tmp_path)
    for table, kind in TABLES.items():
        exported = pq.read_table(tmp_path / f"{table}.parquet")
        assert exported.num_rows == 0
        assert exported.column_names == [column.name for column in columns(kind)]


def test_an_export_is_by_round_then_as_inserted(tmp_path, exchange_row, monkeypatch):
    monkeypatch.setattr("federation.results.store._BATCH", 2)
    with Store.open(tmp_path) as store:
        store.commit([], [], [exchange_row(2, 7), exchange_row(1, 9), exchange_row(2, 3)], 2, "a")
        store.commit([], [], [exchange_row(1, 1)], 2, "a")
        store.export(tmp_path)
    exported = pq.read_table(tmp_path / "exchanges.parquet")
    pairs = zip(exported["round"].to_pylist(), exported["exchange"].to_pylist(), strict=True)
    assert list(pairs) == [(1, 9), (1, 1), (2, 7), (2, 3)]
    assert exported["network_j"].to_pylist() == [0.125] * 4
    assert exported["radio_j"].to_pylist() == [None] * 4


def test_the_same_rows_export_to_the_same_bytes(tmp_path, round_row, exchange_row):
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        with Store.open(folder) as store:
            store.commit([round_row(1)], [], [exchange_row(1, n) for n in range(9)], 1, name)
            store.export(folder)
        contents.append([(folder / f"{table}.parquet").read_bytes() for table in TABLES])
    assert contents[0] == contents[1]


def test_a_commit_onto_a_full_disk_is_one_clear_line_and_leaves_the_store_as_it_was(tmp_path):
    script = """
        import resource, sys
        from pathlib import Path
        from federation.errors import FolderError
        from federation.results.store import Store
        from federation.results.tables import ExchangeRow, columns

        blank = {int: 0, float: 0.0, str: "x" * 1000}
        row = ExchangeRow(**{c.name: blank[c.type] for c in columns(ExchangeRow)})
        store = Store.open(Path(sys.argv[1]))
        store.commit([], [], [row], 1, "first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            store.commit([], [], [row] * 1000, 2, "second")
        except FolderError as error:
            print(error)
        assert store.committed() == (1, "first")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1
    assert str(tmp_path / "run.sqlite") in done.stdout
    with Store.open(tmp_path) as store:
        assert store.committed() == (1, "first")
        assert count(store, ExchangeRow) == 1
