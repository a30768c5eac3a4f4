"""A lossy downlink: everyone ends with the same arrays, and nothing is lost for good."""

import numpy as np
import pytest

from federation.arrays import digest, spec_of
from federation.codecs._chain import Chain
from federation.codecs._text import parse_chain
from federation.downlink import WHOLE, WINDOW, Letter, Publisher, open_letter
from federation.errors import RejectedUpdate
from federation.transport import Channel

SIZE = 4000


def model(seed):
    return {"model": {"w": np.random.default_rng(seed).standard_normal(SIZE).astype("f4")}}


SPECS = {"model": spec_of(model(0)["model"])}


def channel(codec="topk(0.01)"):
    return Channel(Chain(parse_chain(codec)), 1, "downlink")


def publisher(codec="topk(0.01)", versions=1):
    """A publisher that has gone from the start, model 0, to model `versions`."""
    made = Publisher(channel(codec), SPECS, model(0))
    for seed in range(versions + 1):
        made.publish(model(seed))
    return made


def received(sender, client, held):
    letter = sender.letter(client)
    sender.delivered(client)
    return letter, open_letter(sender.channel, letter, SPECS, held)


def test_the_start_is_not_sent_at_all():
    sender = publisher(versions=0)
    letter, held = received(sender, 7, model(0))
    assert (letter.version, letter.base, letter.payloads) == (0, 0, {})
    assert digest(held) == digest(model(0))


def test_a_new_client_gets_all_payloads_since_the_start():
    sender = publisher(versions=3)
    letter, held = received(sender, 7, model(0))
    assert (letter.base, letter.version, len(letter.payloads)) == (0, 3, 3)
    assert digest(held) == digest(sender.held)


def test_a_client_without_what_it_should_hold_gets_the_model_whole_and_to_the_bit():
    sender = publisher(versions=3)
    sender.lost(7)
    letter, held = received(sender, 7, {})
    assert letter.base == WHOLE
    assert digest(held) == digest(sender.held)


def test_letters_on_other_starts_are_told_apart():
    other = Publisher(channel(), SPECS, model(1))
    assert publisher(versions=0).letter(7).start != other.letter(7).start


def test_a_client_that_missed_versions_gets_all_their_payloads():
    sender = publisher()
    _, held = received(sender, 7, model(0))
    for seed in (2, 3, 4):
        sender.publish(model(seed))
    letter, held = received(sender, 7, held)
    assert (letter.base, letter.version, len(letter.payloads)) == (1, 4, 3)
    assert digest(held) == digest(sender.held)


def test_clients_that_hold_the_same_version_share_a_letter():
    sender = publisher()
    for client in (1, 2):
        sender.delivered(client)
    sender.publish(model(1))
    assert sender.letter(1) is sender.letter(2)


def test_the_model_goes_whole_where_that_is_smaller():
    sender = publisher("topk(0.4)")
    sender.delivered(7)
    for seed in range(2, 6):
        sender.publish(model(seed))
    assert sender.letter(7).base == WHOLE


def test_a_client_beyond_the_window_gets_the_model_whole():
    sender = publisher("topk(1)")
    sender.delivered(7)
    for seed in range(2, WINDOW + 3):
        sender.publish(model(seed % 3))
    assert sender.letter(7).base == WHOLE


def test_what_a_payload_lost_is_in_the_next_ones():
    """Top 1 % of a constant target: after a hundred versions all of it has arrived."""
    sender, target = publisher(), model(5)
    for _ in range(100):
        sender.publish(target)
    np.testing.assert_allclose(sender.held["model"]["w"], target["model"]["w"], atol=1e-6)


def test_a_restored_publisher_writes_the_same_letters():
    sender = publisher()
    for client, seed in ((3, 1), (5, 2)):
        sender.delivered(client)
        sender.publish(model(seed))
    again = Publisher(channel(), SPECS, model(0))
    again.restore(sender.state())
    for one in (sender, again):
        one.publish(model(9))
    for client in (3, 5, 6):
        assert again.letter(client) == sender.letter(client)
    assert digest(again.held) == digest(sender.held)


def test_a_letter_on_another_base_is_refused():
    sender = publisher()
    sender.delivered(7)
    sender.publish(model(1))
    with pytest.raises(RejectedUpdate, match="difference from another model"):
        open_letter(sender.channel, sender.letter(7), SPECS, model(3))


def test_a_letter_that_skips_a_version_is_refused():
    sender = publisher()
    held = sender.held
    sender.delivered(7)
    sender.publish(model(1))
    letter = sender.letter(7)
    with pytest.raises(RejectedUpdate, match="were expected"):
        open_letter(
            sender.channel,
            Letter(letter.version + 1, letter.base, letter.payloads),
            SPECS,
            held,
        )
