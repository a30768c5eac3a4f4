"""Energy of the network beyond the device: home router, access and core.

Published factors differ by more than twenty times (0.0065 to 0.14 kWh/GB), hence a named figure
with its source in each network profile. Two ways to account for a shared network:

* allocational: the network's whole energy divided by its traffic. This is what published factors
  are, and what a report should add up.
* marginal: what the traffic really adds. Most of a network's power is drawn whether bits flow or
  not, so this is a small share of the former.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from federation.energy.conversions import NANO, nj_per_bit
from federation.energy.ranges import NOTHING, Range
from federation.errors import ScenarioError, unknown_choice

Accounting = Literal["allocational", "marginal"]
ACCOUNTINGS: Final = get_args(Accounting)


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Energy of access and core per bit each way, and of the home router while it transfers.

    `marginal_share` is the part of the allocational figure that the traffic really adds, 0 to 1.
    """

    up_nj_per_bit: Range
    down_nj_per_bit: Range
    cpe_w: Range = NOTHING
    marginal_share: Range | None = None

    @classmethod
    def from_kwh_per_gb(cls, factor: float, cpe_w: Range = NOTHING) -> Infrastructure:
        """The same factor both ways, as published (`energy.factor_kwh_per_gb`)."""
        both = Range.exact(nj_per_bit(factor))
        return cls(both, both, cpe_w)

    def uplink_j(
        self, sent_bytes: int, transfer_s: Range | float, accounting: Accounting = "allocational"
    ) -> Range:
        """Joules from the device to the server; none for no bytes."""
        return self._transfer_j(self.up_nj_per_bit, sent_bytes, transfer_s, accounting)

    def downlink_j(
        self, sent_bytes: int, transfer_s: Range | float, accounting: Accounting = "allocational"
    ) -> Range:
        """Joules from the server to the device; none for no bytes."""
        return self._transfer_j(self.down_nj_per_bit, sent_bytes, transfer_s, accounting)

    def share(self, accounting: Accounting) -> Range:
        """The part of the allocational energy that counts.

        Raises ScenarioError for an unknown accounting, and for "marginal" where no share is known.
        """
        if accounting == "allocational":
            return Range.exact(1.0)
        if accounting != "marginal":
            raise ScenarioError(unknown_choice("energy.network", accounting, ACCOUNTINGS))
        if self.marginal_share is None:
            raise ScenarioError(
                "energy.network = 'marginal': this network's profile gives no marginal_share; "
                "take 'allocational', or a profile of your own that gives one"
            )
        return self.marginal_share

    def _transfer_j(
        self, per_bit: Range, size_bytes: int, transfer_s: Range | float, accounting: Accounting
    ) -> Range:
        share = self.share(accounting)
        if size_bytes == 0:
            return NOTHING
        whole_j = per_bit * (size_bytes * 8 * NANO)
        if self.cpe_w.high:
            whole_j += self.cpe_w * transfer_s
        return whole_j if accounting == "allocational" else whole_j * share
