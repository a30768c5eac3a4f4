"""The range coder beside the library below it."""

import numpy as np
import pytest

from benchmarks import codec_inputs, codec_limits, codec_page, codecs
from benchmarks.codec_cases import CASES
from benchmarks.codec_limits import Limit


@pytest.fixture(scope="module")
def limits():
    values = np.random.default_rng(3).standard_normal(20_000).astype("f4")
    return codec_limits.measure(values, turns=1)


def test_every_quantiser_is_timed_both_ways(limits):
    assert [limit.quantiser for limit in limits] == list(codec_limits.QUANTISERS)
    for limit in limits:
        assert min(limit.encode_gb_s, limit.decode_gb_s) > 0
        assert min(limit.library_encode_gb_s, limit.library_decode_gb_s) > 0


def test_a_rotated_gaussian_in_four_levels_has_the_entropy_of_lloyd_and_max(limits):
    (found,) = (limit for limit in limits if limit.quantiser == "eden(2)")
    assert found.bits_a_symbol == pytest.approx(1.911, abs=0.01)


def test_the_page_shows_the_limit_and_judges_the_coder_alone():
    update = codec_inputs.gaussian(10_000)
    sizes = [codecs.size(case, update) for case in CASES]
    speeds = {case.text: codecs.Speed(1.0, 1.0, 1.0, 1.0) for case in CASES}
    page = codec_page.page(sizes, speeds, [Limit("int8", 6.7, 0.6, 0.12, 0.8, 0.15)])
    assert "| `int8` | 6.700 | 0.60 | 0.80 | 0.120 | 0.150 |" in page
    assert "| `range` alone, on symbols of `int8`: encode, GB/s | 0.5 | 0.6 | yes |" in page
    assert "| `range` alone, on symbols of `int8`: decode, GB/s | 0.13 | 0.12 | **no** |" in page
