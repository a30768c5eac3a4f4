"""What a client process makes of its requests, one or a thousand, good or bad."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from clients.calls import Call
from federation.arrays import spec_of
from federation.errors import ClientError
from federation.messages import Body, error_of, metrics_of, payloads_of, request_content
from federation.transport import Place
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, Train


def content_for(runtime, number=1, kind="train", model=None, config=None):
    model = runtime.learner.arrays() if model is None else model
    body = Body(number, kind, {"model": model})
    specs = {"model": spec_of(model)}
    sent = runtime.downlink.encode(body.parts, specs, {}, Place(number), {})
    return request_content(config or runtime.config.digest, body, sent.payloads)


def ask(runtime, *clients, **options):
    """The replies to one broadcast."""
    content = content_for(runtime, **options)
    kind = content.config_records["request"]["kind"]
    return runtime.handle([Call(client, kind, content) for client in clients])


def said(content):
    """All that a reply says, but for the seconds it took."""
    metrics = {k: v for k, v in metrics_of(content).items() if k != "compute_s"}
    return metrics, payloads_of(content), error_of(content)


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_one_request_and_many_give_the_same_bits(runtime, name):
    together = [said(reply) for reply in ask(runtime(name=name), *range(10))]
    alone = [said(ask(runtime(name=name), client)[0]) for client in reversed(range(10))]
    assert together == alone[::-1]
    assert len({payloads["model"] for _, payloads, _ in together}) == 10


def test_a_reply_tells_the_work_that_was_done(runtime):
    (reply,) = ask(runtime(epochs=3), 4)
    metrics = metrics_of(reply)
    assert metrics["weight"] == metrics["examples"] == 3, "the fourth row is held out"
    assert (metrics["steps"], metrics["processed"]) == (3 * 2, 3 * 3)
    assert metrics["train_loss"] > 0
    assert metrics["compute_s"] > 0


def test_a_broadcast_and_requests_of_different_rounds_can_be_mixed(runtime):
    process = runtime()
    contents = [content_for(process, number) for number in (1, 2, 1)]
    replies = process.handle([Call(3, "train", content) for content in contents])
    first, second, third = (said(reply) for reply in replies)
    assert first == third != second


def test_a_client_tests_the_model_on_the_rows_it_keeps(runtime):
    process = runtime()
    model = {name: np.zeros_like(view) for name, view in process.learner.views.items()}
    (reply,) = ask(process, 4, kind="evaluate", model=model)
    metrics = metrics_of(reply)
    assert metrics["examples"] == 1
    assert metrics["loss"] == pytest.approx(np.log(3), rel=1e-6)
    assert metrics["accuracy"] == metrics["metric"] in (0.0, 1.0)
    assert payloads_of(reply) == {}


def test_a_client_that_fails_harms_no_other(runtime):
    def rows_of(client):
        if client == 2:
            raise OSError("disk 7 is gone\nTraceback (most recent call last)")
        return np.arange(4 * client, 4 * client + 4)

    good, bad = ask(runtime(), *range(5)), ask(runtime(rows_of=rows_of), *range(5))
    assert error_of(bad[2]) == "OSError: disk 7 is gone"
    for client in (0, 1, 3, 4):
        assert said(bad[client]) == said(good[client])


def test_a_client_without_rows_says_so(runtime):
    (reply,) = ask(runtime(rows_of=lambda _: np.arange(0)), 3)
    assert error_of(reply) == "client 3 holds no rows to train on"


@dataclass(frozen=True)
class Fails(FedAvg):
    """Does something wrong on client 2."""

    how: str = ""

    def local(self, context):
        if context.client != 2:
            return (yield from super().local(context))
        if self.how == "before":
            raise ClientError("no such sensor")
        if self.how == "no job":
            yield "train"
        trained = yield Train(start=context.received["model"])
        if self.how == "after":
            raise ZeroDivisionError
        if self.how == "nothing":
            return None
        if self.how == "second training":
            trained = yield Train(start={})
        weight = "heavy" if self.how == "weight" else trained.examples
        metrics = {"drift": [1.0]} if self.how == "metrics" else {}
        model = {"w": "text"} if self.how == "parts" else trained.arrays
        return Contribution({"model": model}, weight, metrics=metrics)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("before", "no such sensor"),
        ("no job", "AttributeError: 'str' object has no attribute "),
        ("after", "ZeroDivisionError"),
        ("nothing", "AttributeError: 'NoneType' object has no attribute 'metrics'"),
        ("second training", "KeyError: "),
        ("weight", "ValueError: could not convert string to float: 'heavy'"),
        ("metrics", "TypeError: float() argument must be"),
        ("parts", "KeyError: "),
    ],
)
def test_an_algorithm_that_fails_for_one_client_harms_no_other(runtime, how, told):
    good, bad = ask(runtime(), *range(4)), ask(runtime(Fails(how=how)), *range(4))
    assert error_of(bad[2]).startswith(told)
    assert len(error_of(bad[2]).splitlines()) == 1
    assert "Traceback" not in error_of(bad[2])
    for client in (0, 1, 3):
        assert said(bad[client]) == said(good[client])


@dataclass(frozen=True)
class Numbers(FedAvg):
    """Counts with numpy's numbers, as people do."""

    def local(self, context):
        trained = yield Train(start=context.received["model"])
        return Contribution(
            {"model": trained.arrays},
            np.int64(trained.examples),
            metrics={"drift": np.float32(0.5), "hops": np.array(3)},
        )


