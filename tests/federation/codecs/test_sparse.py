"""What all sparse stages promise: edge cases, damage, memory."""

import tracemalloc
import zlib

import numpy as np
import pytest
import xxhash

from federation.codecs._chain import HEADER_BYTES, Chain, Label
from federation.codecs._stage import Context, Shape
from federation.codecs._text import parse_chain

TEXTS = [
    "topk(0.1)",
    "topk(7, scope='tensor')",
    "threshold(0.5)",
    "threshold(share=0.1)",
    "randomk(0.1)",
    "randomk(0.9)",
    "stc(0.1)",
    "mask",
    "topk(0.5) | stc(0.5)",
    "threshold(0.1) | topk(0.5)",
    "mask | randomk(0.5)",
]
every_chain = pytest.mark.parametrize("text", TEXTS)
HERE, LABEL = Context(1, "test", 2, 3), Label(2)


def payload_of(text, x, tensors=None):
    chain = Chain(parse_chain(text))
    return chain.encode(x, b"", tensors or [x.shape], LABEL, HERE).payload


def decoded(text, payload, tensors):
    return Chain(parse_chain(text)).decode(payload, 0, tensors, LABEL, HERE)[0]


def resealed(header, body):
    """A payload with a right checksum, as a hostile sender would make it."""
    return header[: HEADER_BYTES - 8] + xxhash.xxh3_64_intdigest(body).to_bytes(8, "little") + body


EDGES = {
    "none": np.zeros(0),
    "one": np.ones(1),
    "one zero": np.zeros(1),
    "zeros": np.zeros(50),
    "minus zeros": np.full(50, -0.0),
    "constant": np.full(50, -2.0),
    "denormal": np.full(50, 1e-44),
    "huge": np.linspace(-3e38, 3e38, 50),
    "long": np.random.default_rng(0).standard_normal(40_000),
}


@every_chain
@pytest.mark.parametrize("name", EDGES)
def test_edge_cases_come_back_finite_and_are_not_changed(text, name):
    x = EDGES[name].astype(np.float32)
    before = x.tobytes()
    back = decoded(text, payload_of(text, x), [x.shape])
    assert x.tobytes() == before
    assert back.shape == x.shape
    assert back.dtype == np.float32
    assert np.isfinite(back).all()
    if not x.any():
        assert not back.any()


@every_chain
def test_several_tensors_are_one_vector(text):
    x = np.random.default_rng(0).standard_normal(60).astype(np.float32)
    tensors = [(4, 5), (0, 3), (), (39,)]
    assert len(decoded(text, payload_of(text, x, tensors), tensors)) == 60


@every_chain
def test_the_same_input_gives_the_same_bytes(text):
    x = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    assert payload_of(text, x) == payload_of(text, x)


@every_chain
def test_a_damaged_payload_decodes_to_finite_values_or_is_a_value_error(text):
    """Checksums are made right again: the stages themselves must stand it."""
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    x = rng.standard_normal(300).astype(np.float32)
    good = payload_of(text, x)
    header, body = good[:HEADER_BYTES], good[HEADER_BYTES:]
    for _ in range(200):
        bad = bytearray(body)
        kind = rng.integers(4)
        if kind == 0:
            bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        elif kind == 1:
            del bad[rng.integers(len(bad)) :]
        elif kind == 2:
            bad[rng.integers(len(bad))] = rng.integers(256)
            bad[0:4] = rng.bytes(rng.integers(6))
        else:
            start = rng.integers(len(bad))
            bad[start : start + 9] = rng.bytes(9)
        try:
            back = decoded(text, resealed(header, bytes(bad)), [(300,)])
        except ValueError:
            continue
        assert len(back) == 300
        assert np.isfinite(back).all()


@pytest.mark.parametrize("text", [text for text in TEXTS if "stc" not in text])
def test_a_value_that_is_nan_is_refused_by_the_receiver(text):
    x = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    good = payload_of(text, x)
    body = good[HEADER_BYTES:-4] + np.float32(np.nan).tobytes()
    with pytest.raises(ValueError, match="NaN or infinite"):
        decoded(text, resealed(good[:HEADER_BYTES], body), [(300,)])


@pytest.mark.parametrize(
    "text", [*TEXTS[:8], "topk(0.5)", "topk(1.0)", "stc(0.5)", "threshold(0.0)"]
)
def test_each_stage_takes_no_more_memory_than_twice_the_update(text):
    n = 1_000_000
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    x[np.abs(x) < 0.6] = 0
    (stage,), shape = parse_chain(text), Shape("values", n, tensors=((n,),))
    stage.encode(x, shape, HERE)  # what is imported is no part of it
    tracemalloc.start()
    try:
        done = stage.encode(x, shape, HERE)
        held, encoding = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        stage.decode(done.values, done.side, shape, HERE)
        decoding = tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()
    batches = 1_000_000  # positions are handled 16 384 at a time, whatever n is
    assert max(encoding, decoding) <= 2 * 4 * n + batches
