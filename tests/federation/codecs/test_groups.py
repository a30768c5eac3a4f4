"""Groups cover a vector, front to back, whatever its tensors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.codecs._groups import PERS, Groups, read_scales, write_scales
from federation.codecs._pieces import PIECE, pieces
from federation.codecs._stage import Shape

CNN = ((32, 3, 5, 5), (32,), (10, 512), (10,), (8, 4), (0, 3), ())
TENSORS = st.lists(st.lists(st.integers(0, 40), max_size=3).map(tuple), max_size=5).map(tuple)


def shape(tensors):
    return Shape("values", sum(math.prod(tensor) for tensor in tensors), tensors=tensors)


def test_a_channel_is_an_index_of_the_first_axis_where_it_has_16_entries():
    runs = Groups.of(shape(CNN), "channel").runs
    assert runs == ((32, 75), (1, 32), (10, 512), (1, 10), (1, 32), (1, 1))


def test_empty_tensors_have_no_group():
    assert Groups.of(shape(CNN), "tensor").count == len(CNN) - 1
    assert Groups.of(shape(((0,),)), "all").count == 0


def test_the_last_block_may_be_shorter():
    assert Groups.of(Shape("values", 20), "block", 8).sizes().tolist() == [8, 8, 4]


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_without_tensors_all_entries_are_one_group(per):
    assert Groups.of(Shape("values", 20), per).runs == ((1, 20),)


@pytest.mark.parametrize("per", PERS)
@given(tensors=TENSORS)
def test_tiles_cover_every_entry_once_and_in_order(per, tensors):
    groups = Groups.of(shape(tensors), per, 16)
    entries = np.arange(shape(tensors).length)
    seen = [tile.rows(entries).reshape(-1) for tile in groups.tiles()]
    np.testing.assert_array_equal(np.concatenate([[], *seen]), entries)
    assert groups.sizes().sum() == len(entries)
    assert len(groups.sizes()) == groups.count


@pytest.mark.parametrize("width", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_sums_and_extremes_of_groups_that_are_longer_than_a_piece(width):
    groups = Groups(((2, width), (3, 7)))
    values = np.arange(2 * width + 21, dtype=np.float32) - width
    parts = np.split(values.astype(np.float64), np.cumsum(groups.sizes())[:-1])
    low, high = groups.extremes(values)
    assert low.tolist() == [min(0, part.min()) for part in parts]
    assert high.tolist() == [max(0, part.max()) for part in parts]
    np.testing.assert_allclose(groups.sums(values, 1), [np.abs(part).sum() for part in parts])
    np.testing.assert_allclose(groups.sums(values, 2), [np.square(part).sum() for part in parts])


def test_pieces_cover_a_vector():
    assert list(pieces(PIECE + 1)) == [slice(0, PIECE), slice(PIECE, PIECE + 1)]
    assert list(pieces(0)) == []


def test_scales_survive_and_minus_zero_becomes_zero():
    scales = np.array([0, -0.0, 1e-45, 3e38])
    back = read_scales(write_scales(scales), 4)
    assert back.tolist() == np.float32(scales).tolist()
    assert not np.signbit(back).any()


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, -0.0])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="negative, NaN or infinite"):
        read_scales(np.array([1, scale], "<f4").tobytes(), 2)


@pytest.mark.parametrize("size", [0, 7, 9, 12])
def test_too_few_or_too_many_scales_are_refused(size):
    with pytest.raises(ValueError, match="bytes of scales for 2 groups"):
        read_scales(bytes(size), 2)
