"""From an ONNX file to our description: its input, its layers, its logits. No code of the file is run.

Sources: https://onnx.ai/onnx/operators/ and onnx.proto there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from model.network.architecture import INPUT, Architecture, Pixels
from model.network.foreign import MOST_CELLS, SOFTMAX_OFF, WAY_OUT, Foreign, ForeignError, name_layer
from model.network.layers import Affine, Flatten, Layer
from model.network.onnx.build import Build
from model.network.onnx.graph import walk
from model.network.onnx.merge import tidy
from model.network.onnx.pointwise import Pointwise
from model.network.onnx.proto import find_ends, load_model
from model.network.onnx.values import Value, new_map

CHANNELS = (1, 3)  # gray or color
LEAST_SCALE, MOST_MEAN = 0.05, 5  # of a normalization of pixels in 0..1
FRACTIONS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
WHOLE = (TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64)


def read_network(path: Path, pixels: Pixels) -> Foreign:
    """The network in a file, with its weights. Raises what `model.network.onnx.file.read` raises."""
    if path.exists() and not path.is_file():
        raise ForeignError(f"network {path}: no ordinary file: expected an ONNX file")
    graph, opset, program = load_model(path)
    image, output = find_ends(path, graph)
    value = _read_input(path, graph, image)
    notes = []
    if image.type.tensor_type.elem_type in WHOLE:
        if pixels not in (Pixels(), replace(pixels, scale="byte")):
            raise ForeignError(f"network {path}: it takes whole bytes, 0 to 255: give the scale `byte`")
        pixels = replace(pixels, scale="byte")
        notes.append("it takes whole bytes, 0 to 255")
    build = Build(path, {INPUT: value.shape}, notes=dict.fromkeys(notes))
    logits = _find_logits(build, walk(build, graph, opset, (image.name, value), output), output)
    layers, arrays = tidy(build.layers, build.arrays, logits.source)
    if value.has_order("NCHW") and value.shape[2] > 1:
        flat = any(isinstance(layer, Flatten) for layer in layers)
        after = ", and what follows a flatten put in that order" if flat else ""
        build.notes[f"channels first in the file: put last{after}"] = None
    if pixels == Pixels() and _expects_bytes(layers, arrays):
        pixels = Pixels(scale="byte")
        build.notes["it scales pixels of 0..255 itself: it gets bytes"] = None
    try:
        architecture = Architecture(name_layer(path.stem, ()), value.shape, layers, pixels)
    except ValueError as error:
        raise ForeignError(f"network {path}: {error}") from None
    facts = {"format": f"ONNX, operators of version {opset}", "program": program}
    return Foreign(architecture, arrays, tuple(build.notes), facts)


def _read_input(path: Path, graph: onnx.GraphProto, image: onnx.ValueInfoProto) -> Value:
    """The images that the file reads, as it arranges them."""
    tensor = image.type.tensor_type
    dims = [each.dim_value if each.HasField("dim_value") else 0 for each in tensor.shape.dim]
    shape = f"{image.name[:60]!r} has the shape ({', '.join(str(side or '?') for side in dims[:6])})"
    expected = "expected images (N, channels, rows, columns) or (N, rows, columns, channels), gray or color"
    if tensor.elem_type not in (*FRACTIONS, *WHOLE):
        raise ForeignError(
            f"network {path}: its input {image.name[:60]!r} holds no plain numbers: {expected}"
        )
    if len(dims) not in (3, 4) or any(side < 0 for side in dims):
        raise ForeignError(f"network {path}: its input {shape}: {expected}")
    if any(side == 0 for side in dims[1:]):
        raise ForeignError(
            f"network {path}: its input {shape}: rows, columns or channels are left open; export it for "
            "images of one size, or fix them with onnx.tools.update_model_dims"
        )
    batch = dims[0] or 1
    if len(dims) == 3:
        letters, sides = "NHW", (*dims[1:], 1)
    elif dims[1] in CHANNELS and not (dims[3] in CHANNELS and _is_moved(graph, image.name)):
        letters, sides = "NCHW", (dims[2], dims[3], dims[1])
    elif dims[3] in CHANNELS:
        letters, sides = "NHWC", (dims[1], dims[2], dims[3])
    else:
        raise ForeignError(f"network {path}: its input {shape}: {expected}; {WAY_OUT}")
    if math.prod(sides) * batch > MOST_CELLS:
        raise ForeignError(f"network {path}: its input {shape}: expected at most {MOST_CELLS:,} numbers")
    return new_map(INPUT, sides, batch, letters)


def _is_moved(graph: onnx.GraphProto, name: str) -> bool:
    """Whether the network begins by putting its channels first."""
    readers = [node for node in graph.node if name in node.input]
    return bool(readers) and all(
        node.op_type == "Transpose" and any(list(a.ints) == [0, 3, 1, 2] for a in node.attribute)
        for node in readers
    )


def _expects_bytes(layers: Sequence[Layer], arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the network begins by a normalization that would make pixels in 0..1 all alike."""
    first, others = layers[0], layers[1:]
    if not isinstance(first, Affine) or INPUT in (source for layer in others for source in layer.inputs):
        return False
    scale, bias = (arrays[f"{first.name}.{name}"].astype(np.float64) for name in ("scale", "bias"))
    if not scale.all():
        return False
    return bool((np.abs(scale) < LEAST_SCALE).all() or (np.abs(bias / scale) > MOST_MEAN).all())


def _find_logits(build: Build, tensor: np.ndarray | Value | Pointwise, output: str) -> Value:
    """The vector of logits, without the softmax after it."""
    value = tensor.settle(build) if isinstance(tensor, Pointwise) else tensor
    label = f"network {build.path}: its output {output[:60]!r}"
    if isinstance(value, np.ndarray):
        raise ForeignError(f"{label} does not depend on the image")
    if sum(bool(axis) for axis in value.axes) > 2 or value.axes[:1] != ("N",):
        raise ForeignError(f"{label} has the shape {value.dims}: expected a row of logits for each image")
    value = build.as_vector(value)
    if value.shape[0] < 2:
        raise ForeignError(
            f"{label} is one number, as of a sigmoid that tells two classes apart: expected a logit for each "
            f"class; export it with two outputs, or {WAY_OUT}"
        )
    if value.order is not None:
        raise ForeignError(
            f"{label} is a flattened map: expected the logits of a dense or pooled layer; {WAY_OUT}"
        )
    ends = {layer.name: getattr(layer, "function", "") for layer in build.layers}
    if ends.get(value.source) == "sigmoid":
        build.notes["it ends in a sigmoid for each class: these values count as logits"] = None
    if value.softmax:
        build.notes[SOFTMAX_OFF] = None
    return value
