"""The computed length of a message's content is that of the objects that Flower really makes."""

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from hypothesis import given
from hypothesis import strategies as st

from federation.messages import Body, error_content, reply_content, request_content
from federation.wire import content_bytes

MIB = 1024 * 1024
PAYLOADS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=40) | st.sampled_from([b"", b"same", bytes(1000)]),
    max_size=4,
)
METRICS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.floats() | st.integers(-(2**63), 2**63 - 1) | st.lists(st.floats(), max_size=3),
    max_size=4,
)


def made_by_flower(content):
    """The bytes of all distinct objects, as Flower would push them."""
    return sum(len(made.deflate()) for made in get_all_nested_objects(content).values())


@given(PAYLOADS, METRICS)
def test_a_reply_is_as_long_as_flower_makes_it(payloads, metrics):
    content = reply_content(metrics, payloads)
    assert content_bytes(content) == made_by_flower(content)


@given(PAYLOADS, st.integers(0, 10**9))
def test_a_request_is_as_long_as_flower_makes_it(payloads, number):
    content = request_content("0123456789abcdef", Body(number, "train", {}), payloads)
    assert content_bytes(content) == made_by_flower(content)


@given(st.text(st.characters(codec="utf-8")))
def test_a_failure_is_as_long_as_flower_makes_it(text):
    content = error_content(text)
    assert content_bytes(content) == made_by_flower(content)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB])
def test_zeros_are_sent_once_for_each_distinct_chunk(size):
    content = reply_content({}, {"model": bytes(size)})
    assert content_bytes(content) == made_by_flower(content)


def test_repeated_chunks_are_sent_once_within_and_across_parts():
    a, b = b"a" * (5 * MIB), b"b" * (5 * MIB)
    content = reply_content({}, {"model": a + b + a + b"tail", "control": b + a, "copy": b + a})
    assert content_bytes(content) == made_by_flower(content)
    assert content_bytes(content) < 10 * MIB + 5000


@given(PAYLOADS, METRICS, st.sampled_from(["float32", "é"]))
def test_any_other_content_is_measured_too(payloads, metrics, dtype):
    arrays = {name: Array(dtype, (1, len(d)), "numpy", d) for name, d in payloads.items()}
    content = RecordDict(
        {"arrays": ArrayRecord(arrays), "m": MetricRecord(metrics), "c": ConfigRecord({"a": b"\0"})}
    )
    assert content_bytes(content) == made_by_flower(content)


def test_an_empty_content_has_a_length():
    assert content_bytes(RecordDict()) == made_by_flower(RecordDict())
