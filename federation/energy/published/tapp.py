"""Tapp et al. (2026, arXiv:2602.00343, from their code): E_comm = 2 D I_net, at 0.01 kWh/GB.

The same factor for the model down and up; 475 g/kWh is the world's average of 2019.
"""

from __future__ import annotations

from typing import Final

KWH_PER_GB: Final = 0.01
G_PER_KWH: Final = 475.0


def communication_kwh(model_gb: float, kwh_per_gb: float = KWH_PER_GB) -> float:
    """Kilowatt-hours to send a model of so many gigabytes (10^9 bytes) down and up once."""
    return 2 * model_gb * kwh_per_gb


def communication_g(model_gb: float, g_per_kwh: float = G_PER_KWH) -> float:
    """Grams of CO2e of the same."""
    return communication_kwh(model_gb) * g_per_kwh
