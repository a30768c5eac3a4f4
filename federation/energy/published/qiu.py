"""Qiu et al., "A first look into the carbon footprint of federated learning" (JMLR 24, 2023).

    E_train = sum over rounds and clients of t_i e_clt,i
    E_comm  = sum over rounds and clients of S (1/D + 1/U) (e_router + e_idle,i)
    C_FL    = c_rate (E_train + E_comm)
    C_cent  = c_rate PUE t (e_gpu + e_cpu + e_dram)

Left out by the authors: waiting and unselected clients, the server, the core network. The formula
of E_comm was read in an independent implementation, the others are recalled.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.energy.conversions import JOULES_PER_KWH


@dataclass(frozen=True, slots=True)
class ClientRound:
    """One client in one round. Rates in bit/s."""

    train_s: float
    train_w: float
    model_bits: float
    down_bit_per_s: float
    up_bit_per_s: float
    router_w: float
    idle_w: float

    @property
    def train_j(self) -> float:
        """Its share of E_train."""
        return self.train_s * self.train_w

    @property
    def communication_j(self) -> float:
        """Its share of E_comm: the model travels down and up, the device idles meanwhile."""
        transfer_s = self.model_bits * (1 / self.down_bit_per_s + 1 / self.up_bit_per_s)
        return transfer_s * (self.router_w + self.idle_w)


def federated_g(rounds: list[ClientRound], g_per_kwh: float) -> float:
    """C_FL in grams of CO2e, for all clients of all rounds in one region."""
    energy_j = sum(each.train_j + each.communication_j for each in rounds)
    return energy_j / JOULES_PER_KWH * g_per_kwh


def centralised_g(
    train_s: float, gpu_w: float, cpu_w: float, dram_w: float, pue: float, g_per_kwh: float
) -> float:
    """C_cent in grams of CO2e."""
    return pue * train_s * (gpu_w + cpu_w + dram_w) / JOULES_PER_KWH * g_per_kwh
