"""Every random draw comes from a generator named by what it is for.

A generator is derived from `(seed, purpose, *counters)`, for example
`generator(1, "batches", round_number, client)`. Nothing is drawn from a shared stream, so a draw
does not depend on what was drawn before it: a repeated or resumed round draws the same numbers,
whatever worker it runs on.
"""

from __future__ import annotations

import hashlib

import numpy as np


def _entropy(seed: int, purpose: str, counters: tuple[int, ...]) -> list[int]:
    label = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")
    return [seed, label, *counters]


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """A Philox generator for one purpose; counters are round, client and the like (all >= 0)."""
    sequence = np.random.SeedSequence(_entropy(seed, purpose, counters))
    return np.random.Generator(np.random.Philox(sequence))


def integer_seed(seed: int, purpose: str, *counters: int) -> int:
    """A seed in [0, 2**63) for libraries that take an integer, such as torch."""
    state = np.random.SeedSequence(_entropy(seed, purpose, counters)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
