"""What a layer of a Keras file is told, by the names of Keras 2 and 3, with every value checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.network.description import MOST
from model.network.foreign import ForeignError, refuse_layer
from model.network.sliding import Margins, Sides

KERAS_1_KINDS = {
    "Convolution2D": "Conv2D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}
KERAS_1_NAMES = {
    "nb_filter": "filters",
    "subsample": "strides",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "atrous_rate": "dilation_rate",
    "output_dim": "units",
    "bias": "use_bias",
    "p": "rate",
}
KERAS_1_VALUES = {"th": "channels_first", "tf": "channels_last"}


@dataclass(frozen=True)
class Settings:
    """The config of a layer; a value of another type than expected is a ForeignError that names the layer."""

    path: Path
    name: str
    kind: str
    config: Mapping[str, Any]

    def refuse(self, why: str = "") -> ForeignError:
        """The error that this layer cannot be described."""
        return refuse_layer(self.path, self.name, self.kind, why)

    def fail(self, key: str, expected: str) -> ForeignError:
        """The error for a value of its config."""
        given = str(self.config.get(key))[:60]
        return ForeignError(
            f"network {self.path}: layer {self.name[:80]!r} ({self.kind[:60]}) has {key} {given}: "
            f"expected {expected}"
        )

    def whole(self, key: str, usual: int | None = None) -> int:
        """A whole number from 1."""
        value = self._value(key, usual)
        if not _is_whole(value, 1):
            raise self.fail(key, "a whole number from 1")
        return int(value)

    def pair(self, key: str, usual: Sides | None = None) -> Sides:
        """Rows and columns, each from 1; one number stands for both."""
        value = self._value(key, usual)
        pair = [value, value] if isinstance(value, int) else value
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(_is_whole(one, 1) for one in pair):
            raise self.fail(key, "a whole number from 1, or two")
        return pair[0], pair[1]

    def margins(self, key: str) -> Margins:
        """Rows above and below, columns left and right; fewer numbers stand for equal ones."""
        value = self._value(key, None)
        rows, columns = (value, value) if isinstance(value, int) else _halves(value)
        sides = [[side, side] if isinstance(side, int) else side for side in (rows, columns)]
        if not all(isinstance(side, list | tuple) and len(side) == 2 for side in sides):
            raise self.fail(key, "[[above, below], [left, right]]")
        if not all(_is_whole(one, 0) for side in sides for one in side):
            raise self.fail(key, "whole numbers from 0")
        (above, below), (left, right) = sides
        return (above, below), (left, right)

    def number(self, key: str, usual: float | None = None) -> float:
        """A finite number."""
        value = self._value(key, usual)
        value = value.get("value") if isinstance(value, Mapping) else value  # early Keras 2: an array of none
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.fail(key, "a number")
        return float(value)

    def flag(self, key: str, usual: bool) -> bool:
        """Yes or no."""
        value = self._value(key, usual)
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def text(self, key: str, usual: str) -> str:
        """A text."""
        value = self._value(key, usual)
        if not isinstance(value, str):
            raise self.fail(key, "a text")
        return value

    def numbers(self, key: str) -> np.ndarray | None:
        """Finite numbers of any shape as float64, or None."""
        value = self._value(key, None)
        if value is None:
            return None
        return self.as_array(value, key)

    def as_array(self, value: Any, what: str) -> np.ndarray:
        """A constant of the file as float64."""
        if isinstance(value, Mapping):
            value = value.get("value", value.get("config", {}).get("value"))
        try:
            array = np.asarray(value, np.float64)
        except (ValueError, TypeError, OverflowError):
            raise self.refuse(f"its {what} is no array of numbers") from None
        if array.size > MOST or not np.isfinite(array).all():
            raise self.refuse(f"its {what} of shape {str(array.shape)[:40]}: expected finite numbers")
        return array

    def _value(self, key: str, usual: Any) -> Any:
        value = self.config.get(key)
        return usual if value is None else value


def modernize(kind: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A layer's class and config by the names of Keras 2 and 3, where Keras 1 or an early 2 wrote it."""
    new = {KERAS_1_NAMES.get(key, key): value for key, value in config.items()}
    if "nb_row" in config and "nb_col" in config:
        new["kernel_size"] = [config["nb_row"], config["nb_col"]]
    if isinstance(new.get("data_format"), str):
        new["data_format"] = KERAS_1_VALUES.get(new["data_format"], new["data_format"])
    return KERAS_1_KINDS.get(kind, kind), new


def _halves(value: Any) -> tuple[Any, Any]:
    """Rows and columns of a padding; Keras 1 also lists its four numbers."""
    parts = value if isinstance(value, list | tuple) else []
    if len(parts) == 4:
        return parts[:2], parts[2:]
    return (parts[0], parts[1]) if len(parts) == 2 else (None, None)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST
