"""Which chunks a worker gets at once, so that its engine has clients to stack.

A round of at most 32 clients is cut into chunks of one client, and a worker with one chunk trains
alone. Where a client's bits do not depend on the company it trains in, several chunks may be
trained together; they are summed apart, so the sums stay what they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Packing:
    """`together` clients at most train faster in company, on each of so many `workers`.

    Where their bits depend on the company the packs are `fixed`: they depend on the clients' number
    alone.
    """

    workers: int = 1
    together: int = 1
    fixed: bool = False

    def packs(self, chunk_clients: int, seconds: Sequence[float]) -> list[list[int]]:
        """Numbers of the chunks of each pack, in their order.

        `chunk_clients` is how many clients a chunk has, `seconds` what each is expected to take.
        No worker is left without a pack for the sake of a fuller one.
        """
        room = max(1, self.together // max(1, chunk_clients))
        if room == 1:
            return [[number] for number in range(len(seconds))]
        if self.fixed:
            starts = range(0, len(seconds), room)
            return [list(range(at, min(at + room, len(seconds)))) for at in starts]
        rounds = math.ceil(len(seconds) / (room * self.workers))
        packs: list[list[int]] = [[] for _ in range(min(rounds * self.workers, len(seconds)))]
        loads = [0.0] * len(packs)
        for number in sorted(range(len(seconds)), key=lambda number: -seconds[number]):
            free = (place for place, pack in enumerate(packs) if len(pack) < room)
            place = min(free, key=lambda place: loads[place])
            packs[place].append(number)
            loads[place] += seconds[number]
        return [sorted(pack) for pack in packs]
