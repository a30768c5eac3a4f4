"""Only clients whose reply is expected within the deadline.

After FedCS (Nishio and Yonetani 2019, arXiv:1804.08333), which fills the time up to a deadline with
as many clients as possible while they upload one after the other. Here each reply has a time of
its own, in which a shared link is already counted, so that every client either fits or does not;
those that fit have equal chances. Learning then never sees the data of clients that do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.errors import ScenarioError
from federation.outlook import Clients, Mask
from strategies.selections.base import Asked, Choice, Policy, known
from strategies.selections.candidates import choice
from strategies.selections.drawing import draw


@dataclass(frozen=True)
class DeadlineAware(Policy):
    """Random out of the available clients with expected time x `margin` <= the deadline.

    A margin above 1 leaves room for jitter; below 1, some late replies are risked. Under a serial
    schedule the deadline is that of each client, not of the pass.
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a margin that is not above zero."""
        if not self.margin > 0:
            raise ScenarioError(f"strategy.args.margin = {self.margin}: must be above 0")

    def choose(self, asked: Asked) -> Choice:
        """Raises ScenarioError without a deadline, RunError if nobody is fast enough."""
        deadline_s = asked.deadline_s
        if deadline_s is None:
            raise ScenarioError(
                'strategy.selection = "deadline-aware" needs a deadline; set strategy.deadline_s, '
                'or choose "random"'
            )

        def fits(clients: Clients) -> Mask:
            expected_s = known(
                asked.outlook.expected_s(clients),
                "deadline-aware",
                "how long each client takes",
                "run it in a simulation, where the device profiles tell",
            )
            return expected_s * self.margin <= deadline_s

        wanted = f" and expected to reply within strategy.deadline_s = {deadline_s:.6g} s"
        return choice(asked, draw(asked, asked.count, fits, wanted))
