"""Lies in the numbers and records of a reply."""

import numpy as np
import pandas as pd
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from federation.messages import error_content, payloads_of, reply_content

JUNK_BYTES = 10_000_000


def numbers(**changed):
    """Other metrics; None takes one out."""

    def lie(content, chain):
        metrics = {**content["metrics"], **changed}
        kept = {name: value for name, value in metrics.items() if value is not None}
        return RecordDict({**content, "metrics": MetricRecord(kept)})

    return lie


def metered(**changed):
    """An honest meter's reading beside the honest numbers, but for what is changed."""
    honest = {"meter_s": 5.0, "meter_flags": 0, "meter_j": 60.0}
    return numbers(**{**honest, "meter_source": 0, "meter_scope": 4, **changed})


def records(**changed):
    """Other records; None takes one out."""

    def lie(content, chain):
        merged = {**content, **changed}
        return RecordDict({name: record for name, record in merged.items() if record is not None})

    return lie


def parts(make):
    """The honest payload under other names."""

    def lie(content, chain):
        return reply_content(content["metrics"], make(payloads_of(content)["model"]))

    return lie


def typed(stype):
    return ArrayRecord({"model": Array("uint8", (1,), stype, b"x")})


LIES = {
    "weight 0": (numbers(weight=0.0), r"weight 0 is not in \(0, 1e\+12\]"),
    "weight -90": (numbers(weight=-90), "weight -90 is not in"),
    "weight nan": (numbers(weight=np.nan), "metric 'weight' is nan"),
    "weight inf": (numbers(weight=np.inf), "metric 'weight' is inf"),
    "weight 1e300": (numbers(weight=1e300), r"metric 'weight' is 1e\+300"),
    "weight 2**63 - 1": (numbers(weight=2**63 - 1), r"metric 'weight' is 9.2\d+e\+18"),
    "weight 1e13": (numbers(weight=1e13), r"weight 1e\+13 is not in"),
    "no weight": (numbers(weight=None), "no metric 'weight'"),
    "a weight no message can hold": (numbers(weight=10**400), "cannot be serialised"),
    "examples -1": (numbers(examples=-1), "metric 'examples' is -1, not between"),
    "examples 1e300": (numbers(examples=1e300), r"metric 'examples' is 1e\+300"),
    "examples 2.5": (numbers(examples=2.5), "metric 'examples' is 2.5, not a whole number"),
    "steps nan": (numbers(steps=np.nan), "metric 'steps' is nan"),
    "no steps": (numbers(steps=None), "no metric 'steps'"),
    "processed -5": (numbers(processed=-5), "metric 'processed' is -5"),
    "processed 1e200": (numbers(processed=1e200), r"metric 'processed' is 1e\+200"),
    "no processed": (numbers(processed=None), "no metric 'processed'"),
    "train_loss nan": (numbers(train_loss=np.nan), "metric 'train_loss' is nan"),
    "train_loss 1e300": (numbers(train_loss=1e300), r"metric 'train_loss' is 1e\+300"),
    "joules -1": (metered(meter_j=-1.0), "metric 'meter_j' is -1, not between 0"),
    "joules nan": (metered(meter_j=np.nan), "metric 'meter_j' is nan"),
    "joules 1e12": (metered(meter_j=1e12), r"metric 'meter_j' is 1e\+12"),
    "an unknown scope": (metered(meter_scope=9), "metric 'meter_scope' is 9"),
    "half a reading": (metered(meter_source=None), "a meter's reading without 'meter_source'"),
    "a list": (numbers(train_loss=[0.5, 0.5]), "metric 'train_loss' is a list"),
    "an absurd metric of its own": (numbers(own=-1e300), r"metric 'own' is -1e\+300"),
    "a name of a megabyte": (numbers(**{"own\n" * 250_000: 1e300}), r"metric 'own\\nown"),
    "many metrics": (numbers(**{f"m{i}": 1.0 for i in range(2000)}), r"holds 200\d metrics"),
    "no metrics": (records(metrics=None), "the reply holds no metrics"),
    "text": (records(metrics=ConfigRecord({"weight": "ten"})), "the reply holds no metrics"),
    "no parts": (records(parts=None), "the message holds no parts"),
    "numbers as parts": (records(parts=MetricRecord({"model": 1})), "the message holds no parts"),
    "an array as Flower's": (records(parts=typed("numpy.ndarray")), "not 'paceline'"),
    "half an error": (records(reply=ConfigRecord()), "not a reply of a Paceline client"),
    "junk": (records(junk=ConfigRecord({"x": bytes(JUNK_BYTES)})), "holds a record 'junk'"),
    "nothing": (lambda content, chain: RecordDict(), "the reply holds no metrics"),
    "no part": (parts(lambda honest: {}), r"parts \[\] where \['model'\] were expected"),
    "another part": (parts(lambda honest: {"Model": honest}), r"parts \['Model'\] where"),
    "one more": (parts(lambda h: {"model": h, "c": h}), r"parts \['c', 'model'\] where"),
}
ODD = {
    "an own metric": numbers(own=5.0),
    "a reading": metered(),
    "no loss": numbers(train_loss=None),
    "no examples": numbers(examples=None),
    "a long story": lambda content, chain: error_content("it\r\n was" * 100_000 + "\nso.\n"),
}
TEST_LIES = {
    "loss nan": numbers(loss=np.nan),
    "loss 1e300": numbers(loss=1e300),
    "no loss": numbers(loss=None),
    "accuracy 7": numbers(accuracy=7),
    "a number no message can hold": numbers(examples=10**400),
    "processed without end": numbers(processed=1e300),
    "an array": records(parts=typed("paceline")),
}


