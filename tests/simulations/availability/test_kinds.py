"""Probability and hours: chances in closed form, and clocks worked out by hand."""

import math

import numpy as np
import pytest

from federation.energy.regions import region_table
from simulations.availability.kinds.hours import Hours
from simulations.availability.kinds.probability import Probability
from simulations.availability.utc_offsets import UTC_OFFSETS_H

HOUR = 3600.0
DAY = 24 * HOUR
EVERYONE = np.arange(20_000)


def share_online(kind, time_s):
    return kind.available(EVERYONE, time_s).mean()


def test_the_share_that_is_online_is_the_probability():
    kind = Probability(0.3, seed=4)
    shares = [share_online(kind, slot * HOUR) for slot in range(50)]
    spread = math.sqrt(0.3 * 0.7 / len(EVERYONE))
    assert np.mean(shares) == pytest.approx(0.3, abs=4 * spread / math.sqrt(50))
    assert np.std(shares) == pytest.approx(spread, rel=0.35)


def test_slots_and_clients_are_independent():
    kind = Probability(0.5, seed=4)
    now, later = (kind.available(EVERYONE, t) for t in (0.0, HOUR))
    for one, other in [(now, later), (now[:-1], now[1:]), (now[:-1], later[1:])]:
        both = (one & other).mean()
        assert both == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / len(EVERYONE)))


def test_a_client_stays_as_long_as_the_geometric_law_says():
    kind = Probability(0.75, slot_s=10.0, seed=9)
    online = EVERYONE[kind.available(EVERYONE, 0.0)][:4000]
    stays = np.array([kind.until(int(client), 0.0) for client in online]) / 10
    assert stays.mean() == pytest.approx(4.0, abs=4 * math.sqrt(12 / 4000))
    assert (stays == 1).mean() == pytest.approx(0.25, abs=4 * math.sqrt(0.1875 / 4000))


def test_another_seed_has_other_clients_online():
    one, other = (Probability(0.5, seed=seed).available(EVERYONE, 0.0) for seed in (1, 2))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.015)


def test_who_is_online_all_the_time_never_changes():
    assert Probability(1.0).next_change(5.0) == Probability(0.0).next_change(5.0) == math.inf
    assert Probability(1.0).until(7, 5.0) == math.inf
    assert Probability(1 - 1e-12).until(7, 5.0) == math.inf  # a million slots are for ever


def test_nights_in_berlin():
    """22 to 6 o'clock at UTC + 1 is 21 to 5 o'clock UTC, which the run's clock shows."""
    nights = Hours(22, 6, region="DEU")
    online = [hour for hour in range(24) if share_online(nights, hour * HOUR)]
    assert online == [0, 1, 2, 3, 4, 21, 22, 23]
    assert nights.next_change(0.0) == 5 * HOUR
    assert nights.next_change(5 * HOUR) == 21 * HOUR
    assert nights.until(3, 23 * HOUR) == DAY + 5 * HOUR
    assert share_online(nights, 5 * HOUR) == 0.0
    assert share_online(nights, 21 * HOUR) == 1.0


def test_office_hours_half_past_in_india():
    office = Hours(9, 17.5, region="IND")
    assert share_online(office, 3.5 * HOUR) == 1.0
    assert share_online(office, 3.5 * HOUR - 1) == 0.0
    assert office.until(0, 10 * HOUR) == 12 * HOUR


def test_the_offset_given_beats_the_region():
    assert Hours(9, 17, utc_offset_h=0, region="JPN").next_change(0.0) == 9 * HOUR
    assert Hours(9, 17, region="JPN").next_change(0.0) == 8 * HOUR


def test_a_client_comes_for_a_whole_night_or_not_at_all():
    nights = Hours(22, 6, utc_offset_h=0, online=0.4, seed=2)
    late, early = (nights.available(EVERYONE, t) for t in (23 * HOUR, DAY + 5 * HOUR))
    assert (late == early).all()
    assert late.mean() == pytest.approx(0.4, abs=4 * math.sqrt(0.24 / len(EVERYONE)))
    following = nights.available(EVERYONE, DAY + 23 * HOUR)
    assert (late & following).mean() == pytest.approx(0.16, abs=0.011)


def test_the_whole_day_never_ends():
    assert Hours(0, 24, utc_offset_h=3).next_change(7.0) == math.inf
    assert Hours(0, 24, utc_offset_h=3).until(1, 7.0) == math.inf


def test_every_region_with_a_local_time_has_a_carbon_intensity():
    assert set(UTC_OFFSETS_H) <= set(region_table().regions)
    assert all(-12 <= offset_h <= 14 for offset_h in UTC_OFFSETS_H.values())
