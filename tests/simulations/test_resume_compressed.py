"""A killed run with compression in both directions goes on with the same residuals and versions."""

import random

import pytest

SCENARIO = """
name = "compressed"
rounds = 20

[data]
source = "digits"
clients = 9
partition = { kind = "shards", shards_per_client = 2 }

[model]
name = "mlp"

[local]
lr = 0.1
steps = 2

[strategy]
schedule = "SCHEDULE"
clients_per_round = 3

[uplink]
codec = "topk(0.05) | int8 | range"
error_feedback = "FEEDBACK"

[downlink]
codec = "stc(0.05)"
"""


@pytest.mark.parametrize("kind", ["serial ef", "parallel ef21"])
def test_a_killed_run_ends_with_the_same_bits(
    start, paceline, here, tmp_path, bits, kill_after, kind
):
    moments, (schedule, feedback) = random.Random(kind), kind.split()
    path = tmp_path / "compressed.toml"
    path.write_text(SCENARIO.replace("SCHEDULE", schedule).replace("FEEDBACK", feedback))
    assert paceline("run", path, "--out", "undisturbed").code == 0
    again = ()
    for least in (1, 6):
        process = start("run", path, "--out", "out", *again)
        kill_after(process, here / "out", moments.randrange(least, least + 4), moments)
        again = ("--resume",)
    last = start("run", path, "--out", "out", *again).wait()
    assert last.code == 0, last
    assert bits(here / "out") == bits(here / "undisturbed")