def played(play, world):
    return play(world, {name: lie for name, (lie, _) in LIES.items()})


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("world", ["plain", "serial", "ef"])
def test_a_lie_is_a_rejected_row_and_the_round_goes_on(play, world, name):
    played(play, world).check_rejected(name, LIES[name][1])


@pytest.mark.parametrize("world", ["plain", "serial", "ef"])
def test_no_lie_reaches_the_model(play, world):
    lied, silent = played(play, world).models()
    assert lied == silent


def test_what_was_sent_for_nothing_was_sent_all_the_same(play):
    exchanges = played(play, "plain").table("exchanges", "junk").set_index("source")
    assert exchanges.sent_bytes["client 2"] > JUNK_BYTES
    assert exchanges.status["client 2"] == "rejected"


def test_the_clock_does_not_believe_a_liar(play):
    rounds = pd.read_parquet(played(play, "plain").lied / "rounds.parquet").set_index("round")
    round_s = rounds.virtual_time_s.diff()
    assert round_s[played(play, "plain").rounds["processed 1e200"]] < 2 * round_s[1]


def test_odd_replies_that_are_no_lies(play):
    game = play("odd", ODD)
    rows = {name: game.row(name) for name in ODD}
    assert [row.status for row in rows.values()] == [*["counted"] * 4, "failed"]
    assert pd.isna(rows["no loss"].train_loss)
    assert pd.isna(rows["no examples"].examples)
    assert rows["a long story"].reason == "so."


@pytest.mark.parametrize("name", TEST_LIES)
def test_a_lie_about_a_test_leaves_the_test_out(play, name):
    game = play("tested", TEST_LIES, "evaluate")
    assert game.row(name).status == "counted", "its training was honest"
    assert pd.isna(game.row(name).accuracy)
    assert pd.isna(game.row(name).loss)
    others = game.table("clients", name).set_index("client").drop(2)
    assert others.accuracy.notna().all()
    tests = game.table("exchanges", name).query("kind == 'evaluate'")
    of_liar = tests[(tests.source == "client 2") | (tests.target == "client 2")]
    assert set(of_liar.status) == {"rejected"}
    assert len(set(game.models())) == 1
