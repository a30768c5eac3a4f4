"""Replies that cannot be built cost their sender, and nobody else but once."""

from dataclasses import dataclass, field

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from federation.arrivals import Arrivals
from federation.errors import RejectedUpdate
from simulations.flower_internals import assume_identity, stamp

NAMES = ["a", "b", "c"]


@dataclass
class SuperLink:
    """Hands a reply out once, as Flower's does; an exception stands for one that breaks."""

    replies: dict
    forgotten: set = field(default_factory=set)
    calls: list = field(default_factory=list)

    def pull_messages(self, names):
        self.calls.append(list(names))
        told = [answer(name, Error(1, "unavailable")) for name in names if name in self.forgotten]
        ready = [self.replies.pop(name) for name in names if name in self.replies]
        self.forgotten |= set(names) - self.replies.keys()
        for reply in ready:
            if isinstance(reply, Exception):
                raise reply
        return told + ready


def answer(name, content=None):
    """The reply to the message of this name."""
    assume_identity(1)
    asked = Message(RecordDict(), 2, "train")
    stamp(asked, name)
    return Message(content or RecordDict({"name": ConfigRecord({"is": name})}), reply_to=asked)


def link(**broken):
    return SuperLink({name: broken.get(name) or answer(name) for name in NAMES})


def fetched(arrivals, names=NAMES):
    return dict(arrivals.fetch(names))


def test_replies_come_under_the_names_of_what_they_answer():
    arrivals = Arrivals(link())
    found = fetched(arrivals)
    assert {name: reply.content["name"]["is"] for name, reply in found.items()} == {
        name: name for name in NAMES
    }
    assert arrivals.grid.calls == [NAMES], "one call for all"


@pytest.mark.parametrize("error", [KeyError("arraychunk_ids"), ValueError("x"), RecursionError()])
def test_after_a_broken_reply_each_is_fetched_alone(error):
    arrivals = Arrivals(link(b=error))
    assert fetched(arrivals) == {}
    again = fetched(arrivals)
    assert all(reply.has_error() for reply in again.values()), "the SuperLink forgot all three"

    arrivals.grid = link(b=error)
    found = fetched(arrivals)
    assert isinstance(found["b"], RejectedUpdate)
    assert str(found["b"]).startswith(f"the message is malformed: {type(error).__name__}")
    assert [found[name].content["name"]["is"] for name in "ac"] == ["a", "c"]


def test_a_reply_to_something_else_is_nobodys():
    grid = link()
    grid.replies["a"] = answer("z")
    assert fetched(Arrivals(grid)).keys() == {"b", "c"}


def test_a_lost_connection_is_not_a_broken_reply():
    arrivals = Arrivals(link(a=ConnectionError("gone")))
    with pytest.raises(ConnectionError):
        fetched(arrivals)


def test_a_mistake_of_our_own_is_not_a_broken_reply():
    arrivals = Arrivals(link(a=TypeError("ours")), trusted=True)
    with pytest.raises(TypeError, match="ours"):
        fetched(arrivals)
