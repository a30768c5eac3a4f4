"""What the page says of clients that do nothing."""

from benchmarks import speed_page
from benchmarks.speed_cases import Measured, cases


def test_flower_is_held_against_as_many_clients_a_round():
    found = {case: [Measured([2.0], 1.0), Measured([2.0], 1.0)] for case in cases()}
    (flower,) = (c for c in found if c.runner == "flower" and c.schedule == "parallel")
    found[flower] = [Measured([50.0], 1.0), Measured([90.0], 1.0)]
    text = speed_page.tables(found)
    assert "takes **35 x** the time of Paceline, Ray with 2 workers: 1,000 a round" in text
    assert "(1,000 registered); at least 30 x: holds." in text
    found[flower] = [Measured([50.0], 1.0)] * 2
    assert "**25 x**" in speed_page.tables(found)
    assert "at least 30 x: **does not hold**" in speed_page.tables(found)


def test_without_flower_nothing_is_said():
    found = {case: [Measured([2.0], 1.0)] for case in cases() if case.runner != "flower"}
    assert "at least 30 x" not in speed_page.tables(found)
