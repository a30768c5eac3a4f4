"""The bounds that payloads are compared with, and that no codec is left out."""

import math

import numpy as np
import pytest

from benchmarks import codec_cases, codec_page, codecs
from benchmarks.codec_cases import CASES, cases, entropy_bits, position_bits, rate_bits
from benchmarks.codec_inputs import Update, gaussian
from federation.codecs._text import parse_chain, stages

SMALL = gaussian(40_000)  # more than a threshold is guessed from


@pytest.mark.parametrize(("n", "k"), [(10, 0), (10, 10), (10, 3), (1000, 17), (100_000, 1000)])
def test_positions_take_the_logarithm_of_the_number_of_ways(n, k):
    assert position_bits(n, k) == pytest.approx(math.log2(math.comb(n, k)), abs=1e-6 * n)


def test_entropy_in_closed_form():
    half = np.array([0, 1] * 50)
    assert entropy_bits(half) == 100
    assert entropy_bits(np.zeros(100, np.uint8)) == 0
    assert entropy_bits(np.array([3, 3, 3, 9])) == pytest.approx(4 * 2 - 3 * math.log2(3))


def test_a_bit_more_quarters_the_error_of_a_gaussian():
    assert rate_bits(4**-3) == 3
    assert rate_bits(1.0) == 0


def test_every_codec_is_measured():
    measured = {type(stage) for case in cases() for stage in parse_chain(case.text)}
    assert measured == {stages().get(name) for name in stages().names()}


def test_a_codec_that_is_in_no_chain_is_measured_by_its_example(monkeypatch):
    monkeypatch.setattr(codec_cases, "CASES", [one for one in CASES if "dgc" not in one.text])
    assert [one.text for one in cases() if "dgc" in one.text] == ["dgc(0.05)"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text)
def test_no_payload_is_smaller_than_its_bound(case):
    """But for 1 % by a better model."""
    found = codecs.size(case, SMALL)
    assert found.bound_bits > 0
    assert found.sent_bits >= 0.99 * found.bound_bits


def test_a_payload_and_its_error_by_hand():
    """Header 24 bytes, one for the length of the side information, its four, 13 of signs."""
    values = np.array([1.0, -3.0] * 50, "f4")
    (case,) = (case for case in CASES if case.text == "sign")
    found = codecs.size(case, Update("by hand", values, ((100,),)))
    assert found.sent_bits == 8 * (24 + 1 + 4 + 13)
    assert found.bound_bits == 100
    assert found.nmse == pytest.approx(1 / 5)


def test_the_page_names_every_chain_and_every_goal():
    sizes = [codecs.size(case, SMALL) for case in CASES]
    speeds = {case.text: codecs.Speed(0.1, 2.0, 1.0, 3.0) for case in CASES}
    page = codec_page.page(sizes, speeds)
    assert all("`" + case.text.replace("|", "\\|") + "`" in page for case in CASES)
    assert "| `int8`: encode, GB/s | 1 | 0.1 | **no** |" in page
    assert "| `int8`: decode, GB/s | 1 | 2 | yes |" in page
    assert "worst chain but dgc | 2 | 3 | **no** |" in page
