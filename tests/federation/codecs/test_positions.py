"""Sets of positions cost what there is to say, and nothing else decodes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.codecs._positions import decode_positions, encode_positions, most_bytes


def bound_bits(length, count):
    """log2 C(length, count)."""
    ways = math.lgamma(length + 1) - math.lgamma(count + 1) - math.lgamma(length - count + 1)
    return ways / math.log(2)


def drawn(length, count, seed=0):
    few = min(count, length - count)
    drawn = np.sort(np.random.default_rng(seed).choice(length, few, replace=False))
    return drawn if few == count else np.delete(np.arange(length), drawn)


def came_back(data, count, length):
    return np.arange(length)[decode_positions(data, count, length)]


LENGTHS = st.sampled_from([1, 2, 3, 30, 1025, 1500, 4096, 4097, 9000])


@settings(max_examples=150, deadline=None)
@given(length=LENGTHS, share=st.floats(0, 1), seed=st.integers(0, 99), ends=st.booleans())
def test_a_set_comes_back_and_takes_no_more_than_promised(length, share, seed, ends):
    count = round(share * length)
    chosen = drawn(length, count, seed)
    if ends and count:  # packed to the front, with one at the end
        chosen = np.append(np.arange(count - 1), length - 1)
    data = encode_positions(chosen, length)
    np.testing.assert_array_equal(came_back(data, count, length), chosen)
    assert len(data) <= most_bytes(count, length)


@pytest.mark.parametrize(
    ("length", "count"),
    [
        (2000, 1000),
        (4096, 2048),
        (4097, 1000),
        (4097, 1365),
        (5000, 4000),
        (10**6, 1000),
        (10**6, 10**4),
        (10**6, 10**5),
        (10**6, 500_000),
        (10**6, 10**6 - 1000),
        (2**31 + 11, 1000),
    ],
)
def test_a_thousand_positions_or_more_lie_within_half_a_percent_of_the_bound(length, count):
    chosen = np.unique(np.random.default_rng(0).integers(0, length, count))
    if length < 2**31:
        chosen = drawn(length, count)
    ratio = len(encode_positions(chosen, length)) * 8 / bound_bits(length, len(chosen))
    assert ratio <= 1.005


@pytest.mark.parametrize(("length", "step"), [(64_000, 64), (64_031, 64), (10**6, 992)])
def test_evenly_spaced_positions_are_within_it_as_well(length, step):
    """All gaps have a low part of 0 or all ones, the worst for parts coded as equally likely."""
    for chosen in (np.arange(length % step, length, step), np.arange(step - 1, length, step)):
        data = encode_positions(chosen, length)
        assert len(data) * 8 <= 1.005 * bound_bits(length, len(chosen))


@pytest.mark.parametrize("length", [10, 1000, 10**6])
@pytest.mark.parametrize("rare", [0, 1, 2, 9, 99])
def test_few_positions_and_almost_all_cost_the_same_and_no_more_than_three_bytes_too_many(
    length, rare
):
    rare = min(rare, (length - 1) // 2)
    few = drawn(length, rare)
    most = np.delete(np.arange(length), few)
    data = encode_positions(few, length)
    assert encode_positions(most, length) == data
    assert len(data) * 8 <= bound_bits(length, rare) + 24
    np.testing.assert_array_equal(came_back(data, length - rare, length), most)


@pytest.mark.parametrize("count", [0, 3, 10, 17, 20])
def test_a_mask_has_the_code_of_its_positions(count):
    mask = np.zeros(20, bool)
    mask[drawn(20, count)] = True
    assert encode_positions(mask, 20) == encode_positions(np.flatnonzero(mask), 20)


def test_none_and_all_cost_nothing():
    assert encode_positions(np.arange(0), 50) == b""
    assert encode_positions(np.arange(50), 50) == b""
    assert len(decode_positions(b"", 0, 0)) == 0
    np.testing.assert_array_equal(came_back(b"", 50, 50), np.arange(50))


def test_small_sets_are_numbered_in_the_combinatorial_number_system():
    """The first 512 of 1025 are set number 0, the last 512 are the last of C(1025, 512)."""
    last = math.comb(1025, 512) - 1
    size = (last.bit_length() + 7) // 8
    assert encode_positions(np.arange(512), 1025) == bytes(size)
    assert encode_positions(np.arange(513, 1025), 1025) == last.to_bytes(size, "big")
    with pytest.raises(ValueError, match="no set"):
        decode_positions((last + 1).to_bytes(size, "big"), 512, 1025)


def test_the_code_is_pinned():
    """Positions of an old payload must be read the same on every machine, for ever."""
    chosen = np.array([3, 17, 18, 400, 90_000, 99_999])
    assert encode_positions(chosen, 100_000).hex() == PINNED


PINNED = "00000dfc3ac151242372ea85"


def test_a_long_way_to_one_position_takes_escapes_and_comes_back():
    chosen = np.append(np.arange(1000), 10**6 - 1)
    data = encode_positions(chosen, 10**6)
    np.testing.assert_array_equal(decode_positions(data, 1001, 10**6), chosen)
    assert len(data) * 8 <= 1.005 * bound_bits(10**6, 1001)


def test_more_than_one_batch_comes_back():
    chosen = drawn(300_000, 140_000)
    data = encode_positions(chosen, 300_000)
    np.testing.assert_array_equal(came_back(data, 140_000, 300_000), chosen)


@settings(max_examples=400, deadline=None)
@given(
    data=st.binary(max_size=24),
    count=st.integers(0, 12),
    length=st.sampled_from([12, 13, 100, 5000, 10**9]),
)
def test_any_bytes_are_a_set_with_one_code_or_a_value_error(data, count, length):
    try:
        found = decode_positions(data, count, length)
    except ValueError:
        return
    chosen = np.flatnonzero(found) if found.dtype == bool else found
    assert len(chosen) == count
    assert (np.diff(chosen) > 0).all()
    assert not count or (chosen[0] >= 0 and chosen[-1] < length)
    assert encode_positions(chosen, length) == data


@pytest.mark.parametrize(("length", "count"), [(10**5, 1000), (1025, 512), (4000, 3900)])
def test_a_damaged_code_is_another_set_of_that_size_or_a_value_error(length, count):
    rng = np.random.default_rng(1)
    good = encode_positions(drawn(length, count), length)
    refused = 0
    for _ in range(150):
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        try:
            found = came_back(bytes(bad), count, length)
        except ValueError:
            refused += 1
            continue
        assert len(np.unique(found)) == count
        assert encode_positions(found, length) == bytes(bad)
    assert refused or length == 1025  # there, nearly every number is a set's


@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(10**6)])
@pytest.mark.parametrize(("length", "count"), [(10**5, 1000), (1025, 512), (60, 0), (60, 60)])
def test_anything_after_the_code_is_refused(tail, length, count):
    data = encode_positions(drawn(length, count), length)
    with pytest.raises(ValueError, match=r"position|bytes"):
        decode_positions(data + tail, count, length)


@pytest.mark.parametrize(("length", "count"), [(10**5, 1000), (1025, 512)])
def test_half_a_code_is_refused(length, count):
    data = encode_positions(drawn(length, count), length)
    with pytest.raises(ValueError, match=r"position|bytes"):
        decode_positions(data[: len(data) // 2], count, length)


@pytest.mark.parametrize("count", [-1, 11])
def test_a_count_that_cannot_be_is_refused(count):
    with pytest.raises(ValueError, match="among 10"):
        decode_positions(b"", count, 10)
