"""What a round took, as the rows of the tables need it: sums of what stands below them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from federation.energy.account import Bill, Origin, Transfer, Usage
from federation.energy.ranges import Range, total_if_known
from federation.messages import Reply
from federation.peers import PeerExchange

Since = tuple[int, float]
"""A client at work, and since when."""


@dataclass(frozen=True)
class Costs:
    """Replies of a round and of its clients' tests, their waiting, and the bill if there is one."""

    replies: Sequence[Reply]
    waiting_s: Mapping[int, float]
    bill: Bill | None = None

    def of_peer(self, place: int) -> Transfer:
        """What the message at this place of the round's exchanges between clients took."""
        return Transfer() if self.bill is None else self.bill.peers[place]

    @property
    def usages(self) -> Sequence[Usage]:
        """One for each reply."""
        return [Usage()] * len(self.replies) if self.bill is None else self.bill.usages

    def of_round(self) -> dict[str, Any]:
        """The sums of the rows below, and what is the round's alone."""
        if self.bill is None:
            names = ("compute_j", "radio_j", "waiting_j", "network_j", "server_j", "carbon_g")
            return dict.fromkeys(names)
        transfers = [transfer for usage in self.usages for transfer in (usage.down, usage.up)]
        transfers += self.bill.peers
        return cells(
            compute_j=self.bill.compute_j,
            radio_j=total_if_known([transfer.radio_j for transfer in transfers]),
            waiting_j=total_if_known([*self.bill.waiting_j.values(), self.bill.bystanders_j]),
            network_j=total_if_known([transfer.network_j for transfer in transfers]),
            server_j=self.bill.server_j,
            carbon_g=self.bill.carbon_g,
        )

    def of_client(self, client: int) -> dict[str, Any]:
        """Its training and test, its waiting, and where these figures come from."""
        bill = self.bill
        compute_j = total_if_known(self._computing.get(client, []))
        origin = Origin() if bill is None else bill.origin_of(client)
        return {
            "energy_source": origin.source,
            "energy_scope": origin.scope,
            "energy_flag": origin.flag,
            **cells(
                compute_j=compute_j, waiting_j=None if bill is None else bill.waiting_j[client]
            ),
        }

    @cached_property
    def _computing(self) -> dict[int, list[Range | None]]:
        found: dict[int, list[Range | None]] = {}
        for reply, usage in zip(self.replies, self.usages, strict=True):
            found.setdefault(reply.client, []).append(usage.compute_j)
        return found


def cells(**figures: Range | None) -> dict[str, Any]:
    """Columns with their `_low` and `_high`; null where not known."""
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        found |= {name: None} if figure is None else figure.columns(name)
    return found


def waiting(
    replies: Sequence[Reply],
    span_s: tuple[float, float],
    under_way: Sequence[Since] = (),
    peers: Sequence[PeerExchange] = (),
) -> dict[int, float]:
    """How long each client did nothing between the two ends of a round.

    Of an exchange that began in an earlier round, or has not ended, what lies in this one counts.
    """
    start_s, end_s = span_s
    spans = [(one.client, one.timing.sent_s, one.timing.arrived_s) for one in replies]
    spans += [(client, since_s, end_s) for client, since_s in under_way]
    busy_s: dict[int, float] = {}
    for client, since_s, until_s in spans:
        spent = max(0.0, min(until_s, end_s) - max(since_s, start_s))
        busy_s[client] = busy_s.get(client, 0.0) + spent
    if peers:
        busy_s |= _busy_s(replies, peers)
    return {client: max(0.0, end_s - start_s - spent) for client, spent in busy_s.items()}


def _busy_s(replies: Sequence[Reply], peers: Sequence[PeerExchange]) -> dict[int, float]:
    """How long those worked that had to do with peers: one may receive while it trains or sends."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for one in peers:
        for client in (one.message.source, one.message.target):
            spans.setdefault(client, []).append((one.start_s, one.end_s))
    for reply in replies:
        if reply.client in spans:
            spans[reply.client].append((reply.timing.sent_s, reply.timing.arrived_s))
    return {client: covered_s(found) for client, found in spans.items()}


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans of time.

    >>> covered_s([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    covered, until = 0.0, float("-inf")
    for start_s, end_s in sorted(spans):
        covered += max(0.0, end_s - max(start_s, until))
        until = max(until, end_s)
    return covered
