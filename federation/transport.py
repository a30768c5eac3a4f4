"""How parts become payloads and back, in one direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from federation.arrays import Arrays, Parts, Spec, is_finite
from federation.codecs._base import Codec
from federation.errors import RejectedUpdate
from federation.messages import Payloads
from federation.seeds import generator

PartSpecs = Mapping[str, Spec]


@dataclass(frozen=True)
class Channel:
    """A codec with the seed that its random draws come from."""

    codec: Codec
    seed: int
    name: str

    def encode(self, parts: Parts, round_number: int, client: int) -> dict[str, bytes]:
        """One payload per part."""
        return {
            part: self.codec.encode(
                arrays, generator(self.seed, f"{self.name} {part}", round_number, client)
            )
            for part, arrays in parts.items()
        }

    def decode(self, payloads: Payloads, specs: PartSpecs) -> dict[str, Arrays]:
        """The parts that `specs` asks for, finite throughout.

        Raises RejectedUpdate for anything else.
        """
        if payloads.keys() != specs.keys():
            raise RejectedUpdate(f"parts {sorted(payloads)} where {sorted(specs)} were expected")
        return {part: self._decode_part(part, payloads[part], spec) for part, spec in specs.items()}

    def _decode_part(self, part: str, payload: bytes, spec: Spec) -> Arrays:
        try:
            arrays = self.codec.decode(payload, spec)
        except ValueError as error:
            raise RejectedUpdate(f"part {part!r}: {error}") from None
        if not is_finite(arrays):
            raise RejectedUpdate(f"part {part!r} holds NaN or infinite values")
        return arrays
