"""One chain or more for every codec: what contract tests, golden files and fuzzing go over."""

from __future__ import annotations

from federation.codecs._text import stages


def chains() -> list[str]:
    """The chains that codecs give as their examples; of one that gives none, its name."""
    found = stages()
    return [text for name in found.names() for text in found.get(name).examples or (name,)]
