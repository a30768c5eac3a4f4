"""Numbers as people read them."""

import pytest

from federation.units import bytes_text, grams_text, joules_text, percent_text, seconds_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12_345, "12.3 kB"), (999_499, "999 kB"),
        (999_600, "1.00 MB"), (4.5e9, "4.50 GB"), (7e15, "7000 TB"),
    ],
)  # fmt: skip
def test_bytes(value, text):
    assert bytes_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0 s"), (12.34, "12.3 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"),
        (65.0, "1 min 05 s"), (3599.7, "1 h 00 min"), (3720.0, "1 h 02 min"),
        (86_400.0, "1 d 00 h"), (1_000_000.0, "11 d 14 h"),
    ],
)  # fmt: skip
def test_seconds(value, text):
    assert seconds_text(value) == text


def test_energy_mass_and_fractions():
    values = (0.0, 2e-7, 0.0123, 4.56, 789e3)
    assert [*map(joules_text, values)] == ["0 J", "0.20 µJ", "12.3 mJ", "4.56 J", "789 kJ"]
    assert [*map(grams_text, (0, 0.5, 2.5e3, 3e6))] == ["0 g", "500 mg", "2.50 kg", "3.00 t"]
    assert percent_text(0.97125) == "97.12%"
