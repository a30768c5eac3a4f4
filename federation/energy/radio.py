"""Energy of a device's radio while it transfers.

P = alpha x throughput + beta: alpha in nJ/bit, which is mW per Mbit/s, and the base power beta
(Huang et al., MobiSys 2012). Over a transfer that gives alpha x bits + beta x seconds. The law was
fitted below about 10 Mbit/s; beyond that a cap on the power keeps it physical (1 to 2 W for WiFi).
The power that a cellular radio goes on drawing after the last byte (its tail) is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.energy.conversions import NANO
from federation.energy.ranges import NOTHING, Range


@dataclass(frozen=True, slots=True)
class Radio:
    """A device's radio: energy per bit each way, base power and, where known, the most it draws."""

    tx_nj_per_bit: Range
    rx_nj_per_bit: Range
    base_w: Range
    cap_w: Range | None = None

    def sending_j(self, sent_bytes: int, transfer_s: Range | float) -> Range:
        """Joules to send so many bytes; none for no bytes.

        `transfer_s` is the time that bits are on the air, without the latency before them.
        """
        return self._transfer_j(self.tx_nj_per_bit, sent_bytes, transfer_s)

    def receiving_j(self, received_bytes: int, transfer_s: Range | float) -> Range:
        """Joules to receive, as `sending_j`."""
        return self._transfer_j(self.rx_nj_per_bit, received_bytes, transfer_s)

    def _transfer_j(self, nj_per_bit: Range, size_bytes: int, transfer_s: Range | float) -> Range:
        if size_bytes == 0:
            return NOTHING
        energy_j = nj_per_bit * (size_bytes * 8 * NANO) + self.base_w * transfer_s
        return energy_j if self.cap_w is None else energy_j.capped(self.cap_w * transfer_s)
