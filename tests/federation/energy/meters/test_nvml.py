"""NVIDIA GPUs through NVML: the arithmetic with a reader in place of the GPU, and its absence."""

import importlib.util

import pytest

from federation.energy.meter import Reading
from federation.energy.meters._nvml import Gpu, visible_gpu
from federation.energy.meters.nvml import NvmlMeter
from federation.errors import ScenarioError

installed = importlib.util.find_spec("pynvml") is not None


def gpu(clock, counted_w, sampled_w):
    """One whose counter rises at one power and whose samples say another."""
    return Gpu(lambda: sampled_w * 1000.0, lambda: clock() * counted_w * 1000.0)


def test_the_counter_is_what_counts(clock):
    meter = NvmlMeter(reader=gpu(clock, 300.0, 300.0), clock=clock)
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(3000.0)
    assert (w.source, w.scope, w.flag) == ("measured", "gpu", "")


@pytest.mark.parametrize(
    ("sampled_w", "flag"),
    [
        (286.0, ""),
        (279.0, "counter and samples differ by 7.0%"),
        (320.0, "counter and samples dif"),
    ],
)
def test_samples_more_than_five_percent_off_are_flagged(clock, sampled_w, flag):
    meter = NvmlMeter(reader=gpu(clock, 300.0, sampled_w), clock=clock)
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(3000.0)
    assert w.flag.startswith(flag)
    assert bool(w.flag) == bool(flag)


def test_a_short_window_is_flagged(clock):
    with NvmlMeter(reader=gpu(clock, 300.0, 300.0), clock=clock).window("train") as w:
        clock.pass_s(1.0)
    assert w.flag == "too short"


def test_a_gpu_without_a_counter_gives_its_samples(clock):
    with NvmlMeter(reader=Gpu(lambda: 250_000.0), clock=clock).window("train") as w:
        clock.pass_s(4.0)
    assert w.joules == pytest.approx(1000.0)
    assert w.flag == "power samples, no counter"


def test_a_counter_that_goes_back_is_no_measurement(clock):
    meter = NvmlMeter(reader=gpu(clock, -300.0, 300.0), clock=clock)
    with meter.window("train") as w:
        clock.pass_s(4.0)
    assert w.joules is None
    assert w.flag == "not measured: the counter went back: the driver was reloaded"


def test_a_gpu_that_is_lost_is_not_measured(clock):
    def lost():
        raise OSError("NVML: GPU is lost")

    with NvmlMeter(reader=Gpu(lost, lost), clock=clock).window("train") as w:
        clock.pass_s(4.0)
    assert w.reading == Reading(None, 4.0, None, None, "not measured: NVML: GPU is lost")


def test_windows_may_overlap(clock):
    meter = NvmlMeter(reader=gpu(clock, 300.0, 300.0), clock=clock)
    with meter.window("round") as outer:
        clock.pass_s(5.0)
        with meter.window("train") as inner:
            clock.pass_s(5.0)
    assert (inner.joules, outer.joules) == (pytest.approx(1500.0), pytest.approx(3000.0))


@pytest.mark.parametrize(
    ("visible", "number", "name"),
    [(None, 1, "1"), ("2,3", 1, "3"), ("GPU-12ab,GPU-34cd", 0, "GPU-12ab"), (" 5 ", 0, "5")],
)
def test_gpus_are_numbered_as_cuda_numbers_them(visible, number, name):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert visible_gpu(number, environment) == name


@pytest.mark.parametrize(("visible", "number"), [("", 0), ("2,3", 2)])
def test_a_hidden_gpu_is_not_there(visible, number):
    with pytest.raises(OSError, match=f"hides GPU {number}"):
        visible_gpu(number, {"CUDA_VISIBLE_DEVICES": visible})


def test_a_slice_of_a_gpu_is_refused():
    with pytest.raises(ScenarioError, match=r"NVML measures whole GPUs only.*turn MIG off"):
        visible_gpu(0, {"CUDA_VISIBLE_DEVICES": "MIG-9c23"})


@pytest.mark.skipif(installed, reason="nvidia-ml-py is installed")
def test_without_the_package_the_error_says_how_to_install_it():
    with pytest.raises(ScenarioError, match=r"nvidia-ml-py .* pip install 'paceline\[nvml\]'"):
        NvmlMeter()


@pytest.mark.skipif(not installed, reason="nvidia-ml-py is not installed")
def test_without_a_driver_nothing_is_measured(clock):
    meter = NvmlMeter(clock=clock)
    with meter.window("train") as w:
        clock.pass_s(4.0)
    if w.joules is not None:
        pytest.skip("this machine has an NVIDIA GPU")
    assert w.flag.startswith("not measured: NVML: ")
