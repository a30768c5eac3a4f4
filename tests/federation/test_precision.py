"""Exact kernels in several threads at a time."""

import threading

import pytest
import torch

from federation.precision import exact_kernels, one_thread

DENORMAL = 1e-40


def flushes():
    """Whether this thread takes denormal numbers for zero."""
    return float(torch.tensor([DENORMAL]) * 1.0) == 0.0


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def beside():
    """Runs a function in a thread of its own and gives what it returned."""

    def run(function):
        found = []
        thread = threading.Thread(target=lambda: found.append(function()))
        thread.start()
        thread.join(60)
        return found[0]

    return run


def test_denormals_are_flushed_in_the_thread_that_asks_and_in_no_other(beside):
    assert not flushes()

    def inside():
        with exact_kernels():
            return flushes()

    assert beside(inside)
    assert not flushes()
    with exact_kernels():
        assert flushes()
        assert beside(inside)
        assert flushes(), "another that leaves changes nothing here"
    assert not flushes()
    assert not beside(flushes)


def test_one_who_leaves_does_not_give_threads_to_one_who_still_computes(two_threads):
    entered, may_leave, seen = threading.Event(), threading.Event(), []

    def compute():
        with exact_kernels():
            entered.set()
            may_leave.wait(60)
            seen.append(torch.get_num_threads())

    thread = threading.Thread(target=compute)
    with one_thread():
        with exact_kernels():
            thread.start()
            assert entered.wait(60)
        assert torch.get_num_threads() == 1
        may_leave.set()
        thread.join(60)
        assert torch.get_num_threads() == 1
    assert seen == [1]
    assert torch.get_num_threads() == 2, "the last who leaves sets it back"


def test_settings_come_back_after_an_error(two_threads):
    with pytest.raises(ValueError, match="here"), exact_kernels():
        raise ValueError("here")
    assert torch.get_num_threads() == 2
    assert not flushes()
