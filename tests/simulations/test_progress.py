"""What a person sees of a run under way: one live line on a terminal, few plain lines elsewhere."""

import io
import os
import pty
import subprocess
import sys

import pytest

from federation.progress import Progress
from federation.results.spent import Spent
from federation.results.tables import RoundRow


def row(number, **changes):
    values = {
        "run": "tiny", "round": number, "schedule": "serial", "algorithm": "fedavg",
        "uplink_codec": "none", "downlink_codec": "none",
        "accuracy": None, "loss": None, "train_loss": None,
        "clients_selected": 2, "clients_counted": 2, "clients_failed": 0,
        "virtual_time_s": 90.0 * number, "wall_time_s": 0.1 * number,
        "uplink_bytes": 1000, "downlink_bytes": 2000, "peer_bytes": 500,
        "raw_uplink_bytes": 1000, "raw_downlink_bytes": 2000,
        "compute_j": None, "radio_j": None, "waiting_j": None, "network_j": None,
        "server_j": None, "carbon_g": None,
    }  # fmt: skip
    return RoundRow(**(values | changes))


def shown_to(live):
    """Shows one round after the other, with what they took together."""
    spent = Spent()

    def update(number, **changes):
        nonlocal spent
        spent = spent.after(row(number, **changes))
        live.update(row(number, **changes), spent)

    return update


class Clock:
    """Shows the time that the test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shown(clock):
    """The plain lines of a run of 1000 rounds, each of which takes a while."""

    def run(round_s, rounds=1000, **changes):
        stream = io.StringIO()
        with Progress("tiny", rounds, stream=stream, tick=clock) as live:
            update = shown_to(live)
            for number in range(rounds + 1):
                update(number, **changes)
                clock.now += round_s
        return stream.getvalue().splitlines()

    return run


def test_quick_rounds_show_the_first_and_the_last(shown):
    lines = shown(0.001)
    assert [line.split("  ")[1] for line in lines] == ["round 0/1000", "round 1000/1000"]


def test_slow_rounds_show_a_line_every_few_seconds_and_fewer_in_the_end(shown):
    assert len(shown(10.0, rounds=10)) == 11
    night = shown(36.0)  # ten hours
    assert 20 < len(night) < 150


def test_a_line_holds_accuracy_bytes_joules_and_the_time_left(clock):
    stream = io.StringIO()
    with Progress("tiny", 4, stream=stream, tick=clock) as live:
        update = shown_to(live)
        update(0, accuracy=0.1, uplink_bytes=0, downlink_bytes=0, peer_bytes=0)
        clock.now += 30
        update(1, compute_j=20.0, radio_j=1.4)
    first, second = stream.getvalue().splitlines()
    assert first == "tiny  round 0/4  accuracy 10.00%  0 B  0.0 s virtual"
    assert second == (
        "tiny  round 1/4  accuracy 10.00%  3.50 kB  21.4 J  1 min 30 s virtual  1 min 30 s left"
    )


def test_without_an_accuracy_the_loss_is_shown(clock):
    stream = io.StringIO()
    with Progress("tiny", 2, stream=stream, tick=clock) as live:
        update = shown_to(live)
        update(0, loss=2.5)
        clock.now += 30
        update(1)
    assert ["loss 2.5" in line for line in stream.getvalue().splitlines()] == [True, True]


def test_a_resumed_run_counts_its_own_rounds_for_the_time_left_and_all_for_the_bytes(clock):
    stream = io.StringIO()
    with Progress("tiny", 100, first_round=91, stream=stream, tick=clock) as live:
        clock.now += 10
        live.update(row(91), Spent(sent_bytes=90 * 3500).after(row(91)))
    line = stream.getvalue().rstrip()
    assert line.endswith("1 min 30 s left")
    assert "  318 kB  " in line


def test_the_round_that_ends_a_run_is_shown_and_nothing_is_left(clock):
    stream = io.StringIO()
    with Progress("tiny", 100, stream=stream, tick=clock) as live:
        update = shown_to(live)
        update(0)
        update(1)
        update(2, accuracy=0.97, stopped="accuracy 97% >= 97%")
    first, last = stream.getvalue().splitlines()
    assert first.startswith("tiny  round 0/100  ")
    assert last == "tiny  round 2/100  accuracy 97.00%  10.5 kB  3 min 00 s virtual"


def on_a_terminal(command, cwd, columns):
    """What a command writes to a terminal of that many columns."""
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(master)
    return process.wait(), written.decode()


def test_on_a_terminal_one_line_is_rewritten(repo_root, small, tmp_path):
    command = [sys.executable, "-m", "simulations", "run", str(small), "--out", str(tmp_path / "o")]
    code, screen = on_a_terminal(command, repo_root, 60)
    assert code == 0, screen
    assert "\x1b[2K" in screen, "the line is cleared before it is written again"
    assert "round 3/3" in screen
    assert "\x1b[?25h" in screen, "the cursor comes back"
    frames = [line for line in screen.replace("\r", "\n").split("\n") if "round 3/3" in line]
    assert all(len(line.replace("\x1b[2K", "")) <= 60 for line in frames)
