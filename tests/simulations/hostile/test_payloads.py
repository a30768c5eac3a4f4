"""Lies in the payload of a reply: cut, forged, of another place, absurd."""

import struct
from dataclasses import dataclass

import numpy as np
import pytest
import xxhash

from federation.codecs._chain import HEADER_BYTES, Chain, Label
from federation.codecs._stage import Context, Encoded
from federation.codecs._text import parse_chain
from federation.codecs.int import Int
from federation.messages import payloads_of, reply_content

LIAR, SEED = 2, 1
SHAPES, SIZE = ((10, 64), (10,)), 650  # of the logistic model on the digits
JUNK_BYTES = 10_000_000


def payload(make):
    """Another payload; `make` gets the honest one and the chain."""

    def lie(content, chain):
        return reply_content(
            content["metrics"], {"model": make(payloads_of(content)["model"], chain)}
        )

    return lie


def sealed(honest, body, field=None, value=0):
    """Another body under the honest header, with one field changed and the checksum right."""
    header = list(struct.unpack_from("<4sIIIQ", honest))
    header[4] = xxhash.xxh3_64_intdigest(body)
    if field is not None:
        header[field] = value
    return struct.pack("<4sIIIQ", *header) + body


def body_of(honest):
    return honest[HEADER_BYTES:]


def made_by(chain, honest, values, shapes=SHAPES):
    """What a chain makes of values, for the place of the honest payload."""
    _, _, number, base, _ = struct.unpack_from("<4sIIIQ", honest)
    context = Context(SEED, "uplink model", number, LIAR)
    given = (values, b"", shapes) if chain.stages else (values[:0], values.tobytes(), ())
    return chain.encode(*given, Label(number, base), context).payload


def values_with(value):
    values = np.linspace(-1, 1, SIZE, dtype="f4")
    values[7] = value
    return values


def noise(size):
    return np.random.default_rng(size).standard_normal(size).astype("f4")


def encoded(values, shapes=SHAPES):
    return payload(lambda honest, chain: made_by(chain, honest, values, shapes))


@dataclass(frozen=True)
class Forged(Int):
    """Tells another scale than it used."""

    scale: float = 1.0

    def encode(self, values, given, context):
        done = super().encode(values, given, context)
        return Encoded(done.values, struct.pack("<f", self.scale))


def scaled(scale):
    """A payload that is right in all but the quantiser's scale."""

    def make(honest, chain):
        stages = [Forged(scale=scale) if isinstance(one, Int) else one for one in chain.stages]
        forged = made_by(Chain(tuple(stages)), honest, values_with(0.5))
        return sealed(honest, body_of(forged))

    return payload(make)


BOTH = {
    "empty": (payload(lambda h, _: b""), "a payload of 0 bytes"),
    "half a header": (payload(lambda h, _: h[:9]), "a payload of 9 bytes"),
    "raw values": (payload(lambda h, _: values_with(0).tobytes()), "does not begin with PLN1"),
    "another version": (payload(lambda h, _: b"PLN9" + h[4:]), "does not begin with PLN1"),
    "cut": (payload(lambda h, _: h[:-3]), "the checksum is wrong"),
    "longer": (payload(lambda h, _: h + b"\0"), "the checksum is wrong"),
    "a bit": (payload(lambda h, _: h[:-1] + bytes([h[-1] ^ 1])), "the checksum is wrong"),
    "cut, sealed": (payload(lambda h, _: sealed(h, body_of(h)[:-3])), "part 'model': "),
    "longer, sealed": (payload(lambda h, _: sealed(h, body_of(h) + b"\0")), "part 'model': "),
    "junk, sealed": (payload(lambda h, _: sealed(h, bytes(JUNK_BYTES))), "part 'model': "),
    "nothing, sealed": (payload(lambda h, _: sealed(h, b"")), "part 'model': "),
    "another codec": (
        payload(lambda h, _: made_by(Chain(parse_chain("fp16")), h, values_with(0))),
        "the payload was made by another codec",
    ),
    "another round": (payload(lambda h, _: sealed(h, body_of(h), 2, 1)), "is of round 1, not"),
    "another base": (payload(lambda h, _: sealed(h, body_of(h), 3, 99)), "from another model"),
    "a larger model": (encoded(noise(1300), ((20, 64), (20,))), "part 'model': "),
    "a smaller model": (encoded(noise(320), ((5, 64),)), "part 'model': "),
    "1e16": (encoded(values_with(1e16)), "holds NaN or absurdly large values"),
    "-3e38": (encoded(values_with(-3e38)), "holds NaN or absurdly large values"),
}
LOSSLESS = BOTH | {
    "nan": (encoded(values_with(np.nan)), "holds NaN or absurdly large values"),
    "inf": (encoded(values_with(np.inf)), "holds NaN or absurdly large values"),
    "-inf": (encoded(values_with(-np.inf)), "holds NaN or absurdly large values"),
}
LOSSY = BOTH | {
    "scale nan": (scaled(np.nan), "a scale is negative, NaN or infinite"),
    "scale inf": (scaled(np.inf), "a scale is negative, NaN or infinite"),
    "scale -1": (scaled(-1.0), "a scale is negative, NaN or infinite"),
    "scale 1e30": (scaled(1e30), "holds NaN or absurdly large values"),
    "scale 3e38": (scaled(3e38), "holds NaN or absurdly large values"),
}
FEW = {name: LOSSY[name] for name in ("cut", "another base", "1e16", "scale 1e30")}
LIES = {
    "plain": LOSSLESS,
    "serial": LOSSLESS,
    "ef": LOSSY,
    "ef21": LOSSY,
    "ray": FEW,
}


def played(play, world):
    return play(world, {name: lie for name, (lie, _) in LIES[world].items()})


@pytest.mark.parametrize(("world", "name"), [(w, n) for w, lies in LIES.items() for n in lies])
def test_a_lie_is_a_rejected_row_and_the_round_goes_on(play, world, name):
    played(play, world).check_rejected(name, LIES[world][name][1])


@pytest.mark.parametrize("world", LIES)
def test_no_lie_reaches_the_model(play, world):
    lied, silent = played(play, world).models()
    assert lied == silent


@pytest.mark.parametrize("chain", ["lossless", "lossy"])
def test_what_is_made_in_the_same_way_but_holds_what_it_should_counts(play, chain):
    """So that the lies are refused for what is wrong with them."""
    same = {"body": payload(lambda h, _: sealed(h, body_of(h))), "values": encoded(values_with(0))}
    fine = {"scale": scaled(0.01)} if chain == "lossy" else {}
    game = play(f"true {chain}", same | fine)
    assert {game.row(name).status for name in same | fine} == {"counted"}