def test_an_algorithms_own_numbers_travel_whatever_they_are_made_of(runtime):
    (reply,) = ask(runtime(Numbers()), 1)
    metrics = metrics_of(reply)
    assert (metrics["weight"], metrics["drift"], metrics["hops"]) == (3.0, 0.5, 3.0)


def test_a_request_of_another_run_is_refused(runtime):
    (reply,) = ask(runtime(), 1, config="0123")
    assert error_of(reply) == "request is for configuration '0123', not this run's"


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"request": ConfigRecord({"config": "x"})}),
        RecordDict({"request": ConfigRecord({"config": 1, "round": "x", "kind": "train"})}),
        RecordDict({"parts": ArrayRecord()}),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_one_line(runtime, content):
    (reply,) = runtime().handle([Call(1, "train", content)])
    assert len(error_of(reply).splitlines()) == 1


def test_a_model_that_does_not_fit_is_answered_with_the_reason(runtime):
    (reply,) = ask(runtime(), 1, model={"w": np.zeros(3, "f4")})
    assert "part 'model': the payload ends within" in error_of(reply)


@dataclass(frozen=True)
class Counts(FedAvg):
    """Clients count their rounds and send the count as a metric."""

    keeps_state: ClassVar[bool] = True

    def local(self, context):
        before = context.kept.get("rounds", {"n": np.array(0)})["n"]
        trained = yield Train(start=context.received["model"])
        kept = {"rounds": {"n": before + 1}}
        return Contribution({"model": trained.arrays}, 1.0, kept, {"rounds": float(before) + 1})


def test_what_a_client_keeps_comes_back_in_its_next_round(runtime):
    process = runtime(Counts())
    asked = [(0, 1), (1, 1), (0, 2), (0, 5), (0, 5), (1, 9)]  # client, round; round 5 is repeated
    counts = [
        metrics_of(ask(process, client, number=number)[0])["rounds"] for client, number in asked
    ]
    assert counts == [1, 1, 2, 3, 3, 2]


def test_a_client_that_fails_keeps_nothing(runtime):
    @dataclass(frozen=True)
    class SendsNonsense(Counts):
        def local(self, context):
            contribution = yield from super().local(context)
            return replace(contribution, weight="heavy")

    process = runtime(SendsNonsense())
    assert error_of(ask(process, 0, number=1)[0])
    assert process.store.load(0, 2) == {}


@dataclass(frozen=True)
class TrainsTwice(FedAvg):
    """Goes on from where it came."""

    def local(self, context):
        once = yield Train(start=context.received["model"])
        twice = yield Train(start=once.arrays)
        return Contribution({"model": twice.arrays}, twice.examples)


def test_a_client_may_train_more_than_once_and_all_work_counts(runtime):
    replies = ask(runtime(TrainsTwice()), 0, 1)
    assert [metrics_of(reply)["steps"] for reply in replies] == [4, 4]
    alone = ask(runtime(TrainsTwice()), 1)
    assert said(alone[0]) == said(replies[1])


def test_a_second_training_starts_where_it_is_told_to(runtime):
    options = {"name": "logistic", "batch_size": "full"}
    twice = ask(runtime(TrainsTwice(), steps=1, **options), 1)
    once = ask(runtime(steps=2, **options), 1)
    process = runtime(**options)
    specs = {"model": process.learner.spec}
    one, other = (
        process.uplink.decode(payloads_of(r[0]), specs, {}, Place(1, 1), {}).parts["model"]
        for r in (twice, once)
    )
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-5, atol=1e-6)
