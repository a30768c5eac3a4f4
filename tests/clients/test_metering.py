"""A node's meter: how it is told, and that training does not feel it."""

from dataclasses import dataclass

import pytest

from clients.calls import Call
from clients.metering import Metering, metering
from federation.energy.meter import Meter, Reading
from federation.energy.report import from_metrics
from federation.errors import ClientError
from federation.messages import error_content, error_of, metrics_of, payloads_of
from federation.messages import reply_content as content_of

RECORDING = "# scope = board\ntime_s,power_w\n0,8\n3600,8\n"
CALL = Call(0, "train", None)


@dataclass(frozen=True)
class Answer:
    """A handler that gives one content."""

    content: object

    def handle(self, calls):
        return [self.content]


@dataclass(frozen=True)
class Odd(Meter):
    """A user's own meter with something wrong."""

    what: str = ""

    def start(self):
        if self.what == "start":
            raise ValueError("no start")
        return self.finish

    def finish(self, seconds):
        if self.what == "end":
            raise ZeroDivisionError("no end")
        if self.what == "scope":
            return Reading(1.0, seconds, "measured", "moon")
        return Reading({"nan": float("nan"), "text": "many"}[self.what], seconds, "measured", "gpu")


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.csv"
    path.write_text(RECORDING)
    return str(path)


def answered(metering, metrics=None):
    """The reading in a reply, and the reply's other metrics."""
    content = content_of(metrics or {"weight": 1.0}, {"model": b"bytes"})
    reply = metering.handle(Answer(content), CALL)
    assert payloads_of(reply) == {"model": b"bytes"}
    return from_metrics(metrics_of(reply))


def test_a_node_without_a_meter_answers_as_ever():
    made = metering({"partition-id": 0, "num-partitions": 3, "data": "/srv"})
    assert made == Metering()
    assert answered(made) == (None, {"weight": 1.0})


def test_meter_none_adds_nothing_to_a_reply():
    assert answered(metering({"meter": "none"})) == (None, {"weight": 1.0})


def test_a_node_is_told_its_meter_and_the_meters_arguments(recording):
    config = {"meter": "replay", "meter-path": recording, "meter-start-s": 5, "partition-id": 0}
    made = metering(config | {"meter-source": "measured"})
    assert (made.meter.path, made.meter.start_s, made.clients) == (recording, 5, 1)
    reading, others = answered(made)
    assert others == {"weight": 1.0}
    assert (reading.source, reading.scope, reading.flag) == ("measured", "board", "too short")
    assert reading.joules == pytest.approx(8 * reading.seconds)
    assert reading.joules > 0


def test_a_meter_is_made_once_in_a_process(recording):
    config = {"meter": "replay", "meter-path": recording}
    assert metering(config).meter is metering(dict(config)).meter


@pytest.mark.parametrize(("source", "told"), [("measured", "apportioned"), ("estimated",) * 2])
def test_a_shared_meter_gives_a_share_and_says_so(recording, source, told):
    config = {"meter": "replay", "meter-path": recording, "meter-source": source}
    reading, _ = answered(metering(config | {"meter-shared-by": 4}))
    assert reading.source == told
    assert reading.joules == pytest.approx(8 * reading.seconds / 4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"meter": "nvlm"}, "unknown meter 'nvlm'; did you mean 'nvml'"),
        ({"meter": "nvml", "meter-gup": 1}, "'gup'; did you mean 'gpu'"),
        ({"meter": "nvml", "meter-gpu": "first"}, "gpu = 'first' must be int"),
        ({"meter": "battery", "meter_path": "/"}, "unknown key 'meter_path'.* written meter-NAME"),
        ({"meter": 5}, 'meter = 5 must be a name, such as meter="nvml"'),
        ({"meter-gpu": 0}, "meter-gpu is given, but no meter"),
        ({"meter": "replay"}, "meter 'replay' needs path"),
        ({"meter": "replay", "meter-path": "/nowhere.csv"}, "/nowhere.csv"),
        ({"meter": "none", "meter-shared-by": 0}, "meter-shared-by = 0 must be a whole number"),
        ({"meter": "none", "meter-shared-by": 1.5}, "meter-shared-by = 1.5"),
        ({"meter": "none", "meter-shared-by": 10_001}, "meter-shared-by = 10001"),
    ],
)
def test_a_wrong_meter_is_one_line(config, message):
    with pytest.raises(ClientError, match=message) as caught:
        metering(config)
    assert str(caught.value).startswith("node configuration: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("what", ["start", "end", "nan", "text", "scope"])
def test_a_meter_that_goes_wrong_costs_no_update(what):
    reading, others = answered(Metering(Odd(what)))
    assert (reading.joules, others) == (None, {"weight": 1.0})
    assert "not measured" in reading.flag


def test_a_meter_that_cannot_be_made_is_not_measured(monkeypatch):
    def explode(name, arguments):
        raise RuntimeError("driver")

    monkeypatch.setattr("clients.metering.build_meter", explode)
    reading, _ = answered(metering({"meter": "explosive"}))
    assert (reading.joules, reading.flag) == (None, "not measured")


def test_a_failed_client_tells_its_failure_and_no_joules(recording):
    made = metering({"meter": "replay", "meter-path": recording})
    reply = made.handle(Answer(error_content("no rows")), CALL)
    assert error_of(reply) == "no rows"
    assert "metrics" not in reply
