"""The fuzzer finds what it is there to find."""

import numpy as np
import pytest

from benchmarks import fuzz
from benchmarks.memory import peak_bytes
from benchmarks.mutants import checksum, mutants
from federation.codecs._chain import HEADER_BYTES
from federation.codecs.topk import TopK


def test_nineteen_mutants_in_twenty_get_past_the_checksum():
    payloads = fuzz.Target("topk(0.1)", [(50, 3)]).payloads()
    made = list(mutants(payloads, 400, 1))
    whole = [one for one in made if len(one) >= HEADER_BYTES]
    right = sum(one[HEADER_BYTES - 8 : HEADER_BYTES] == checksum(one) for one in whole)
    assert 0.9 < right / len(made) < 1
    assert made == list(mutants(payloads, 400, 1))


@pytest.mark.parametrize("error", [KeyError, MemoryError, ZeroDivisionError])
def test_another_exception_is_a_failure_and_shows_the_payload(monkeypatch, capsys, error):
    def broken(*given):
        raise error("broken")

    monkeypatch.setattr(TopK, "decode", broken)
    assert fuzz.main(["--count", "20", "--only", "topk(3)"]) == 1
    assert f"FAILED topk(3): {error.__name__}" in capsys.readouterr().out


def test_an_allocation_beyond_twice_the_update_is_a_failure(monkeypatch, capsys):
    right = TopK.decode

    def wasteful(self, coded, side, given, context):
        return np.ones((4, given.length), "f4")[0] * 0 + right(self, coded, side, given, context)

    monkeypatch.setattr(TopK, "decode", wasteful)
    monkeypatch.setattr(fuzz, "mutants", lambda payloads, count, seed: payloads[:1])
    assert fuzz.main(["--count", "200", "--only", "topk(3)"]) == 1
    assert "topk(3): allocates" in capsys.readouterr().out


def test_all_is_well_with_what_is_registered(capsys):
    assert fuzz.main(["--count", "20", "--only", "topk(3)"]) == 0
    assert "0 failures" in capsys.readouterr().out


def test_peak_bytes_counts_what_is_there_at_one_time():
    def call():
        first = np.zeros(1_000_000, np.uint8)
        del first
        return np.zeros(2_000_000, np.uint8)

    assert peak_bytes(call) == pytest.approx(2_000_000, rel=0.01)
