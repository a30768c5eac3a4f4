"""Bytes against the bound, error, speed and memory of the codecs: `python -m benchmarks.codecs`.

Writes `docs/codecs.md`. Speeds are those of one core: CPU time, all libraries with one thread, the
median of several turns through all chains. The real updates need MNIST in PACELINE_DATA; without it
the page says that they are missing. Takes about three minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import codec_inputs, codec_limits, codec_page
from benchmarks.codec_cases import Case, cases
from benchmarks.codec_inputs import Update
from benchmarks.memory import peak_bytes
from federation.codecs._chain import Label
from federation.codecs._stage import Context
from federation.errors import BadInput

_LABEL, _CONTEXT = Label(1), Context(1, "uplink model", 1, 0)


@dataclass(frozen=True)
class Size:
    """What a chain makes of an update: bits sent, bits at least, squared error over the square."""

    update: str
    case: Case
    length: int
    sent_bits: int
    bound_bits: float
    nmse: float


@dataclass(frozen=True)
class Speed:
    """GB of float32 a second each way, and the most memory each way over that of the update."""

    encode_gb_s: float
    decode_gb_s: float
    encode_memory: float
    decode_memory: float


def main(arguments: Sequence[str]) -> int:
    """Measure and write; the exit code is 0, however the goals come out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codecs", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--length", type=int, default=4_000_000, help="of the Gaussian update")
    default = Path(__file__).parent.parent / "docs" / "codecs.md"
    parser.add_argument("--page", type=Path, default=default)
    given = parser.parse_args(arguments)
    with threadpool_limits(1):
        gaussian = codec_inputs.gaussian(given.length)
        updates = [gaussian, codec_inputs.heavy_tailed(), *_real()]
        sizes = [size(case, update) for update in updates for case in _told(cases(), update.name)]
        speeds = _speeds(gaussian, given.turns)
        print("the range coder alone", file=sys.stderr, flush=True)
        limits = codec_limits.measure(gaussian.values, given.turns)
    given.page.write_text(codec_page.page(sizes, speeds, limits), encoding="utf-8")
    print(f"written to {given.page}", file=sys.stderr)
    return 0


def _real() -> list[Update]:
    try:
        return codec_inputs.real("cnn")
    except BadInput as error:
        print(f"codecs: no real updates: {error}", file=sys.stderr)
        return []


def _told(cases: Sequence[Case], name: str) -> Sequence[Case]:
    print(f"{name}: {len(cases)} chains", file=sys.stderr, flush=True)
    return cases


def size(case: Case, update: Update) -> Size:
    """Encode once, decode, and compare."""
    chain, values, tensors = case.chain, update.values, update.tensors
    payload = chain.encode(values, b"", tensors, _LABEL, _CONTEXT).payload
    if case.text == "none":
        decoded = values
    else:
        decoded, _ = chain.decode(payload, 0, tensors, _LABEL, _CONTEXT)
    error = np.sum(np.square(decoded - values, dtype=np.float64))
    bound = case.bound_bits(case.passed(values, tensors, _CONTEXT))
    nmse = float(error / np.sum(np.square(values, dtype=np.float64)))
    return Size(update.name, case, len(values), 8 * len(payload), bound, nmse)


def _speeds(update: Update, turns: int) -> dict[str, Speed]:
    """Chain -> what it takes."""
    seconds: dict[str, list[tuple[float, float]]] = {case.text: [] for case in cases()}
    for turn in range(turns):
        print(f"speed, turn {turn + 1} of {turns}", file=sys.stderr, flush=True)
        for case in cases():
            seconds[case.text].append(_seconds(case, update))
    gb = update.values.nbytes / 1e9
    return {
        case.text: Speed(
            *(gb / median(way) for way in zip(*seconds[case.text], strict=True)),
            *(taken / update.values.nbytes for taken in _memory(case, update)),
        )
        for case in cases()
    }


def _seconds(case: Case, update: Update) -> tuple[float, float]:
    chain, place = case.chain, (update.tensors, _LABEL, _CONTEXT)
    began = time.process_time()
    payload = chain.encode(update.values, b"", *place).payload
    between = time.process_time()
    chain.decode(payload, 0, *place)
    return between - began, max(time.process_time() - between, 1e-9)


def _memory(case: Case, update: Update) -> tuple[int, int]:
    chain, place, made = case.chain, (update.tensors, _LABEL, _CONTEXT), []
    encoding = peak_bytes(lambda: made.append(chain.encode(update.values, b"", *place).payload))
    return encoding, peak_bytes(lambda: chain.decode(made[0], 0, *place))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
