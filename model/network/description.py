"""An architecture as plain lists, numbers and strings, as it stands in files and in the database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from model.network.activations import parse_activation
from model.network.architecture import NAME, Architecture, Pixels
from model.network.layers import KINDS, Layer

MOST = 1 << 20  # pixels of a side, channels or units
MOST_LAYERS = 4096
PAIRS = ("kernel", "stride", "dilation", "window")
LINEAR_BY_RELU = {True: "relu", False: "linear"}  # `relu` of a dense layer before version 0.7


def to_json(architecture: Architecture) -> dict[str, Any]:
    """The description that `from_json` reads back; fields that have their usual value are left out."""
    layers = [{"type": type(layer).__name__, **_unusual(layer)} for layer in architecture.layers]
    description: dict[str, Any] = {
        "name": architecture.name,
        "input_shape": list(architecture.input_shape),
        "layers": layers,
    }
    if architecture.pixels != Pixels():
        description["pixels"] = asdict(architecture.pixels)
    return description


def from_json(description: Mapping[str, Any]) -> Architecture:
    """The architecture that `to_json` described. Raises ValueError naming what does not fit."""
    try:
        entries = description["layers"]
        if len(entries) > MOST_LAYERS:
            raise ValueError(f"{len(entries)} layers: expected at most {MOST_LAYERS}")
        layers = tuple(_layer(entry) for entry in entries)
        shape = description["input_shape"]
        if len(shape) != 3 or not all(_is_size(side) for side in shape):
            raise ValueError(f"the input shape is {str(shape)[:60]}: expected height, width and channels")
        _require_name(description["name"])
        pixels = _pixels(description.get("pixels", {}), shape[2])
        return Architecture(description["name"], tuple(shape), layers, pixels)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a description of a network's layers: {error}") from None


def _unusual(layer: Layer) -> dict[str, Any]:
    values = asdict(layer)
    return {
        each.name: values[each.name]
        for each in fields(layer)
        if each.name == "name" or each.default is MISSING or values[each.name] != each.default
    }


def _layer(entry: Mapping[str, Any]) -> Layer:
    values = {key: value for key, value in entry.items() if key != "type"}
    if entry["type"] not in KINDS:
        raise ValueError(f"a layer of the kind {str(entry['type'])[:60]!r}: expected {', '.join(KINDS)}")
    kind = KINDS[entry["type"]]
    if "relu" in values and kind.__name__ == "Dense":
        if not isinstance(values["relu"], bool):
            raise ValueError(f"relu {str(values['relu'])[:60]!r}: expected true or false")
        values["activation"] = LINEAR_BY_RELU[values.pop("relu")]
    _require_name(values["name"])
    checked = {key: _value(values["name"], key, value) for key, value in values.items()}
    return kind(**checked)


def _value(layer: str, key: str, value: Any) -> Any:
    """A field's value as the layer keeps it; a description may come from anywhere."""

    def fail(expected: str) -> ValueError:
        return ValueError(f"layer {layer!r} has {key} {str(value)[:60]!r}: expected {expected}")

    if key == "name":
        return value
    if key == "inputs":
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise fail("names of layers")
        return tuple(value)
    if key in PAIRS:
        pair = (value, value) if isinstance(value, int) else value
        if key == "stride" and value is None:
            return None
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(_is_size(one) for one in pair):
            raise fail("a whole number from 1, or two")
        return tuple(pair)
    if key in ("features", "groups"):
        if not _is_size(value):
            raise fail("a whole number from 1")
        return value
    if key == "margins" or (key == "padding" and not isinstance(value, str)):
        if not _is_margins(value):
            raise fail("[[above, below], [left, right]]")
        return tuple(tuple(side) for side in value)
    if key == "padding" and value not in ("SAME", "VALID"):
        raise fail("SAME, VALID or [[above, below], [left, right]]")
    if key in ("bias", "count_padding") and not isinstance(value, bool):
        raise fail("true or false")
    if key == "rate" and not (_is_number(value) and 0 <= value < 1):
        raise fail("a share below 1")
    if key == "epsilon" and not (_is_number(value) and value >= 0):
        raise fail("a number from 0")
    if key == "of" and value not in ("mean", "max"):
        raise fail("mean or max")
    if key in ("activation", "function"):
        parse_activation(value)
    return value


def _pixels(values: Mapping[str, Any], channels: int) -> Pixels:
    """How pixels are prepared. Raises ValueError for what does not fit so many channels."""
    scale, order = values.get("scale", "unit"), values.get("channels", "rgb")
    if scale not in ("unit", "byte"):
        raise ValueError(f"pixels: scale {str(scale)[:60]!r}: expected unit or byte")
    if order not in ("rgb", "bgr") or (order == "bgr" and channels != 3):
        raise ValueError(f"pixels: channels {str(order)[:60]!r} of {channels}: expected rgb, or bgr of three")
    numbers = {}
    for name, least in (("mean", -math.inf), ("std", 0.0)):
        given = values.get(name, ())
        if len(given) not in (0, 1, channels) or not all(_is_number(one) and one > least for one in given):
            raise ValueError(
                f"pixels: {name} {str(given)[:60]}: expected a number, or one for each of {channels} channels"
                + (", above 0" if least == 0 else "")
            )
        numbers[name] = tuple(float(one) for one in given)
    return Pixels(scale=scale, channels=order, **numbers)


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:60]!r} is no name: expected letters, digits, '_' and '-'")


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_margins(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(
            isinstance(side, list | tuple)
            and len(side) == 2
            and all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= MOST for one in side)
            for side in value
        )
    )
