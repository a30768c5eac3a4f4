"""Codecs by the name a scenario gives."""

from __future__ import annotations

from federation.codecs._base import Codec
from federation.registry import Registry


def codecs() -> Registry[Codec]:
    """All codecs of this package."""
    return Registry("codec", "federation.codecs", Codec)  # type: ignore[type-abstract]


def build_codec(text: str) -> Codec:
    """The codec that `text` names. Raises ScenarioError, listing the valid names."""
    return codecs().get(text.strip())()
