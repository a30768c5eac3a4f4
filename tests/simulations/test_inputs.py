"""What a scenario names by path stays with the run: repeated elsewhere, resumed, changed, lost."""

import json
import shutil

import pytest

from federation.energy.catalogue import SHIPPED
from simulations import inputs, prepare
from simulations.named_files import named

DEVICE = """
title = "Mine"
class = "board"
boundary = "wall"
source = "plug meter"
status = "M"
idle_w = 2.0
train_w = 6.0
training_flop_per_s = 4e9
"""
NETWORK = """
title = "Office"
source = "iperf3"
status = "M"
down_mbit_per_s = 8
up_mbit_per_s = 2
round_trip_ms = 100
"""
GRID = "# unit = g/kWh\n# kind = average\ntime_s,DE\n0,400\n3600,300\n"
MAPS = """Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Data source
2023-01-01 00:00:00,Germany,Germany,{zone},300,350,opendata
2023-01-01 01:00:00,Germany,Germany,{zone},310,360,opendata
"""
ALWAYS = "client,start_s,end_s\n0,0,86400\n"
FLEET = (
    'fleet=[{ device = "boards/mine.toml", network = "office.toml", region = "DE", share = 0.5 },'
    ' { region = "DE", share = 0.5, availability = { kind = "trace", path = "always.csv" } }]'
)
SETTINGS = (
    FLEET,
    "energy.carbon=grid.csv",
    'data.partition={ kind = "file", path = "rows.json" }',
)
WORDS = [word for text in SETTINGS for word in ("--set", text)]


@pytest.fixture
def files(here):
    """All kinds of files that a scenario may name, in the current folder."""
    (here / "boards").mkdir()
    (here / "boards" / "mine.toml").write_text(DEVICE)
    (here / "office.toml").write_text(NETWORK)
    (here / "grid.csv").write_text(GRID)
    (here / "always.csv").write_text(ALWAYS)
    rows = {str(client): list(range(client * 100, client * 100 + 100)) for client in range(8)}
    (here / "rows.json").write_text(json.dumps(rows))
    return here


@pytest.fixture
def ran(paceline, small, files):
    """A finished run on all of them, in `out`."""
    assert paceline("run", small, *WORDS, "--out", "out").code == 0
    return files / "out"


def forget_results(folder):
    """As if the run had been stopped before its end."""
    (folder / "model.safetensors").unlink()


def test_all_files_named_by_path_are_found(files, small):
    (run,) = prepare.plan(str(small), SETTINGS, None, resume=False)
    assert [(one.key, one.kind, one.path) for one in named(run.said)] == [
        ("fleet.0.device", "device", "boards/mine.toml"),
        ("fleet.0.network", "network", "office.toml"),
        ("fleet.1.availability.path", "availability", "always.csv"),
        ("energy.carbon", "carbon", "grid.csv"),
        ("data.partition.path", "partition", "rows.json"),
    ]


def test_a_run_keeps_a_copy_of_each_and_the_paths_as_written(ran, files):
    kept = {
        "device": "boards/mine.toml",
        "network": "office.toml",
        "availability": "always.csv",
        "carbon": "grid.csv",
        "partition": "rows.json",
    }
    index = json.loads((ran / "inputs" / "index.json").read_text())
    assert {entry["kind"]: entry["path"] for entry in index} == kept
    for entry in index:
        assert (ran / entry["kept"]).read_bytes() == (files / entry["path"]).read_bytes()
    assert 'device = "boards/mine.toml"' in (ran / "scenario.toml").read_text()


@pytest.mark.parametrize("carbon", SHIPPED)
def test_a_run_that_names_no_file_keeps_none(paceline, small, here, carbon):
    words = ("--set", "fleet.0.region=DEU", "--set", f"energy.carbon={carbon}")
    assert paceline("run", small, *words, "--out", "out").code == 0
    assert not (here / "out" / "inputs").exists()


def test_a_copied_folder_repeats_the_run_without_the_files(ran, files, paceline, bits, tmp_path):
    away = tmp_path / "another machine" / "run"
    shutil.copytree(ran, away)
    for name in ("boards", "office.toml", "grid.csv", "always.csv", "rows.json"):
        path = files / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert paceline("run", away, "--out", "again").code == 0
    assert bits(files / "again") == bits(ran)
    assert (files / "again" / "scenario.toml").read_text() == (ran / "scenario.toml").read_text()
    again = (files / "again" / "inputs" / "index.json").read_text()
    assert again == (ran / "inputs" / "index.json").read_text()


def test_a_copied_folder_repeats_the_run_whatever_lies_where_the_files_lay(
    ran, files, paceline, bits
):
    (files / "office.toml").write_text(
        NETWORK.replace("down_mbit_per_s = 8", "down_mbit_per_s = 9")
    )
    assert paceline("run", "out", "--out", "again").code == 0
    assert bits(files / "again") == bits(ran)


@pytest.mark.parametrize(
    "change",
    [
        ("boards/mine.toml", "train_w = 6.0", "train_w = 7.0", "fleet.0.device"),
        ("office.toml", "up_mbit_per_s = 2", "up_mbit_per_s = 1", "fleet.0.network"),
        ("always.csv", "86400", "86401", "fleet.1.availability.path"),
        ("grid.csv", "3600,300", "3600,301", "energy.carbon"),
        ("rows.json", "[0,", "[799,", "data.partition.path"),
    ],
)
def test_a_resume_with_a_changed_file_is_refused_by_name(ran, files, refused, small, change):
    forget_results(ran)
    name, old, new, key = change
    path = files / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    said = refused("run", small, *WORDS, "--out", "out", "--resume")
    assert f"out was made with another {path.name} ({key}): restore it (its copy is out/" in said
    assert said.rstrip().endswith("or choose another --out")


