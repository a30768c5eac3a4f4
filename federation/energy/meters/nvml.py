"""`nvml`: a whole NVIDIA GPU, by nvidia-ml-py alone (extra `nvml`, 58 kB).

Two figures are taken: the energy counter, and the integral of power samples every 20 ms. They are
known to differ, since on A100 and H100 only a quarter of the run time is sampled
(arXiv:2312.02741); by more than 5 %, the reading is flagged. The counter is what counts; a GPU
without one gives the integral. A GPU shared by several clients is read once: see `apportion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from federation.energy.meter import Finish, Meter, Reading, disagreement, not_measured
from federation.energy.meters._nvml import Gpu, open_gpu
from federation.energy.meters._packages import wait_for_gpu
from federation.energy.meters._sampler import Sampler, check_period


@dataclass(frozen=True)
class NvmlMeter(Meter):
    """gpu: its number as CUDA counts them. period_s: time between power samples.

    `reader` stands in for the GPU in tests.
    """

    gpu: int = 0
    period_s: float = 0.02
    reader: Gpu | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check_period(self.period_s, "nvml")
        _ = self._device  # what the user must mend should be known before the run

    @cached_property
    def _device(self) -> Gpu | str:
        """The GPU, or why there is none to read."""
        if self.reader is not None:
            return self.reader
        try:
            return open_gpu(self.gpu, "nvml")
        except OSError as error:
            return str(error)

    def start(self) -> Finish:
        """Wait for the GPU, read its counter and start to sample."""
        device = self._device
        if isinstance(device, str):
            return partial(not_measured, why=device)
        counter_mj = device.energy_mj
        return self._counted(device, counter_mj) if counter_mj else self._sampled(device)

    def _counted(self, gpu: Gpu, counter_mj: Callable[[], float]) -> Finish:
        wait_for_gpu()
        before_mj = counter_mj()
        sampler = self._sampler(gpu)

        def finish(seconds: float) -> Reading:
            wait_for_gpu()
            samples_j = sampler.stop()
            counter_j = (counter_mj() - before_mj) / 1000
            if counter_j < 0:
                return not_measured(seconds, "the counter went back: the driver was reloaded")
            remark = disagreement(counter_j, samples_j)
            return Reading(counter_j, seconds, "measured", "gpu", remark)

        return finish

    def _sampled(self, gpu: Gpu) -> Finish:
        wait_for_gpu()
        sampler = self._sampler(gpu)

        def finish(seconds: float) -> Reading:
            wait_for_gpu()
            remark = "power samples, no counter"
            return Reading(sampler.stop(), seconds, "measured", "gpu", remark)

        return finish

    def _sampler(self, gpu: Gpu) -> Sampler:
        return Sampler(lambda: gpu.power_mw() / 1000, self.period_s, self.clock)
