"""Frequencies and power caps: published measurements, and what each policy chooses."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.dvfs import POLICIES, choose, extra_j
from federation.energy.levels import Level
from federation.energy.power_caps import interpolated
from federation.energy.power_law import PowerLaw, fit
from federation.energy.ranges import Range
from federation.errors import ScenarioError
from simulations.devices import device_profile

PI = device_profile("raspberry-pi-3b-plus").levels
V100 = device_profile("nvidia-v100").levels
PI_IDLE_W = 1.09  # 1.06 to 1.12 W on the rail


def law_of(levels, exponent=2.0):
    ghz = [level.setting / 1000 for level in levels]
    return fit(ghz, [level.train_w.base for level in levels], exponent)


def fitted_on_three():
    return law_of([level for level in PI if level.setting in (600, 1000, 1400)])


def test_three_levels_of_the_pi_foretell_the_other_six():
    law = fitted_on_three()
    others = [level for level in PI if level.setting not in (600, 1000, 1400)]
    errors = [abs(law.power_w(x.setting / 1000) / x.train_w.base - 1) for x in others]
    assert len(errors) == 6
    assert max(errors) <= 0.08


@pytest.mark.parametrize(
    ("exponent", "static_w", "dynamic_w"),
    [(2.0, 1.155, 0.910), (2.5, 1.324, 0.713), (3.0, 1.437, 0.574)],
)
def test_the_fit_to_all_nine_is_the_published_one(exponent, static_w, dynamic_w):
    law = law_of(PI, exponent)
    assert law.static_w == pytest.approx(static_w, abs=6e-4)
    assert law.dynamic_w == pytest.approx(dynamic_w, abs=6e-4)


def test_the_foretold_best_frequency_is_within_a_step_of_the_measured_one():
    """Measured best energy per event: 1200 MHz."""
    best = choose("energy-optimal", PI, work_s=1.0, deadline_s=None)
    assert best.setting == 1200
    assert abs(fitted_on_three().energy_ghz() * 1000 - best.setting) < 150  # 100 and rounding
    nearest = min(PI, key=lambda x: abs(x.setting - fitted_on_three().energy_ghz() * 1000))
    assert abs(nearest.setting - best.setting) <= 100
    assert nearest.energy_j(1.0).base <= best.energy_j(1.0).base * 1.032


def test_the_closed_form_is_the_published_example():
    """A sleeping board, a = 2, P0 1.155 W, k 0.910: 1.13 GHz."""
    assert PowerLaw(1.155, 0.910).energy_ghz() == pytest.approx(1.13, abs=5e-3)


def test_a_board_that_idles_at_its_static_power_goes_slowest():
    law = PowerLaw(1.155, 0.910)
    assert law.energy_ghz(waiting_w=1.155) == 0
    assert law.energy_ghz(waiting_w=2.0) == 0
    assert law.best_ghz(10.0, 100.0, 0.6, 1.4, waiting_w=1.155) == 0.6


def test_a_deadline_overrules_and_limits_hold():
    law = PowerLaw(1.155, 0.910)
    assert law.best_ghz(12.0, 10.0, 0.6, 1.4) == pytest.approx(1.2)
    assert law.best_ghz(20.0, 10.0, 0.6, 1.4) == 1.4
    assert law.best_ghz(1.0, 10.0, 0.6, 1.4) == pytest.approx(law.energy_ghz())


@given(
    st.floats(0.1, 10), st.floats(0.1, 10), st.floats(1.1, 4), st.floats(0, 5), st.floats(0.1, 10)
)
def test_no_other_frequency_takes_less(static_w, dynamic_w, exponent, waiting_w, factor):
    law = PowerLaw(static_w, dynamic_w, exponent)
    best = law.energy_ghz(waiting_w)
    if best > 1e-6:
        other = best * factor

        def energy(ghz):
            return (law.power_w(ghz) - waiting_w) / ghz

        assert energy(best) <= energy(other) + 1e-9 * abs(energy(other))


def test_a_power_that_falls_with_the_frequency_is_no_law():
    with pytest.raises(ValueError, match="falls"):
        fit([0.6, 1.0, 1.4], [3.0, 2.0, 1.0])


def test_power_caps_are_foretold_by_their_neighbours():
    """Leave one out: joules per epoch by a straight line between the caps beside it."""
    errors = []
    for at in range(1, len(V100) - 1):
        rest = [*V100[:at], *V100[at + 1 :]]
        foretold = interpolated(rest, V100[at].setting)
        errors.append(abs(foretold.energy_j(1.0).base / V100[at].energy_j(1.0).base - 1))
    assert len(errors) == 5
    assert statistics.median(errors) <= 0.04
    assert max(errors) <= 0.05


def test_the_best_cap_of_the_v100_is_the_measured_one():
    """150 W: 22.5 % less energy in 18.0 % more time."""
    best = choose("energy-optimal", V100, work_s=1.0, deadline_s=None)
    full = V100[-1]
    assert best.label == "150 W cap"
    assert 1 - best.energy_j(1.0).base / full.energy_j(1.0).base == pytest.approx(0.225, abs=0.01)
    assert best.seconds(1.0) == pytest.approx(1.180, abs=1e-3)


def test_interpolation_meets_the_table():
    for level in V100:
        found = interpolated(V100, level.setting)
        assert found.relative_speed == pytest.approx(level.relative_speed)
        assert found.train_w.base == pytest.approx(level.train_w.base)
    assert interpolated(V100[:1], 100) == V100[0]


@pytest.mark.parametrize("cap", [99, 251])
def test_caps_that_were_not_measured_are_refused(cap):
    with pytest.raises(ScenarioError, match="100 to 250 W"):
        interpolated(V100, cap)


def chosen(policy, **situation):
    return choose(policy, PI, **{"work_s": 10.0, "deadline_s": None} | situation).setting


def test_max_is_the_fastest_whatever_the_slack():
    assert chosen("max", deadline_s=1000.0) == 1400


def test_the_slowest_feasible_is_just_in_time():
    """10 s of work in 14.1 s: 1000 MHz (0.7134 of full speed) takes 14.02 s, 900 takes 15.6 s."""
    assert chosen("slowest-feasible", deadline_s=14.1) == 1000
    assert chosen("slowest-feasible", deadline_s=14.0) == 1100


def test_without_slack_the_slowest_feasible_is_the_fastest():
    """Serial learning: the next client waits for this one."""
    assert chosen("slowest-feasible") == 1400
    assert chosen("slowest-feasible", deadline_s=10.0) == 1400


def test_a_straggler_goes_as_fast_as_it_can():
    for policy in POLICIES:
        assert chosen(policy, deadline_s=5.0) == 1400


def test_asleep_the_best_level_lies_inside():
    """Slowing down below it takes more energy: slower is not always thriftier."""
    assert chosen("energy-optimal", waiting_w=0.0, deadline_s=1000.0) == 1200


def test_awake_the_slowest_in_time_is_best():
    """Waiting at 1.09 W: finishing early spares little, so the slowest level is best."""
    assert chosen("energy-optimal", waiting_w=PI_IDLE_W, deadline_s=1000.0) == 600
    assert chosen("slowest-feasible", waiting_w=PI_IDLE_W, deadline_s=1000.0) == 600


def test_a_deadline_rules_out_the_thrifty_levels():
    """1200 MHz takes 11.7 s. 1300 would be in time, but its step in voltage makes 1400 better."""
    assert chosen("energy-optimal", deadline_s=11.7) == 1200
    assert chosen("energy-optimal", deadline_s=11.6) == 1400
    assert chosen("slowest-feasible", deadline_s=11.6) == 1300


def test_in_a_row_the_waiting_of_others_speeds_a_client_up():
    """Nine Pis that idle awake draw 9.8 W for each second that the tenth trains."""
    assert chosen("energy-optimal", others_w=0.0) == 1200
    assert chosen("energy-optimal", others_w=9 * PI_IDLE_W) == 1400


def test_the_faster_of_equals_is_taken():
    twins = [Level(1, "MHz", 0.5, Range.exact(1)), Level(2, "MHz", 1.0, Range.exact(2))]
    assert choose("energy-optimal", twins, work_s=1, deadline_s=None).setting == 2


def test_an_unknown_policy_is_refused():
    with pytest.raises(ScenarioError, match="did you mean 'energy-optimal'"):
        chosen("energy-optimum")


LEVELS = st.lists(
    st.tuples(st.floats(0.05, 1.0), st.floats(0.1, 300.0)), min_size=1, max_size=8
).map(
    lambda rows: [
        Level(at, "MHz", speed / max(s for s, _ in rows), Range.exact(watts))
        for at, (speed, watts) in enumerate(rows)
    ]
)


@given(LEVELS, st.floats(0.1, 1e4), st.floats(0.1, 1e5), st.floats(0, 100), st.floats(0, 100))
def test_the_optimum_is_in_time_and_nothing_in_time_is_better(
    levels, work_s, deadline_s, waiting_w, others_w
):
    best = choose(
        "energy-optimal",
        levels,
        work_s=work_s,
        deadline_s=deadline_s,
        waiting_w=waiting_w,
        others_w=others_w,
    )
    feasible = [level for level in levels if level.seconds(work_s) <= deadline_s]
    if not feasible:
        assert best.relative_speed == max(level.relative_speed for level in levels)
        return
    assert best in feasible
    spared_w = waiting_w - others_w
    least = min(extra_j(level, work_s, spared_w) for level in feasible)
    assert extra_j(best, work_s, spared_w) == least
