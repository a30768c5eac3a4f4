"""What a client process does with a list of requests: decode, run the local halves, encode.

One request (a device) and a thousand (a simulation's worker) take the same path, so they give the
same bits. A failure of one client is that client's reply and touches no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flwr.app import RecordDict

from clients.calls import Call
from clients.engines.base import Engine, Job
from clients.held import HeldVersions
from clients.holdings import Holdings
from clients.optimizers import rate
from federation.arrays import Arrays, Parts, Spec
from federation.client_state import StateStore
from federation.codecs._chain import Chain
from federation.downlink import Letter
from federation.errors import ClientError
from federation.evaluation import evaluate
from federation.messages import error_content, payloads_of, reply_content
from federation.models.learner import Learner
from federation.scenario.client import ClientConfig
from federation.transport import Channel, PartSpecs, Place
from strategies.base import Algorithm, Contribution, LocalContext, LocalHalf, Train, Trained


@dataclass(frozen=True)
class _Request:
    """A request as the client reads it."""

    round: int
    kind: str
    parts: Parts
    undo: int | None = None


@dataclass
class _Work:
    """A local half under way."""

    client: int
    request: _Request
    half: LocalHalf
    memory: Parts
    done: list[Trained]
    compute_s: float = 0.0


@dataclass(frozen=True)
class ClientRuntime:
    """Everything a process needs to act for the clients of one run."""

    config: ClientConfig
    learner: Learner
    algorithm: Algorithm
    engine: Engine
    holdings: Holdings
    store: StateStore
    held: HeldVersions
    uplink: Channel
    downlink: Channel
    initial: Arrays

    def handle(self, calls: Sequence[Call]) -> list[RecordDict]:
        """The replies' contents, in the order of the calls."""
        replies: list[RecordDict | None] = [None] * len(calls)
        read: dict[int, _Request] = {}
        trains: dict[int, _Work] = {}
        for place, call in enumerate(calls):
            try:
                if id(call.content) not in read:
                    read[id(call.content)] = self._read(call.content)
                request = read[id(call.content)]
                if request.kind == "evaluate":
                    replies[place] = self._evaluate(call.client, request)
                else:
                    trains[place] = self._begin(call.client, request)
            except Exception as error:  # noqa: BLE001 - any failure is that client's reply
                replies[place] = error_content(_say(error))
        self._train(trains, replies)
        return [reply if reply is not None else error_content("lost") for reply in replies]

    def _read(self, content: RecordDict) -> _Request:
        record = content.config_records["request"]
        if record["config"] != self._digest:
            raise ClientError(f"request is for configuration {record['config']!r}, not this run's")
        round_number, kind = int(str(record["round"])), str(record["kind"])
        undo = int(str(record["undo"])) if "undo" in record else None
        payloads = payloads_of(content)
        specs = self.algorithm.downlink_specs(self.learner.spec)
        if kind == "evaluate":
            specs = {"model": specs["model"]}
        if "version" in record:
            version, base, start = (int(str(record[key])) for key in ("version", "base", "start"))
            letter = Letter(version, base, payloads, start)
            parts: Parts = self.held.receive(self.downlink, letter, specs)
            return _Request(round_number, kind, parts, undo)
        plain = Channel(Chain(()), self.config.seed, self.downlink.name)
        received = plain.decode(payloads, specs, {}, Place(round_number), {})
        return _Request(round_number, kind, received.parts, undo)

    def _evaluate(self, client: int, request: _Request) -> RecordDict:
        started = time.perf_counter()
        x, y = self.holdings.test(client)
        model = self.algorithm.personal(self._tested(client, request))
        result = evaluate(self.learner, model, x, y, self.config.evaluation_batch_size)
        metrics = {
            "examples": len(x),
            "loss": result.loss,
            "metric": result.metric,
            "compute_s": time.perf_counter() - started,
        }
        if result.accuracy is not None:
            metrics["accuracy"] = result.accuracy
        return reply_content(metrics, {})

    def _begin(self, client: int, request: _Request) -> _Work:
        if self._remembers and request.undo is not None:
            self.store.undo(client, request.undo)
        stored = self.store.load(client, request.round) if self._remembers else {}
        kept, memory = _split(stored)
        return _Work(
            client, request, self.algorithm.local(self._context(client, request, kept)), memory, []
        )

    def _tested(self, client: int, request: _Request) -> LocalContext:
        """What a client knows when it tests: what it kept in this round, too."""
        keeps = self.algorithm.keeps_state
        stored = self.store.load(client, request.round + 1) if keeps else {}
        return self._context(client, request, _split(stored)[0])

    def _context(self, client: int, request: _Request, kept: Parts) -> LocalContext:
        config, number = self.config, request.round
        lr = rate(config.local, number, config.rounds)
        told = (request.parts, kept, client, number, config.seed, lr, config.local)
        return LocalContext(*told, self._spec, self.initial)

    @cached_property
    def _digest(self) -> str:
        return self.config.digest

    @cached_property
    def _spec(self) -> Spec:
        return self.learner.spec

    @cached_property
    def _uplink_specs(self) -> PartSpecs:
        return self.algorithm.uplink_specs(self._spec)

    @property
    def _remembers(self) -> bool:
        return self.algorithm.keeps_state or self.uplink.remembers

    def _train(self, works: Mapping[int, _Work], replies: list[RecordDict | None]) -> None:
        """Advance all local halves together, one training each at a time, until all are done."""
        waiting: dict[int, Train] = {}

        def advance(place: int, step: Callable[[LocalHalf], Train]) -> None:
            work = works[place]
            try:
                waiting[place] = step(work.half)
            except StopIteration as stop:
                replies[place] = self._reply(work, stop.value)
            except Exception as error:  # noqa: BLE001 - any failure is that client's reply
                replies[place] = error_content(_say(error))

        for place in works:
            advance(place, next)
        while waiting:
            places = list(waiting)
            results = self._run([(works[place], waiting.pop(place)) for place in places])
            for place, result in zip(places, results, strict=True):
                if isinstance(result, Exception):
                    replies[place] = error_content(_say(result))
                    continue
                works[place].done.append(result)
                advance(place, lambda half, result=result: half.send(result))  # type: ignore[misc]

    def _run(self, asked: Sequence[tuple[_Work, Train]]) -> list[Trained | Exception]:
        """Train all; where a job breaks the batch, train one at a time to find it."""
        started = time.perf_counter()
        try:
            trained: list[Trained | Exception] = list(
                self.engine.run([self._job(work, train) for work, train in asked])
            )
        except Exception as error:  # noqa: BLE001 - any failure is that client's reply
            if len(asked) == 1:
                return [error]
            return [result for one in asked for result in self._run([one])]
        for work, _ in asked:
            work.compute_s += (time.perf_counter() - started) / len(asked)
        return trained

    def _job(self, work: _Work, train: Train) -> Job:
        x, y = self.holdings.train(work.client)
        return Job(train, work.client, work.request.round, x, y)

    def _content(self, work: _Work, contribution: Contribution) -> tuple[RecordDict, Parts]:
        """The reply, and what algorithm and channel keep for the next one."""
        specs = self._uplink_specs
        place = Place(work.request.round, work.client)
        held = work.request.parts
        sent = self.uplink.encode(contribution.parts, specs, held, place, work.memory)
        content = reply_content(_metrics(work, contribution), sent.payloads)
        return content, _joined(contribution.kept or {}, sent.memory)

    def _reply(self, work: _Work, contribution: Contribution) -> RecordDict:
        try:
            content, stored = self._content(work, contribution)
            if self._remembers:
                self.store.save(work.client, work.request.round, stored)
        except Exception as error:  # noqa: BLE001 - any failure is that client's reply
            return error_content(_say(error))
        return content


