"""Tries forged payloads on every codec: `make fuzz`, a quarter of an hour on one core.

Nothing but ValueError may leave a chain's decoder, whatever the payload, and none may make it
allocate more than twice what the update takes, beside 1 MiB of work space. What breaks this is
printed with the payload, so that it can become a test; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.chains import chains
from benchmarks.memory import peak_bytes
from benchmarks.mutants import mutants
from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Context
from federation.codecs._text import parse_chain
from federation.errors import ScenarioError

_LABEL, _CONTEXT = Label(3, 17), Context(1, "uplink model", 3, 4)
_EXACT = b"exact"
_SMALL = ((5, 7), (7,), (3, 2, 2), (1,))
_LARGE = ((2000, 400), (64, 32, 5, 5), (148_800,))
_WORK_SPACE = 1 << 20
_SHARE_MEASURED = 200  # of so many mutants one is tried on the large update, with its memory


@dataclass(frozen=True)
class Target:
    """A chain, tensors, and payloads of it."""

    text: str
    tensors: Sequence[tuple[int, ...]]

    @property
    def length(self) -> int:
        """Entries of the update."""
        return sum(int(np.prod(tensor)) for tensor in self.tensors)

    def payloads(self) -> list[bytes]:
        """Of ordinary values, heavy tails, few values and none."""
        normal = np.random.default_rng(0).standard_normal(self.length).astype("f4")
        kinds = (normal, normal**5, normal * (np.abs(normal) > 2), 0 * normal)
        chain = Chain(parse_chain(self.text))
        return [
            chain.encode(v.astype("f4"), _EXACT, self.tensors, _LABEL, _CONTEXT).payload
            for v in kinds
        ]

    def decode(self, payload: bytes) -> bool:
        """Whether the payload was accepted. Raises what should not leave the decoder."""
        try:
            values, _ = Chain(parse_chain(self.text)).decode(
                payload, len(_EXACT), self.tensors, _LABEL, _CONTEXT
            )
        except ValueError:
            return False
        if values.shape != (self.length,):
            raise AssertionError(f"{values.shape} values for {self.length} entries")
        return True


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 where a decoder misbehaved, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="mutants of each chain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="chains that contain this text")
    given = parser.parse_args(arguments)
    try:
        parse_chain(given.only) if "(" in given.only else None
    except ScenarioError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    chosen = [text for text in ["none", *chains()] if given.only in text]
    print(f"{len(chosen)} chains, {given.count} mutants each, seed {given.seed}")
    wrong = sum(_fuzz(text, given.count, given.seed) for text in chosen)
    print(f"{wrong} failures")
    return 1 if wrong or not chosen else 0


def _fuzz(text: str, count: int, seed: int) -> int:
    started, wrong, accepted = time.perf_counter(), 0, 0
    small, large = Target(text, _SMALL), Target(text, _LARGE)
    seed = zlib.crc32(f"{seed} {text}".encode())
    for mutant in mutants(small.payloads(), count, seed):
        try:
            accepted += small.decode(mutant)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            wrong += 1
            print(f"FAILED {text}: {type(error).__name__}: {error}\n  {mutant.hex()}")
    most = 0.0
    for mutant in mutants(large.payloads(), max(1, count // _SHARE_MEASURED), seed):
        taken = _allocated(large, mutant)
        most = max(most, taken)
        if taken > 2 + _WORK_SPACE / (4 * large.length):
            wrong += 1
            print(f"FAILED {text}: allocates {taken:.2f} x the update\n  {mutant[:200].hex()}...")
    seconds = time.perf_counter() - started
    print(
        f"{text}: {accepted} accepted, at most {most:.2f} x the update, {seconds:.0f} s", flush=True
    )
    return wrong


def _allocated(target: Target, mutant: bytes) -> float:
    """The most memory that decoding takes, over that of the update."""
    return peak_bytes(lambda: target.decode(mutant)) / (4 * target.length)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
