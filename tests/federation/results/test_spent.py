"""What rounds take together."""

from functools import reduce

from federation.energy.ranges import Range
from federation.results.spent import Spent


def spent_on(rows):
    return reduce(Spent.after, rows, Spent())


def test_bytes_of_all_links_add_up_and_the_time_is_that_of_the_last_round(round_row):
    rows = [round_row(1, peer_bytes=7), round_row(2)]
    assert spent_on(rows) == Spent(2 * 30 + 7, 3.0)


def test_energy_is_what_is_known_of_all_parts(round_row):
    rows = [
        round_row(1, compute_j=2.0, server_j=0.5),
        round_row(2),
        round_row(3, waiting_j=10.0, radio_j=1.0, network_j=0.25),
    ]
    assert spent_on(rows).energy_j == Range.exact(2.5 + 11.25)
    assert spent_on(rows).carbon_g is None
    assert spent_on(rows[1:2]).energy_j is None


def test_a_part_without_a_range_counts_with_its_value_at_both_ends(round_row):
    rows = [
        round_row(1, compute_j=2.0, network_j=1.0, network_j_low=0.5, network_j_high=7.0),
        round_row(2, compute_j=4.0, carbon_g=3.0, carbon_g_high=5.0),
    ]
    assert spent_on(rows).energy_j == Range(6.5, 7.0, 13.0)
    assert spent_on(rows).carbon_g == Range(3.0, 3.0, 5.0)


def test_a_sum_of_exact_figures_is_exact(round_row):
    parts = [0.1, 0.7, 0.2, 1e9, 1 / 3]
    energy = spent_on(round_row(n, compute_j=j, radio_j=j) for n, j in enumerate(parts)).energy_j
    assert energy.is_exact
    assert energy.columns("energy_j")["energy_j_low"] is None
