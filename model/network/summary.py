"""What a person should know of a network, in words: its size, where it came from, its layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.network.activations import is_linear
from model.network.architecture import COMPOSED, INPUT, Architecture, Pixels
from model.network.layers import Layer
from model.network.sliding import Shape

if TYPE_CHECKING:
    from model.network.checkpoint import Checkpoint

MOST_LISTED = 20  # names of classes
CHANNELS = {1: "gray", 3: "color"}


def parameter_count(architecture: Architecture) -> int:
    """How many numbers the network has learned, statistics included."""
    return sum(map(math.prod, architecture.parameter_shapes().values()))


def images_in_words(shape: Shape) -> str:
    """The shape of images (H, W, C), as `28 x 28 gray`."""
    height, width, channels = shape
    return f"{height} x {width} {CHANNELS.get(channels, f'x {channels}')}"


def size_in_words(architecture: Architecture) -> str:
    """Images, classes, layers and parameters."""
    return (
        f"{images_in_words(architecture.input_shape)} images, {architecture.classes:,} classes, "
        f"{len(architecture.layers)} layers, {parameter_count(architecture):,} parameters"
    )


def source_in_words(description: Mapping[str, Any]) -> str:
    """Where a network came from, or what it was trained on; "" if that is not known."""
    origin = _origin(description)
    dataset = description.get("dataset")
    before = description.get("fine_tuned_from")
    if isinstance(before, dict):
        return f"{before.get('name')} (SHA-256 {str(before.get('sha256'))[:12]}), fine-tuned on {dataset}"
    if "file" not in origin:
        return f"trained on {dataset}" if dataset else ""
    others = [str(text) for key, text in origin.items() if key not in ("file", "sha256", "notes")]
    digest = [f"SHA-256 {str(origin['sha256'])[:12]}"] if "sha256" in origin else []
    return f"{origin['file']} ({', '.join([*others, *digest])})"


def facts(loaded: Checkpoint) -> list[tuple[str, str]]:
    """Pairs of a word and a text: inputs, classes, layers of interest, cost of a pass, origin, notes."""
    from model.network.incremental_pass import fastest  # imports JAX

    architecture, description = loaded.network.architecture, loaded.description
    accuracy = description.get("test_accuracy")
    measured = f"on the test images of {description.get('dataset')}"
    pairs = [
        ("pixels", _pixels_in_words(architecture.pixels)),
        ("classes", _listed(loaded.class_names)),
        ("compared", ", ".join((*architecture.compared, COMPOSED))),
        ("viewed", ", ".join(name for name in architecture.viewed if name not in architecture.compared)),
        ("one pass", f"{architecture.multiply_adds():,} multiply-adds"),
        ("attacks", fastest(loaded.network)[1]),
        ("from", source_in_words(description)),
        ("accuracy", f"{accuracy:.2%} {measured}" if isinstance(accuracy, float) else ""),
        *(("note", str(note)) for note in _origin(description).get("notes", ())),
    ]
    return [(word, text) for word, text in pairs if text]


def layer_rows(architecture: Architecture) -> list[tuple[str, ...]]:
    """A table of the layers: what each reads and gives, its parameters and work, and what it is for."""
    sources, inputs, outputs = (
        architecture.sources(),
        architecture.input_shapes(),
        architecture.output_shapes(),
    )
    uses = dict.fromkeys(architecture.viewed, "viewed") | dict.fromkeys(architecture.compared, "compared")
    rows: list[tuple[str, ...]] = [("LAYER", "KIND", "READS", "GIVES", "PARAMETERS", "MULTIPLY-ADDS", "USE")]
    before = INPUT
    for layer in architecture.layers:
        reads = "" if sources[layer.name] == (before,) else ", ".join(sources[layer.name])
        counts = (
            sum(map(math.prod, layer.parameters(*inputs[layer.name]).values())),
            layer.multiply_adds(*inputs[layer.name]),
        )
        numbers = [f"{count:,}" if count else "" for count in counts]
        gives = " x ".join(map(str, outputs[layer.name]))
        rows.append((layer.name, _kind_in_words(layer), reads, gives, *numbers, uses.get(layer.name, "")))
        before = layer.name
    return rows


def _kind_in_words(layer: Layer) -> str:
    """A layer's kind, with its window, step, groups and activation function."""
    words = [type(layer).__name__]
    sides = getattr(layer, "kernel", None) or getattr(layer, "window", None)
    if sides:
        words.append(f"{sides[0]} x {sides[1]}")
    step = getattr(layer, "step", None) or getattr(layer, "stride", None) or (1, 1)
    if step not in ((1, 1), getattr(layer, "window", None)):
        words.append(f"step {step[0]}" if step[0] == step[1] else f"step {step[0]} x {step[1]}")
    if getattr(layer, "groups", 1) > 1:
        words.append(f"in {getattr(layer, 'groups', 1)} groups")
    function = getattr(layer, "activation", None) or getattr(layer, "function", None)
    if function and not is_linear(function):
        words.append(function)
    return " ".join(words)


def _pixels_in_words(pixels: Pixels) -> str:
    words = "bytes in 0..255" if pixels.scale == "byte" else "in 0..1"
    for what, values in ((", less", pixels.mean), (", divided by", pixels.std)):
        words += f"{what} {' '.join(f'{value:g}' for value in values)}" if values else ""
    return words + (", blue first" if pixels.channels == "bgr" else "")


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {rest:,} more" if rest > 0 else "")


def _origin(description: Mapping[str, Any]) -> Mapping[str, Any]:
    origin = description.get("origin", {})
    return origin if isinstance(origin, dict) else {}
