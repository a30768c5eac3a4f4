"""What a request and a reply say survives Flower's messages."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import RejectedUpdate
from federation.messages import (
    Body,
    Reply,
    error_content,
    error_of,
    metrics_of,
    one_line,
    payloads_of,
    reply_content,
    request_content,
)

TEXT = st.text(st.characters(codec="utf-8"))
PAYLOADS = st.dictionaries(TEXT, st.binary(max_size=50), max_size=3)
METRICS = st.dictionaries(TEXT, st.floats(allow_nan=False) | st.integers(-(2**53), 2**53))


def travelled(content):
    """The content as the other side builds it from Flower's objects."""
    objects = {name: made.deflate() for name, made in get_all_nested_objects(content).items()}
    return inflate_object_from_contents(content.object_id, objects)


@settings(max_examples=50)
@given(METRICS, PAYLOADS)
def test_a_reply_arrives_as_it_was_sent(metrics, payloads):
    content = travelled(reply_content(metrics, payloads))
    assert error_of(content) is None
    assert metrics_of(content) == metrics
    assert payloads_of(content) == payloads


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(["train", "evaluate"]), PAYLOADS)
def test_a_request_arrives_as_it_was_sent(number, kind, payloads):
    content = travelled(request_content("digest", Body(number, kind, {}), payloads))
    record = content.config_records["request"]
    assert (record["config"], record["round"], record["kind"]) == ("digest", number, kind)
    assert payloads_of(content) == payloads


@given(TEXT)
def test_a_failure_arrives_as_one_line_that_says_something(text):
    reason = error_of(travelled(error_content(text)))
    assert reason
    assert len(reason.splitlines()) == 1
    assert len(reason) <= 300


def test_of_a_traceback_the_last_line_counts():
    assert one_line("Traceback:\n  File x\nValueError: no rows\n\n") == "ValueError: no rows"
    assert one_line(" \n") == "unknown error"


def test_raw_bytes_are_those_of_the_values_of_all_parts():
    parts = {
        "model": {"w": np.zeros((3, 4), "f4"), "n": np.zeros((), "i8")},
        "c": {"w": np.zeros(2)},
    }
    assert Body(1, "train", parts).raw_bytes == 3 * 4 * 4 + 8 + 2 * 8


@pytest.mark.parametrize(
    "content",
    [
        RecordDict({"reply": MetricRecord({"error": 0})}),
        RecordDict({"reply": ConfigRecord()}),
    ],
    ids=["another record", "no error"],
)
def test_a_strangers_message_is_not_a_reply(content):
    with pytest.raises(RejectedUpdate, match="not a reply of a Paceline client"):
        error_of(content)


@pytest.mark.parametrize(
    ("metrics", "complaint"),
    [({"loss": [1.0, 2.0]}, "'loss' is a list"), ({"loss": 10**400}, "'loss' is too large")],
)
def test_metrics_that_are_no_plain_numbers_are_refused(metrics, complaint):
    with pytest.raises(RejectedUpdate, match=complaint):
        metrics_of(RecordDict({"metrics": MetricRecord(metrics)}))


def test_a_message_without_metrics_or_parts_is_refused():
    with pytest.raises(RejectedUpdate, match="no metrics"):
        metrics_of(RecordDict({"metrics": ConfigRecord()}))
    with pytest.raises(RejectedUpdate, match="no parts"):
        payloads_of(RecordDict({"parts": MetricRecord()}))


def test_arrays_of_another_kind_are_refused_by_their_name():
    record = ArrayRecord({"w": Array(np.zeros(2, "f4"))})
    with pytest.raises(RejectedUpdate, match=r"part 'w' is of type 'numpy.ndarray'"):
        payloads_of(RecordDict({"parts": record}))


def test_a_reply_counts_unless_it_tells_an_error():
    assert Reply(3, 1, "train", {"weight": 2.0}).ok
    assert Reply(3, 1, "train", {"weight": 2.0}).weight == 2.0
    assert not Reply(3, 1, "train", error="no rows").ok
