"""What the tests of energy share: a clock that the test itself moves."""

import pytest


class HandClock:
    """Seconds that pass only when the test says so."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s

    def pass_s(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock():
    return HandClock()
