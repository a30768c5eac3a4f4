"""Which clients a round asks, drawn by partition id from the seed and the round alone."""

from __future__ import annotations

from federation.seeds import generator


def sample(seed: int, round_number: int, population: int, count: int) -> list[int]:
    """`count` distinct clients in random order; costs nothing per client of the population."""
    rng = generator(seed, "selection", round_number)
    return [int(client) for client in rng.choice(population, count, replace=False, shuffle=True)]
