"""The tables of `docs/codecs.md`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from benchmarks.codec_cases import rate_bits
from federation.results.environment import describe

if TYPE_CHECKING:
    from benchmarks.codec_limits import Limit
    from benchmarks.codecs import Size, Speed

EDEN: Final = {1: 0.5708, 2: 0.1331, 3: 0.0358, 4: 0.0096}
"""Published error of EDEN, unbiased, as a share of the square (arXiv:2108.08842)."""

_DENSE: Final = ("int8 | range", "int4 | range", "terngrad | range", "ecsq")
"""Chains that hand all entries to the range coder, with next to nothing beside them."""

INTRODUCTION = """\
# Codecs: bytes, error, speed, memory

Written by `python -m benchmarks.codecs`. [scenarios.md](scenarios.md#codecs) says what each codec
does, [compression.md](compression.md) what compression does to accuracy.

Bits are those of the whole payload, header and tables included, over the entries of the update.
The bound is the least that what is said can take: the empirical entropy of the symbols, the number
of ways to choose the positions, or the packed size. Error is the squared error over the square of
the update.
"""

SPEED = """\
## Speed and memory

Gaussian update, one core: GB of float32 a second of CPU time, median of the turns. Memory is the
most that was allocated at one time, result included, over the size of the update; `dgc` and
`powersgd` hand back their state in it. EDEN and the range coder hold 1 to 2 MB of work space of
fixed size.
"""

GOALS = """\
## What was aimed at

Speed is compared as measured; a goal that is missed stays here. What limits: the range coder is
[constriction](https://docs.rs/constriction), which codes symbol by symbol, and NumPy's passes over
memory for all else.
"""


LIMITS = """\
## What limits the range coder

GB of float32 a second that the symbols of the Gaussian update stand for. "constriction alone" gets
symbols that are numbered already and a table that costs nothing, and codes them one by one; no
payload that it codes that way can be decoded faster. `range` counts the symbols, fits and writes
its tables, and codes several symbols of a small alphabet as one.
"""


def page(sizes: Sequence[Size], speeds: Mapping[str, Speed], limits: Sequence[Limit] = ()) -> str:
    """The whole page; without limits it does not say what limits the range coder."""
    parts = [INTRODUCTION, _machine(), GOALS, _goals(sizes, speeds, limits)]
    for update in dict.fromkeys(one.update for one in sizes):
        here = [one for one in sizes if one.update == update]
        parts += [f"## {update[0].upper()}{update[1:]} update, {here[0].length:,} entries\n"]
        parts += [_sizes(here)]
    parts += [SPEED, _speeds(speeds)]
    return "\n".join([*parts, LIMITS, _limits(limits)] if limits else parts)


def _machine() -> str:
    packages = describe()["packages"]
    names = ("numpy", "constriction", "zstandard")
    versions = ", ".join(f"{name} {packages[name]}" for name in names if name in packages)
    return f"Measured on: {describe()['cpu'] or platform.machine()}; {versions}.\n"


def _sizes(sizes: Sequence[Size]) -> str:
    head = ("chain", "bits an entry", "smaller", "bound", "bits", "over it", "error")
    lines = [
        [
            _code(one.case.text),
            f"{one.sent_bits / one.length:.4g}",
            f"{32 * one.length / one.sent_bits:.1f}x",
            one.case.bound_name,
            f"{one.bound_bits / one.length:.4g}",
            f"{100 * (one.sent_bits / one.bound_bits - 1):+.2f} %",
            f"{one.nmse:.3g}",
        ]
        for one in sizes
    ]
    return _table(head, lines)


def _speeds(speeds: Mapping[str, Speed]) -> str:
    head = ("chain", "encode GB/s", "decode GB/s", "memory encoding", "memory decoding")
    lines = [
        [
            _code(text),
            *(f"{speed.encode_gb_s:.2f}", f"{speed.decode_gb_s:.2f}"),
            *(f"{speed.encode_memory:.2f}x", f"{speed.decode_memory:.2f}x"),
        ]
        for text, speed in speeds.items()
    ]
    return _table(head, lines)


def _limits(limits: Sequence[Limit]) -> str:
    ways = ("`range` encode", "constriction alone", "`range` decode", "constriction alone")
    lines = [
        [
            _code(one.quantiser),
            f"{one.bits_a_symbol:.3f}",
            *(f"{one.encode_gb_s:.2f}", f"{one.library_encode_gb_s:.2f}"),
            *(f"{one.decode_gb_s:.3f}", f"{one.library_decode_gb_s:.3f}"),
        ]
        for one in limits
    ]
    return _table(("symbols of", "entropy, bits", *ways), lines)


def _goals(sizes: Sequence[Size], speeds: Mapping[str, Speed], limits: Sequence[Limit]) -> str:
    gaussian = {one.case.text: one for one in sizes if one.update == "Gaussian"}
    lines = [
        [what, f"{limit:g}", f"{found:.4g}", "yes" if met else "**no**"]
        for what, limit, found, met in [
            *_size_goals(gaussian),
            *_speed_goals(speeds),
            *_coder_goals(limits),
        ]
    ]
    return _table(("what", "goal", "measured", "met?"), lines)


def _size_goals(gaussian: Mapping[str, Size]) -> list[tuple[str, float, float, bool]]:
    goals: list[tuple[str, float, float, bool]] = []

    def most(what: str, limit: float, found: float) -> None:
        goals.append((what, limit, found, found <= limit))

    coded = [one for text, one in gaussian.items() if text.startswith(_DENSE)]
    most(
        "range coder on n symbols: payload over their entropy, worst chain",
        1.005,
        max(one.sent_bits / one.bound_bits for one in coded),
    )
    for text in ("stc(0.01)", "stc(0.001)"):
        one = gaussian[text]
        most(
            f"{text}: payload less 64 B over the bound",
            1.01,
            (one.sent_bits - 512) / one.bound_bits,
        )
    for rate in (2, 3, 4, 6, 8):
        one = gaussian[f"ecsq({rate}) | range"]
        gap = one.sent_bits / one.length - rate_bits(one.nmse)
        most(f"ecsq({rate}): bits above the rate-distortion bound", 0.26, gap)
    for bits, published in EDEN.items():
        found = gaussian[f"eden({bits})"].nmse / published
        goals.append(
            (
                f"eden({bits}): error over the published {published}",
                1.01,
                found,
                abs(found - 1) <= 0.01,
            )
        )
    return goals


RANGE_GOALS: Final = (0.5, 0.13)
"""GB of float32 a second that it should encode and decode."""

_SPEED_GOALS: Final = (
    *((text, 1.0, 1.0) for text in ("fp16", "bf16", "fp8", "int8", "sign")),
    *((f"eden({bits})", 0.5, 0.5) for bits in EDEN),
    ("int8 | range", *RANGE_GOALS),
    ("topk(0.01)", 1.5, 1.5),
)


def _speed_goals(speeds: Mapping[str, Speed]) -> list[tuple[str, float, float, bool]]:
    goals = []
    for text, encode, decode in _SPEED_GOALS:
        speed = speeds[text]
        for way, limit, found in (
            ("encode", encode, speed.encode_gb_s),
            ("decode", decode, speed.decode_gb_s),
        ):
            goals.append((f"{_code(text)}: {way}, GB/s", limit, found, found >= limit))
    worst = max(
        max(one.encode_memory, one.decode_memory)
        for text, one in speeds.items()
        if "dgc" not in text
    )
    goals.append(("memory over the update, worst chain but dgc", 2.0, worst, worst <= 2))
    return goals


def _coder_goals(limits: Sequence[Limit]) -> list[tuple[str, float, float, bool]]:
    """Of the range coder without the quantiser before it."""
    goals = []
    for one in limits:
        for way, limit, found in (
            ("encode", RANGE_GOALS[0], one.encode_gb_s),
            ("decode", RANGE_GOALS[1], one.decode_gb_s),
        ):
            what = f"`range` alone, on symbols of {_code(one.quantiser)}: {way}, GB/s"
            goals.append((what, limit, found, found >= limit))
    return goals


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
