"""Tasks other than training: what travels, what a client computes, and what it goes on from."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from clients.build import wiring
from clients.calls import Call
from federation.arrays import spec_of
from federation.errors import ClientError
from federation.messages import TRAIN, Body, Request, Task
from federation.outbox import Outbox
from simulations.speeds import examples_of
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Compute, Computed, Contribution

VECTOR = spec_of({"v": np.zeros(6, "f4")})


@dataclass(frozen=True)
class Moments(FedAvg):
    """Adds what came to the sum of the client's rows; keeps count of how often it was asked."""

    keeps_state: ClassVar[bool] = True

    def specs(self, task, client, model):
        if task.name != "moments" or not 0 <= task.rows <= 3:
            raise ClientError(f"task {task.name!r} of {task.rows} rows")
        return {"shift": VECTOR}, {"sums": VECTOR}

    def local(self, context):
        if context.task == TRAIN:
            return (yield from super().local(context))
        asked = context.kept.get("asked", {"n": np.array(0)})["n"] + 1
        rows = context.task.rows

        def work(learner, x, y):
            if rows == 3 and context.client == 9:
                raise ValueError("no such thing")
            return Computed(
                x[:rows].sum(0).numpy() * np.float32(asked), examples=rows, effort=rows / 3
            )

        done = yield Compute(work)
        sums = {"v": done.value + context.received["shift"]["v"]}
        return Contribution({"sums": sums}, 1.0, {"asked": {"n": np.asarray(asked)}})


@pytest.fixture
def desk(runtime):
    """Asks a process as a server would, and reads its replies."""

    def make(uplink="none", **feedback):
        process = runtime(Moments())
        codec = {"codec": uplink} | feedback
        config = process.config
        changed = config.uplink.model_copy(update=codec)
        process = replace(process, config=config.model_copy(update={"uplink": changed}))
        told = wiring(process.config, process.algorithm, process.learner, 60.0)
        process = replace(process, uplink=told.uplink)
        outbox = Outbox(told)

        def ask(client, task, number=1, **parts):
            parts = parts or {"shift": {"v": np.ones(6, "f4")}}
            written = outbox.write(Request(client, Body(number, "train", parts, task)))
            (content,) = process.handle([Call(client, "train", written.content)])
            reply = written.expected.read_content(client, content)
            outbox.note(reply)
            return reply

        return ask

    return make


def test_a_task_computes_on_the_clients_rows_and_says_what_it_cost(desk, runtime):
    reply = desk()(4, Task("moments", rows=2))
    assert reply.ok
    assert reply.asked == "moments"
    x, _ = runtime().holdings.train(4)
    np.testing.assert_allclose(reply.parts["sums"]["v"], x[:2].sum(0).numpy() + 1, rtol=1e-6)
    assert reply.metrics["processed"] == 2
    assert examples_of(reply.metrics) == pytest.approx(2 / 3)


def test_a_later_step_goes_on_from_the_round_and_a_repeated_round_from_before_it(desk):
    ask, shift = desk(), {"v": np.zeros(6, "f4")}
    first = ask(4, Task("moments", 0, 3), shift=shift).parts["sums"]["v"]
    second = ask(4, Task("moments", 1, 3), shift=shift).parts["sums"]["v"]
    again = ask(4, Task("moments", 0, 3), shift=shift).parts["sums"]["v"]
    later = ask(4, Task("moments", 0, 3), number=2, shift=shift).parts["sums"]["v"]
    np.testing.assert_allclose(second, 2 * first, rtol=1e-6)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(later, 2 * first, rtol=1e-6)


def test_parts_of_a_task_go_through_the_codec_as_they_are(desk):
    exact = desk()(4, Task("moments", rows=3))
    coarse = desk("int8", error_feedback="ef")(4, Task("moments", rows=3))
    assert coarse.ok
    np.testing.assert_allclose(coarse.parts["sums"]["v"], exact.parts["sums"]["v"], atol=0.1)
    assert (coarse.parts["sums"]["v"] != exact.parts["sums"]["v"]).any()


def test_trainings_and_tasks_can_be_mixed_in_one_call(desk, runtime):
    process = runtime(Moments())
    outbox = Outbox(wiring(process.config, process.algorithm, process.learner, 60.0))
    model = {"model": process.learner.arrays()}
    shift = {"shift": {"v": np.zeros(6, "f4")}}
    asked = [
        Request(1, Body(1, "train", model)),
        Request(2, Body(1, "train", shift, Task("moments", rows=3))),
        Request(3, Body(1, "train", model)),
    ]
    written = [outbox.write(one) for one in asked]
    calls = [Call(one.client, "train", w.content) for one, w in zip(asked, written, strict=True)]
    found = [
        w.expected.read_content(call.client, content)
        for w, call, content in zip(written, calls, process.handle(calls), strict=True)
    ]
    assert [reply.ok for reply in found] == [True] * 3
    assert [set(reply.parts) for reply in found] == [{"model"}, {"sums"}, {"model"}]


def test_a_task_that_fails_or_does_not_exist_is_that_clients_reply(desk, runtime):
    assert desk()(9, Task("moments", rows=3)).error == "ValueError: no such thing"
    with pytest.raises(ClientError, match="FedAvg has no such task"):
        FedAvg().specs(Task("moments"), 0, ())
    process = runtime(FedAvg())
    other = replace(process, algorithm=Moments())
    outbox = Outbox(wiring(other.config, other.algorithm, other.learner, 60.0))
    body = Body(1, "train", {"shift": {"v": np.zeros(6, "f4")}}, Task("moments", rows=1))
    written = outbox.write(Request(1, body))
    (content,) = process.handle([Call(1, "train", written.content)])
    reply = written.expected.read_content(1, content)
    assert reply.error == "task 'moments': FedAvg has no such task"
