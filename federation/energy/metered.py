"""What a round of real clients took, as their meters told it.

Only computing is measured; radios, waiting, network and server stay unknown. A client's figure is
the sum over its training and its test. A round's is the sum over its clients, where all that
answered have one, of one scope: a sum over some of them, or over a GPU and a wall plug, would
mislead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from federation.energy.account import Bill, Origin, Usage
from federation.energy.meter import Reading
from federation.energy.ranges import Range, total, total_if_known
from federation.energy.report import NOT_MEASURED
from federation.messages import Reply
from federation.peers import PeerExchange

TOO_LONG: Final = "longer than the exchange"
SEVERAL_SCOPES: Final = "several scopes"
PARTLY: Final = "measured in part"
_SLACK: Final = 1.01  # two clocks never run quite alike
_BEST_FIRST: Final = ("measured", "apportioned", "modelled", "estimated")


@dataclass(frozen=True, slots=True)
class Account:
    """One client's round. Without joules it has no source and no scope."""

    joules: Range | None = None
    origin: Origin = field(default_factory=Origin)
    answered: bool = True


@dataclass(frozen=True, slots=True)
class MeteredBill(Bill):
    """A bill that tells each client's meter apart."""

    accounts: Mapping[int, Account] = field(default_factory=dict)

    @property
    def compute_j(self) -> Range | None:
        """Over all clients that answered, or None: see above."""
        heard = [account for account in self.accounts.values() if account.answered]
        if len({account.origin.scope for account in heard}) != 1:
            return None
        return total_if_known([account.joules for account in heard])

    def origin_of(self, client: int) -> Origin:
        """What its meter is."""
        return self.accounts[client].origin


@dataclass(frozen=True)
class MeteredAccountant:
    """The accountant of real nodes; all is null where none of them measures."""

    uncounted: Sequence[str] = ()

    def bill(
        self,
        replies: Sequence[Reply],
        waiting_s: Mapping[int, float],
        start_s: float,
        end_s: float,
        peers: Sequence[PeerExchange] = (),
    ) -> MeteredBill:
        """What the round took; real clients have no exchanges with peers."""
        of_client: dict[int, list[Reply]] = {}
        for reply in replies:
            of_client.setdefault(reply.client, []).append(reply)
        accounts = {client: _account(answers) for client, answers in of_client.items()}
        return MeteredBill(
            usages=[_usage(reply, accounts[reply.client]) for reply in replies],
            waiting_j=dict.fromkeys(waiting_s),
            bystanders_j=None,
            server_j=None,
            carbon_g=None,
            source=None,
            accounts=accounts,
        )


def _account(replies: Sequence[Reply]) -> Account:
    """One client's replies of a round together."""
    answers = [reply for reply in replies if reply.sent_bytes]
    readings = [_believed(reply) for reply in answers]
    found = [one for one in readings if one is not None]
    remarks = [remark for one in found for remark in one.flag.split("; ") if remark]
    measured = [one for one in found if one.joules is not None]
    scopes = {one.scope for one in measured}
    if len(scopes) > 1:
        remarks.append(SEVERAL_SCOPES)
    if measured and len(measured) < len(replies):
        remarks.append(PARTLY)
    flag = "; ".join(dict.fromkeys(remarks)) or None
    if len(scopes) != 1 or len(measured) < len(replies):
        return Account(origin=Origin(flag=flag), answered=bool(answers))
    source = max((str(one.source) for one in measured), key=_BEST_FIRST.index)
    joules = total(Range.exact(one.joules) for one in measured if one.joules is not None)
    return Account(joules, Origin(source, scopes.pop(), flag))


def _believed(reply: Reply) -> Reading | None:
    """The reply's reading, without its joules where its window cannot have been."""
    reading, timing = reply.reading, reply.timing
    if reading is None or reading.seconds <= _SLACK * (timing.arrived_s - timing.sent_s):
        return reading
    return Reading(None, reading.seconds, None, None, f"{NOT_MEASURED}; {TOO_LONG}")


def _usage(reply: Reply, account: Account) -> Usage:
    """One exchange; its joules stand only where they are part of its client's figure."""
    if account.joules is None or reply.reading is None or reply.reading.joules is None:
        return Usage()
    return Usage(compute_j=Range.exact(reply.reading.joules))
