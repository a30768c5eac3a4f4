"""What schedules share in which clients learn among themselves.

`RoundResult`s of a simulation hold the messages between the clients; on real nodes the server
relays, and the requests and replies are the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from federation.arrays import Spec
from federation.errors import ScenarioError
from federation.messages import Reply
from federation.peers import Size
from federation.rounds import Outcome
from federation.scenario.schema import Scenario
from strategies.base import Algorithm


def check(scenario: Scenario, algorithm: Algorithm, model: Spec) -> None:
    """Refuse what only a server could do. Raises ScenarioError."""
    strategy, name = scenario.strategy, scenario.strategy.schedule
    if "model" not in algorithm.uplink_specs(model):
        raise ScenarioError(
            f"strategy.algorithm = {strategy.algorithm!r}: its clients send no models, which those "
            f"of the schedule {name!r} average among themselves; use 'parallel' or 'serial'"
        )
    if scenario.downlink.codec != "none":
        raise ScenarioError(
            f"downlink.codec = {scenario.downlink.codec!r}: with the schedule {name!r} nothing "
            "comes down from a server; what clients send to each other is uplink.codec's"
        )
    for key, value, nothing in (
        ("over_selection", strategy.over_selection, 1.0),
        ("min_replies", strategy.min_replies, 0.0),
        ("deadline_s", strategy.deadline_s, None),
    ):
        if value != nothing:
            raise ScenarioError(
                f"strategy.{key} = {value:g}: with the schedule {name!r} there is no server that "
                f"could give up on a client; leave {key} out"
            )


def counted(outcomes: Sequence[Outcome]) -> list[Reply]:
    """The replies that count."""
    return [one.reply for one in outcomes if one.status == "counted"]


def size_of_reply(reply: Reply) -> Size:
    """What a client has to say to its peers is what it would reply to a server."""
    return Size(reply.raw_bytes, reply.sent_bytes)


def without_parts(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Outcomes for the tables: what was summed is not kept."""
    return tuple(replace(one, reply=replace(one.reply, parts=None)) for one in outcomes)
