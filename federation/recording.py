"""Turns what happened in a round into the rows of the three tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from federation.costs import Costs, cells, waiting
from federation.energy.account import Accountant, Transfer
from federation.evaluation import Evaluation
from federation.messages import Reply
from federation.peers import PeerExchange
from federation.results.tables import ClientRow, ExchangeRow, RoundRow
from federation.rounds import Backhaul, Outcome, RoundResult, outcome_of
from federation.scenario.schema import Scenario

Names = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class Rows:
    """The rows of one round."""

    round: RoundRow
    clients: Sequence[ClientRow]
    exchanges: Sequence[ExchangeRow]


@dataclass(frozen=True)
class Recorder:
    """Writes rows for one run; `place_of` names a client's device, network and region.

    Without an `accountant` energy is not known.
    """

    run: str
    scenario: Scenario
    place_of: Callable[[int], Names]
    accountant: Accountant | None = None

    def rows(
        self,
        result: RoundResult,
        evaluation: Evaluation | None,
        tests: Sequence[Reply],
        now_s: float,
        wall_time_s: float,
    ) -> Rows:
        """The rows of a round that is over at `now_s`, after the clients' own `tests`."""
        costs = self._costs(result, tests, now_s)
        exchanges = self._exchanges(result, tests, costs)
        return Rows(
            self._round(result, evaluation, exchanges, costs, now_s, wall_time_s),
            self._clients(result, {test.client: test for test in tests if test.ok}, costs),
            exchanges,
        )

    def _costs(self, result: RoundResult, tests: Sequence[Reply], now_s: float) -> Costs:
        replies, peers = [*result.replies, *tests], result.peers or ()
        waiting_s = waiting(replies, (result.started_s, now_s), result.under_way, peers)
        if self.accountant is None:
            return Costs(replies, waiting_s)
        bill = self.accountant.bill(replies, waiting_s, result.started_s, now_s, peers)
        return Costs(replies, waiting_s, bill)

    def _round(
        self,
        result: RoundResult,
        evaluation: Evaluation | None,
        exchanges: Sequence[ExchangeRow],
        costs: Costs,
        now_s: float,
        wall_time_s: float,
    ) -> RoundRow:
        counted = [one.reply for one in result.outcomes if one.status == "counted"]
        up = [row for row in exchanges if row.link == "uplink"]
        down = [row for row in exchanges if row.link == "downlink"]
        return RoundRow(
            run=self.run,
            round=result.round,
            schedule=self.scenario.strategy.schedule,
            algorithm=self.scenario.strategy.algorithm,
            uplink_codec=self.scenario.uplink.codec,
            downlink_codec=self.scenario.downlink.codec,
            accuracy=None if evaluation is None else evaluation.accuracy,
            loss=None if evaluation is None else evaluation.loss,
            train_loss=_mean_train_loss(counted),
            clients_selected=len(result.outcomes),
            clients_counted=len(counted),
            clients_failed=len(result.outcomes) - len(counted),
            virtual_time_s=now_s,
            wall_time_s=wall_time_s,
            uplink_bytes=sum(row.sent_bytes for row in up),
            downlink_bytes=sum(row.sent_bytes for row in down),
            peer_bytes=sum(row.sent_bytes for row in exchanges if row.link == "peer"),
            raw_uplink_bytes=sum(row.raw_bytes for row in up),
            raw_downlink_bytes=sum(row.raw_bytes for row in down),
            metric=None if evaluation is None else evaluation.metric,
            **costs.of_round(),
        )

    def _clients(
        self, result: RoundResult, tests: dict[int, Reply], costs: Costs
    ) -> list[ClientRow]:
        return [
            self._client(result, one, tests.get(one.reply.client), costs) for one in result.outcomes
        ]

    def _client(
        self, result: RoundResult, one: Outcome, test: Reply | None, costs: Costs
    ) -> ClientRow:
        reply, timing = one.reply, one.reply.timing
        device, network, region = self.place_of(reply.client)
        return ClientRow(
            run=self.run,
            round=result.round,
            client=reply.client,
            device=device,
            network=network,
            region=region,
            examples=_whole(reply.metrics.get("examples")),
            steps=_whole(reply.metrics.get("steps")),
            train_loss=reply.metrics.get("train_loss"),
            compute_s=timing.compute_s,
            power_level=None if timing.level is None else timing.level.label,
            waiting_s=costs.waiting_s[reply.client],
            status=one.status,
            reason=one.reason or None,
            staleness=result.round - reply.round,
            accuracy=None if test is None else test.metrics.get("accuracy"),
            loss=None if test is None else test.metrics["loss"],
            **costs.of_client(reply.client),
        )

    def _exchanges(
        self, result: RoundResult, tests: Sequence[Reply], costs: Costs
    ) -> list[ExchangeRow]:
        rows: list[ExchangeRow] = []
        statuses = [(one.reply, one.status) for one in result.exchanges or result.outcomes]
        statuses += [(test, outcome_of(test).status) for test in tests]
        apart = 0 if result.peers is None else len(result.outcomes)
        for (reply, status), usage in [*zip(statuses, costs.usages, strict=True)][apart:]:
            rows.append(self._downlink(len(rows), result.round, reply, status, usage.down))
            if reply.sent_bytes:
                rows.append(self._uplink(len(rows), result.round, reply, status, usage.up))
        rows = [_between(row, result.servers) for row in rows] if result.servers else rows
        for place, exchange in enumerate(result.peers or ()):
            rows.append(self._peer(len(rows), exchange, costs.of_peer(place)))
        return rows + [
            self._backhaul(len(rows) + i, result, t) for i, t in enumerate(result.transfers)
        ]

    def _backhaul(self, number: int, result: RoundResult, one: Backhaul) -> ExchangeRow:
        return ExchangeRow(
            run=self.run,
            round=result.round,
            exchange=number,
            codec="none",
            status="counted",
            radio_j=None,
            network_j=None,
            **asdict(one),
        )

    def _peer(self, number: int, exchange: PeerExchange, cost: Transfer) -> ExchangeRow:
        message = exchange.message
        return ExchangeRow(
            run=self.run,
            round=message.round,
            exchange=number,
            source=f"client {message.source}",
            target=f"client {message.target}",
            link="peer",
            kind=message.kind,
            codec=self.scenario.uplink.codec,
            raw_bytes=message.size.raw_bytes,
            sent_bytes=message.size.sent_bytes,
            start_s=exchange.start_s,
            end_s=exchange.end_s,
            status="counted",
            **cells(radio_j=cost.radio_j, network_j=cost.network_j),
        )

    def _downlink(
        self, number: int, round_number: int, reply: Reply, status: str, cost: Transfer
    ) -> ExchangeRow:
        timing = reply.timing
        end_s = None if timing.download_s is None else timing.sent_s + timing.download_s
        return ExchangeRow(
            run=self.run,
            round=round_number,
            exchange=number,
            source="server",
            target=f"client {reply.client}",
            link="downlink",
            kind=reply.asked,
            codec=self.scenario.downlink.codec,
            raw_bytes=reply.request_raw_bytes,
            sent_bytes=reply.request_sent_bytes,
            start_s=timing.sent_s,
            end_s=end_s,
            status=status,
            **cells(radio_j=cost.radio_j, network_j=cost.network_j),
        )

    def _uplink(
        self, number: int, round_number: int, reply: Reply, status: str, cost: Transfer
    ) -> ExchangeRow:
        timing = reply.timing
        start_s = None if timing.upload_s is None else timing.arrived_s - timing.upload_s
        return ExchangeRow(
            run=self.run,
            round=round_number,
            exchange=number,
            source=f"client {reply.client}",
            target="server",
            link="uplink",
            kind=reply.asked,
            codec=self.scenario.uplink.codec,
            raw_bytes=reply.raw_bytes,
            sent_bytes=reply.sent_bytes,
            start_s=start_s,
            end_s=timing.arrived_s,
            status=status,
            **cells(radio_j=cost.radio_j, network_j=cost.network_j),
        )


def tested(row: RoundRow, evaluation: Evaluation | None, wall_time_s: float) -> RoundRow:
    """The row of a round with what the server's test of its model gave, once it is over."""
    if evaluation is None:
        return replace(row, wall_time_s=wall_time_s)
    return replace(
        row,
        accuracy=evaluation.accuracy,
        loss=evaluation.loss,
        metric=evaluation.metric,
        wall_time_s=wall_time_s,
    )


def _between(row: ExchangeRow, servers: Mapping[int, str]) -> ExchangeRow:
    """The row with the name of the server that this client speaks with."""
    if row.link == "downlink":
        return replace(row, source=servers[int(row.target.removeprefix("client "))])
    return replace(row, target=servers[int(row.source.removeprefix("client "))])


def _mean_train_loss(replies: Sequence[Reply]) -> float | None:
    """Mean training loss over all rows that the counted clients processed."""
    trained = [reply.metrics for reply in replies if "train_loss" in reply.metrics]
    processed = sum(metrics["processed"] for metrics in trained)
    if not processed:
        return None
    return sum(metrics["train_loss"] * metrics["processed"] for metrics in trained) / processed


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
