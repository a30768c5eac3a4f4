"""Batteries as the Linux kernel shows them: one folder each, one value a file.

Units (kernel documentation, Documentation/ABI/testing/sysfs-class-power): energy_now in µWh,
charge_now in µAh, power_now in µW, current_now in µA, voltage_now in µV. A driver has either energy
or charge, either power or current. The sign of a current differs between drivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

JOULES_PER_UWH = 3.6e-3


@dataclass(frozen=True, slots=True)
class Supply:
    """One battery's folder."""

    folder: Path

    def discharging(self) -> bool:
        """Whether the device lives on it now. Raises OSError where it cannot be told."""
        return (self.folder / "status").read_text().strip() == "Discharging"

    def power_w(self) -> float | None:
        """What it gives now; None where the driver tells neither power nor current."""
        power_uw = self._value("power_now")
        if power_uw is not None:
            return abs(power_uw) * 1e-6
        current_ua, voltage_uv = self._value("current_now"), self._value("voltage_now")
        if current_ua is None or voltage_uv is None:
            return None
        return abs(current_ua) * voltage_uv * 1e-12

    def level(self) -> Level | None:
        """What is left in it; None where the driver tells neither energy nor charge."""
        energy_uwh = self._value("energy_now")
        if energy_uwh is not None:
            return Level(energy_uwh * JOULES_PER_UWH, 1.0)
        charge_uah, voltage_uv = self._value("charge_now"), self._value("voltage_now")
        if charge_uah is None or voltage_uv is None:
            return None
        return Level(charge_uah * JOULES_PER_UWH, voltage_uv * 1e-6)

    def _value(self, name: str) -> float | None:
        """A file's number; None where the driver has no such file, or cannot tell just now."""
        try:
            return float((self.folder / name).read_text())
        except (FileNotFoundError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Level:
    """What is left: `amount` at so many volts (energy itself counts as an amount at 1 V)."""

    amount: float
    volts: float

    def spent_j(self, later: Level) -> float:
        """Joules given until `later`, at the mean of the two voltages."""
        return (self.amount - later.amount) * (self.volts + later.volts) / 2


def find_batteries(folder: Path) -> list[Supply]:
    """The device's own batteries: `folder` itself, or those in it.

    Batteries of mice and headsets, which the kernel gives the scope "Device", are left out. Raises
    OSError where there is none.
    """
    folders = [folder] if (folder / "type").exists() else sorted(folder.glob("*/"))
    found = [Supply(path) for path in folders if _is_own(path)]
    if not found:
        raise OSError(f"no battery in {folder}")
    return found


def _is_own(folder: Path) -> bool:
    kind, scope = folder / "type", folder / "scope"
    if not kind.exists() or kind.read_text().strip() != "Battery":
        return False
    return not scope.exists() or scope.read_text().strip() != "Device"
