"""Turns what happened in a round into the rows of the three tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.evaluation import Evaluation
from federation.messages import Reply
from federation.results.tables import ClientRow, ExchangeRow, RoundRow
from federation.rounds import Outcome, RoundResult
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
    """Writes rows for one run; `place_of` names a client's device, network and region."""

    run: str
    scenario: Scenario
    place_of: Callable[[int], Names]

    def rows(
        self,
        result: RoundResult,
        evaluation: Evaluation | None,
        tests: Sequence[Reply],
        now_s: float,
        wall_time_s: float,
    ) -> Rows:
        """The rows of a round that is over at `now_s`, after the clients' own `tests`."""
        exchanges = self._exchanges(result, tests)
        return Rows(
            self._round(result, evaluation, exchanges, now_s, wall_time_s),
            self._clients(result, {test.client: test for test in tests if test.ok}),
            exchanges,
        )

    def _round(
        self,
        result: RoundResult,
        evaluation: Evaluation | None,
        exchanges: Sequence[ExchangeRow],
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
            peer_bytes=0,
            raw_uplink_bytes=sum(row.raw_bytes for row in up),
            raw_downlink_bytes=sum(row.raw_bytes for row in down),
            compute_j=None,
            radio_j=None,
            waiting_j=None,
            network_j=None,
            server_j=None,
            carbon_g=None,
            metric=None if evaluation is None else evaluation.metric,
        )

    def _clients(self, result: RoundResult, tests: dict[int, Reply]) -> list[ClientRow]:
        return [self._client(result, one, tests.get(one.reply.client)) for one in result.outcomes]

    def _client(self, result: RoundResult, one: Outcome, test: Reply | None) -> ClientRow:
        reply, timing = one.reply, one.reply.timing
        device, network, region = self.place_of(reply.client)
        busy_s = timing.arrived_s - timing.sent_s
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
            compute_j=None,
            waiting_s=max(0.0, result.ended_s - result.started_s - busy_s),
            waiting_j=None,
            energy_source=None,
            status=one.status,
            reason=one.reason or None,
            accuracy=None if test is None else test.metrics.get("accuracy"),
            loss=None if test is None else test.metrics["loss"],
        )

    def _exchanges(self, result: RoundResult, tests: Sequence[Reply]) -> list[ExchangeRow]:
        rows: list[ExchangeRow] = []
        statuses = [(one.reply, one.status) for one in result.outcomes]
        statuses += [(test, "counted" if test.ok else "failed") for test in tests]
        for reply, status in statuses:
            rows.append(self._downlink(len(rows), result.round, reply, status))
            if reply.sent_bytes:
                rows.append(self._uplink(len(rows), result.round, reply, status))
        return rows

    def _downlink(self, number: int, round_number: int, reply: Reply, status: str) -> ExchangeRow:
        timing = reply.timing
        end_s = None if timing.download_s is None else timing.sent_s + timing.download_s
        return ExchangeRow(
            run=self.run,
            round=round_number,
            exchange=number,
            source="server",
            target=f"client {reply.client}",
            link="downlink",
            kind=reply.kind,
            codec=self.scenario.downlink.codec,
            raw_bytes=reply.request_raw_bytes,
            sent_bytes=reply.request_sent_bytes,
            start_s=timing.sent_s,
            end_s=end_s,
            radio_j=None,
            network_j=None,
            status=status,
        )

    def _uplink(self, number: int, round_number: int, reply: Reply, status: str) -> ExchangeRow:
        timing = reply.timing
        start_s = None if timing.upload_s is None else timing.arrived_s - timing.upload_s
        return ExchangeRow(
            run=self.run,
            round=round_number,
            exchange=number,
            source=f"client {reply.client}",
            target="server",
            link="uplink",
            kind=reply.kind,
            codec=self.scenario.uplink.codec,
            raw_bytes=reply.raw_bytes,
            sent_bytes=reply.sent_bytes,
            start_s=start_s,
            end_s=timing.arrived_s,
            radio_j=None,
            network_j=None,
            status=status,
        )


def _mean_train_loss(replies: Sequence[Reply]) -> float | None:
    """Mean training loss over all rows that the counted clients processed."""
    trained = [reply.metrics for reply in replies if "train_loss" in reply.metrics]
    processed = sum(metrics["processed"] for metrics in trained)
    if not processed:
        return None
    return sum(metrics["train_loss"] * metrics["processed"] for metrics in trained) / processed


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
