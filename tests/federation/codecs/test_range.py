"""The range coder: its bytes against the empirical entropy, its tables, and strangers' streams."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.codecs._entropy import code, decode
from federation.codecs._frequencies import Histogram, Table
from federation.codecs._pack import packed_bytes
from federation.codecs._stage import Context, Shape
from federation.codecs.range import Range

CONTEXT = Context(1, "range", 1, 1)


def shape_of(symbols, alphabet, tensors=None):
    return Shape("symbols", len(symbols), alphabet=alphabet, tensors=tensors)


def round_trip(symbols, given_):
    coded = Range().encode(symbols, given_, CONTEXT)
    back = Range().decode(coded.values, coded.side, given_, CONTEXT)
    np.testing.assert_array_equal(back, symbols)
    return len(coded.values) + len(coded.side)


def entropy_bytes(symbols):
    counts = np.unique(symbols, return_counts=True)[1]
    return float(-(counts * np.log2(counts / len(symbols))).sum()) / 8


def quantised(source, n, step):
    rng = np.random.default_rng(7)
    x = {
        "normal": rng.standard_normal,
        "laplace": lambda n: rng.laplace(size=n),
        "student": lambda n: rng.standard_t(3, n),
    }[source](n)
    return (np.rint(x / step).clip(-32768, 32767) + 32768).astype(np.uint16)


@pytest.mark.parametrize("source", ["normal", "laplace", "student"])
@pytest.mark.parametrize("step", [0.016, 0.5, 1.08, 4])
def test_a_million_symbols_take_at_most_half_a_percent_over_their_entropy(source, step):
    symbols = quantised(source, 1_000_000, step)
    size = round_trip(symbols, shape_of(symbols, 65536))
    assert size <= 1.005 * entropy_bytes(symbols)


@pytest.mark.parametrize("source", ["normal", "laplace", "student"])
@pytest.mark.parametrize("step", [0.016, 0.5, 1.08, 2])
def test_ten_thousand_symbols_take_at_most_three_percent_over_their_entropy(source, step):
    symbols = quantised(source, 10_000, step)
    size = round_trip(symbols, shape_of(symbols, 65536))
    assert size <= 1.03 * entropy_bytes(symbols)


@pytest.mark.parametrize("share", [0.3, 0.01, 0.001])
def test_rare_symbols_cost_what_their_entropy_says(share):
    rng = np.random.default_rng(1)
    symbols = (rng.random(1_000_000) < share).astype(np.uint8)
    size = round_trip(symbols, shape_of(symbols, 2))
    assert size <= 1.005 * entropy_bytes(symbols) + 8


def test_a_constant_takes_its_head_alone():
    symbols = np.full(10**6, 200, np.uint8)
    assert round_trip(symbols, shape_of(symbols, 256)) == 7


def test_uniform_symbols_are_packed_at_one_byte_more():
    symbols = np.random.default_rng(1).integers(0, 256, 5000).astype(np.uint8)
    assert round_trip(symbols, shape_of(symbols, 256)) == 5001


@settings(max_examples=200)
@given(data=st.data())
def test_any_symbols_come_back_and_take_at_most_a_byte_more_than_packed(data):
    alphabet = data.draw(st.sampled_from([2, 3, 4, 7, 16, 200, 256, 257, 1000, 65536]))
    symbols = np.array(data.draw(st.lists(st.integers(0, alphabet - 1), max_size=200)), np.uint16)
    size = round_trip(symbols, shape_of(symbols, alphabet))
    assert size <= packed_bytes(len(symbols), alphabet) + 1


@settings(max_examples=100)
@given(lengths=st.lists(st.integers(0, 3000), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_tensors_come_back_whichever_tables_they_use(lengths, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.poisson(rng.choice([0.1, 3, 50]), n).clip(0, 255) for n in lengths]
    symbols = np.concatenate(parts).astype(np.uint8)
    round_trip(symbols, shape_of(symbols, 256, tuple((n,) for n in lengths)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("apart", [1, 2, 17])  # 2: with gaps between the symbols that occur
@pytest.mark.parametrize("count", [2, 3, 5, 11, 15])  # 8, 5, 3, 2, 2 symbols are one number
def test_long_runs_come_back(dtype, apart, count):
    ranks = np.random.default_rng(count).integers(0, count, (1 << 17) + 1)
    symbols = (3 + apart * ranks).astype(dtype)
    size = round_trip(symbols, shape_of(symbols, 256 if dtype == np.uint8 else 65536))
    assert size <= 1.005 * entropy_bytes(symbols) + 30


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("base", [0, 700])
def test_long_vectors_are_counted_as_short_ones_are(base, length):
    rng = np.random.default_rng(1)
    symbols = (rng.normal(100, 20, (1 << 21) + length) + base).astype(np.uint16)
    narrow = symbols if base else symbols.astype(np.uint8)
    found = Histogram.of(narrow)
    assert found.first == symbols.min()
    np.testing.assert_array_equal(found.counts, np.bincount(symbols)[found.first :])


def test_each_tensor_has_its_own_table_where_that_saves_bytes():
    rng = np.random.default_rng(2)
    narrow = (rng.standard_normal(50_000) + 128).astype(np.uint8)
    wide = (40 * rng.standard_normal(50_000) + 128).clip(0, 255).astype(np.uint8)
    few = wide[:10]
    symbols = np.concatenate([narrow, wide, few])
    apart = round_trip(symbols, shape_of(symbols, 256, ((50_000,), (50_000,), (10,))))
    together = round_trip(symbols, shape_of(symbols, 256))
    assert apart <= 1.005 * (entropy_bytes(narrow) + entropy_bytes(wide)) + 30
    assert apart < 0.9 * together


def test_tensors_that_are_alike_share_a_table():
    symbols = quantised("normal", 40_000, 0.5)
    apart = code(symbols, shape_of(symbols, 65536, ((20_000,), (20_000,))))
    assert apart.head == code(symbols, shape_of(symbols, 65536)).head


@pytest.mark.parametrize("symbols", [[5], [5, 5, 9], [0, 65535]])
def test_a_table_covers_the_symbols_that_occur(symbols):
    table, _ = Table.fit(Histogram.of(np.array(symbols, np.uint16)))
    found, weights = table.entries()
    assert set(symbols) <= set(found.tolist())
    assert (weights >= 1).all()
    again = Table.read(table.header(), 65536).with_differences(table.differences())
    np.testing.assert_array_equal(again.entries()[1], weights)


def test_counts_that_are_powers_of_two_are_kept_exactly():
    symbols = np.repeat(np.arange(4), [100, 200, 400, 800]).astype(np.uint8)
    _, weights = Table.fit(Histogram.of(symbols))[0].entries()
    np.testing.assert_array_equal(weights / weights[0], [1, 2, 4, 8])


def test_the_bytes_are_pinned():
    """The stream must not change with a release of constriction or numpy."""
    words = (np.arange(5000, dtype=np.uint64) * 2654435761 % 2**32).astype("<u4")
    symbols = np.unpackbits(words.view(np.uint8)).reshape(5000, 32).sum(1).astype(np.uint8)
    coded = code(symbols, shape_of(symbols, 64))
    assert (coded.head.hex(), zlib.crc32(coded.stream.tobytes())) == (
        "0100001a001006",
        2196714790,
    )
    np.testing.assert_array_equal(decode(coded.head, coded.stream, shape_of(symbols, 64)), symbols)


def coded_example():
    symbols = quantised("laplace", 3000, 0.3)
    given_ = shape_of(symbols, 65536, ((1500,), (1500,)))
    return code(symbols, given_), given_


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: (b"", c.stream), "unknown form"),
        (lambda c: (b"\x07" + c.head[1:], c.stream), "unknown form"),
        (lambda c: (c.head + bytes(6), c.stream), "not of the right number"),
        (
            lambda c: (c.head[:1] + b"\xff\xff\xff\xff" + c.head[5:], c.stream),
            "beyond the alphabet",
        ),
        (lambda c: (c.head[:5] + b"\xff" + c.head[6:], c.stream), "unknown form"),
        (lambda c: (c.head, c.stream[:-1]), "whole words"),
        (lambda c: (c.head, np.append(c.stream, np.zeros(400, np.uint8))), "left over"),
    ],
)
def test_a_stream_that_was_not_made_here_is_refused(change, words):
    coded, given_ = coded_example()
    with pytest.raises(ValueError, match=words):
        decode(*change(coded), given_)


def test_random_heads_and_streams_raise_nothing_but_value_errors():
    coded, given_ = coded_example()
    rng = np.random.default_rng(4)
    for _ in range(1500):
        head, stream = bytearray(coded.head), coded.stream.copy()
        for _ in range(int(rng.integers(0, 3))):
            head[int(rng.integers(len(head)))] = int(rng.integers(256))
        stream[rng.integers(len(stream), size=3)] = rng.integers(256, size=3)
        try:
            symbols = decode(bytes(head), stream[: len(stream) - 4 * int(rng.integers(3))], given_)
        except ValueError:
            continue
        assert symbols.shape == (3000,)