def test_a_resume_goes_on_without_the_files(ran, files, paceline, small, bits):
    before = bits(ran)
    forget_results(ran)
    shutil.rmtree(files / "boards")
    (files / "rows.json").unlink()
    (files / "grid.csv").unlink()
    assert paceline("run", small, *WORDS, "--out", "out", "--resume").code == 0
    assert bits(ran) == before


def test_a_run_reads_its_copy_when_it_goes_on_from_its_own_folder(ran, files, paceline, bits):
    before = bits(ran)
    forget_results(ran)
    (files / "boards" / "mine.toml").write_text("something else")
    assert paceline("run", "out", "--resume").code == 0
    assert bits(ran) == before


@pytest.mark.parametrize("reference", ["scenario", "folder"])
def test_a_trace_with_more_rows_takes_the_place_of_its_copy(ran, files, paceline, small, reference):
    forget_results(ran)
    (files / "grid.csv").write_text(GRID + "7200,200\n")
    run = ("run", small, *WORDS, "--out", "out") if reference == "scenario" else ("run", "out")
    assert paceline(*run, "--resume").code == 0
    assert (ran / "inputs" / "carbon" / "grid.csv").read_text() == GRID + "7200,200\n"
    again = paceline("run", small, *WORDS, "--out", "out", "--resume")
    assert "finished already" in again.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "device/mine.toml",
            DEVICE + "note = 'x'",
            "device/mine.toml is not what the run was made",
        ),
        ("index.json", "[{", "index.json cannot be read: "),
    ],
)
def test_a_copy_that_is_damaged_is_said(ran, refused, name, content, words):
    path = ran / "inputs" / name
    path.write_text(content)
    assert words in refused("run", "out", "--out", "again")


def test_a_copy_that_is_gone_is_replaced_by_the_same_file_only(ran, files, refused, paceline, bits):
    (ran / "inputs" / "device" / "mine.toml").unlink()
    assert paceline("run", "out", "--out", "again").code == 0
    assert bits(files / "again") == bits(ran)
    mine = files / "boards" / "mine.toml"
    mine.write_text(DEVICE + "note = 'x'")
    said = refused("run", "out", "--out", "third")
    assert "fleet.0.device: boards/mine.toml is not what the run was made with; restore it" in said
    mine.unlink()
    said = refused("run", "out", "--out", "third")
    assert "fleet.0.device: out/inputs/device/mine.toml is not there; restore it" in said


def test_of_a_large_file_only_the_digest_is_kept(files, paceline, refused, small, monkeypatch):
    monkeypatch.setattr(inputs, "MOST_BYTES", 100)
    assert paceline("run", small, *WORDS, "--out", "out").code == 0
    out = files / "out"
    kept = {entry["kind"]: entry["kept"] for entry in json.loads((out / inputs.INDEX).read_text())}
    assert kept["device"] is None
    assert kept["availability"] == "inputs/availability/always.csv"
    forget_results(out)
    assert paceline("run", small, *WORDS, "--out", "out", "--resume").code == 0
    (files / "boards" / "mine.toml").write_text(DEVICE + "note = 'x'")
    said = refused("run", "out", "--out", "again")
    assert "fleet.0.device: boards/mine.toml is not what the run was made with; restore it" in said


def test_a_folder_of_traces_is_kept_whole(here, paceline, small, bits):
    (here / "maps").mkdir()
    for zone in ("DE", "FR"):
        (here / "maps" / f"{zone}_2023_hourly.csv").write_text(MAPS.format(zone=zone))
    words = ("--set", 'fleet=[{ region = "FR" }]', "--set", "energy.carbon=maps")
    assert paceline("run", small, *words, "--out", "out").code == 0
    kept = sorted(path.name for path in (here / "out" / "inputs" / "carbon" / "maps").iterdir())
    assert kept == ["DE_2023_hourly.csv", "FR_2023_hourly.csv"]
    shutil.rmtree(here / "maps")
    assert paceline("run", "out", "--out", "again").code == 0
    assert bits(here / "again") == bits(here / "out")


def test_two_files_of_one_kind_have_places_of_their_own(here, small):
    for name in ("a", "b"):
        (here / name).mkdir()
        (here / name / "online.csv").write_text(ALWAYS + f"1,0,{len(name)}\n")
    shares = ", ".join(
        f'{{ share = 0.25, availability = {{ kind = "trace", path = "{name}/online.csv" }} }}'
        for name in ("a", "b", "a", "b")
    )
    (run,) = prepare.plan(str(small), [f"fleet=[{shares}]"], None, resume=False)
    made = inputs.contents(run.said, run.scenario)
    assert list(made) == [
        "inputs/availability/online.csv",
        "inputs/availability-2/online.csv",
        "inputs/index.json",
    ]


def test_a_run_killed_while_its_inputs_were_copied_begins_again(files, paceline, small):
    (files / "out" / "inputs" / "device").mkdir(parents=True)
    (files / "out" / "inputs" / "device" / "mine.toml").write_text("half")
    assert paceline("run", small, *WORDS, "--out", "out", "--resume").code == 0
    kept = files / "out" / "inputs" / "device" / "mine.toml"
    assert kept.read_text() == DEVICE
