"""How many gradients, each times the learning rate, a local training has walked."""

from __future__ import annotations

from federation.scenario.schema import LocalConfig


def gradients_walked(local: LocalConfig, steps: int) -> float:
    """Sum of the weights with which gradients entered x_0 - x_K = lr * sum_j a_j g_j.

    K for plain SGD. With momentum rho the velocity after t steps weighs sum_{s<t} rho^s gradients
    (Wang et al. 2020, "FedNova", section 4.1); Nesterov's step is the gradient and rho times that.

    >>> gradients_walked(LocalConfig(lr=0.1), 3)
    3.0
    >>> gradients_walked(LocalConfig(lr=0.1, momentum=0.5), 3)  # 1 + 1.5 + 1.75
    4.25
    >>> gradients_walked(LocalConfig(lr=0.1, momentum=0.5, nesterov=True), 3)
    5.125
    """
    rho = local.momentum
    velocities = (steps - rho * (1 - rho**steps) / (1 - rho)) / (1 - rho)
    return steps + rho * velocities if local.nesterov else float(velocities)
