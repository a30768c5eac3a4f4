"""One chain or more for every codec: what contract tests, golden files and fuzzing go over.

A codec whose name alone is a chain needs no entry in `WRITTEN`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from federation.codecs._text import stages

WRITTEN: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "dgc": ["dgc(0.05)"],
        "ecsq": ["ecsq(step=0.5) | range", "ecsq(2) | range"],
        "eden": ["eden(2)"],
        "int": ["int8", "int4(per='block', block=16)"],
        "mask": ["topk(0.1) | mask"],
        "pack": ["int4 | pack"],
        "powersgd": ["powersgd(2)", "powersgd(1, 2) | ecsq(4) | range"],
        "qsgd": ["qsgd(4)"],
        "randomk": ["randomk(0.1)"],
        "range": ["int4 | range"],
        "smallest": ["int8 | smallest"],
        "static": ["static(64, 8)"],
        "stc": ["stc(0.1)"],
        "threshold": ["threshold(0.5)"],
        "topk": ["topk(0.1)", "topk(3)", "topk(0.1) | int8 | range"],
        "zstd": ["int8 | pack | zstd"],
    }
)


def chains() -> list[str]:
    """The chains of all registered codecs, as a scenario writes them."""
    return [text for name in stages().names() for text in WRITTEN.get(name, [name])]
