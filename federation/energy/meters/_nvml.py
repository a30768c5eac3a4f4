"""One NVIDIA GPU through NVML: its energy counter and its power.

Units are NVML's: millijoules since the driver was loaded, milliwatts. The counter exists from Volta
on. NVML counts GPUs in the order of the PCI bus; CUDA by default puts the fastest first, so a
machine with different GPUs needs CUDA_DEVICE_ORDER=PCI_BUS_ID for the numbers to mean the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from federation.energy.meters._packages import load
from federation.errors import ScenarioError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gpu:
    """How to read one GPU. `energy_mj` is None where it has no counter (before Volta)."""

    power_mw: Callable[[], float]
    energy_mj: Callable[[], float] | None = None


def open_gpu(number: int, meter: str) -> Gpu:
    """GPU `number` of those that CUDA_VISIBLE_DEVICES leaves.

    Raises ScenarioError where nvidia-ml-py is missing or the GPU is a slice of one (MIG), OSError
    where there is no driver or no such GPU.
    """
    nvml = load("pynvml", meter, "nvidia-ml-py", "nvml")
    if not hasattr(nvml, "_nvmlGetFunctionPointer"):
        raise ScenarioError(
            f"meter {meter!r} finds another package called pynvml: pip uninstall pynvml, then "
            "pip install nvidia-ml-py"
        )
    name = visible_gpu(number, os.environ)
    handle = _checked(nvml, lambda: _handle(nvml, name))
    _refuse_slices(nvml, handle, name)
    return Gpu(
        power_mw=lambda: _checked(nvml, lambda: _power_mw(nvml, handle)),
        energy_mj=_counter(nvml, handle),
    )


def visible_gpu(number: int, environment: Mapping[str, str]) -> str:
    """The NVML index or the UUID of CUDA's GPU `number`.

    Raises ScenarioError for a MIG slice, OSError where that GPU is hidden.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(number)
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if not 0 <= number < len(names):
        raise OSError(f"CUDA_VISIBLE_DEVICES = {visible!r} hides GPU {number}")
    if names[number].startswith("MIG"):
        raise ScenarioError(_slices(names[number]))
    return names[number]


def _slices(name: str) -> str:
    return (
        f"GPU {name} is divided into MIG slices: NVML measures whole GPUs only, so no slice's "
        "energy is known; turn MIG off, or take meter 'none'"
    )


def _handle(nvml: ModuleType, name: str) -> object:
    nvml.nvmlInit()
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def _refuse_slices(nvml: ModuleType, handle: object, name: str) -> None:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return  # a GPU that cannot be divided
    if current == nvml.NVML_DEVICE_MIG_ENABLE:
        raise ScenarioError(_slices(name))


def _counter(nvml: ModuleType, handle: object) -> Callable[[], float] | None:
    def energy_mj() -> float:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    try:
        energy_mj()
    except nvml.NVMLError:
        return None
    return lambda: _checked(nvml, energy_mj)


def _power_mw(nvml: ModuleType, handle: object) -> float:
    """The power now; drivers that do not tell it give an average over the last second."""
    field = (nvml.NVML_FI_DEV_POWER_INSTANT, nvml.NVML_POWER_SCOPE_GPU)
    found = nvml.nvmlDeviceGetFieldValues(handle, [field])[0]
    if found.nvmlReturn == nvml.NVML_SUCCESS:
        return float(found.value.uiVal)
    return float(nvml.nvmlDeviceGetPowerUsage(handle))


def _checked(nvml: ModuleType, read: Callable[[], T]) -> T:
    """NVML's own error as OSError, which meters know."""
    try:
        return read()
    except nvml.NVMLError as error:
        raise OSError(f"NVML: {error}") from None