def _metrics(work: _Work, contribution: Contribution) -> dict[str, float]:
    """The numbers of a reply; the algorithm's own as plain floats, whatever it made them of."""
    metrics = {name: float(value) for name, value in contribution.metrics.items()}
    metrics["weight"] = float(contribution.weight)
    metrics["steps"] = sum(result.steps for result in work.done)
    metrics["processed"] = sum(result.processed for result in work.done)
    if work.done:
        metrics["examples"] = work.done[-1].examples
        metrics["train_loss"] = work.done[-1].loss
    metrics["compute_s"] = work.compute_s
    return metrics


_MEMORY = "channel "


def _joined(kept: Parts, memory: Parts) -> Parts:
    """What the algorithm keeps and what the channel remembers, as one."""
    return {**kept, **{f"{_MEMORY}{part}": arrays for part, arrays in memory.items()}}


def _split(stored: Parts) -> tuple[Parts, Parts]:
    """The two halves of what `_joined` made."""
    memory = {p.removeprefix(_MEMORY): a for p, a in stored.items() if p.startswith(_MEMORY)}
    return {p: a for p, a in stored.items() if not p.startswith(_MEMORY)}, memory


def _say(error: Exception) -> str:
    """One line for the server: the error's class and its first line, never a traceback."""
    text = str(error).strip().splitlines()
    if isinstance(error, ClientError):
        return text[0] if text else "client error"
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
