"""Whether a network that begins by scaling its input expects bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model.network.layers import Affine, BatchNorm, Layer

LARGEST_SCALE = 1 / 16  # of numbers from 0 to 255; those from 0 to 1 are scaled by about 1 or more


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the pixels were multiplied by, one number a channel or one for all."""

    scale: np.ndarray

    def then(self, layer: Layer, arrays: Mapping[str, np.ndarray]) -> Prepared | None:
        """The same after one more layer; None where that does more than scale and shift."""
        if isinstance(layer, Affine):
            return Prepared(self.scale * arrays["scale"])
        if isinstance(layer, BatchNorm):
            return Prepared(self.scale * arrays["scale"] / np.sqrt(arrays["variance"] + layer.epsilon))
        return None

    @property
    def expects_bytes(self) -> bool:
        """Whether pixels from 0 to 255 were meant: those from 0 to 1 would all become nearly the same."""
        return bool(np.abs(self.scale).max() <= LARGEST_SCALE)
