"""Walk through the nodes of an ONNX graph, from the image to the logits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto

from model.network.foreign import ForeignError, refuse_layer
from model.network.onnx.build import Build
from model.network.onnx.constants import COMPUTED, compute
from model.network.onnx.node import Node, Tensor
from model.network.onnx.operators import KEEPING_SOFTMAX, OPERATORS
from model.network.onnx.proto import STANDARD
from model.network.onnx.tensors import Tensors
from model.network.onnx.values import Value

WEIGHT = re.compile(r"(.+)\.(weight|kernel)")
PARAMETRIC = ("Conv", "Gemm", "MatMul", "BatchNormalization")
MOST_NODES = 1 << 14
LISTS = {AttributeProto.INTS: "ints", AttributeProto.FLOATS: "floats"}
CONSTANTS = ("value_float", "value_floats", "value_int", "value_ints")


def walk(build: Build, graph: onnx.GraphProto, opset: int, first: tuple[str, Value], output: str) -> Tensor:
    """Add the layers that the output needs; returns it. `first` is the input's name and value."""
    tensors = Tensors(build.path, graph)
    known: dict[str, Tensor] = {first[0]: first[1]}
    for proto in _ordered(build.path, graph, output):
        name, kind = _name(proto), proto.op_type
        inputs: list[Tensor | None] = []
        for source in proto.input:
            if source and source not in known and source not in tensors:
                raise ForeignError(
                    f"network {build.path}: layer {name!r} ({kind[:60]}) reads {source[:80]!r}, which is "
                    "neither a weight nor an output of a layer before it"
                )
            inputs.append(None if not source else known[source] if source in known else tensors[source])
        known[proto.output[0]] = _evaluate(build, tensors, proto, inputs, opset)
    if tensors.converted:
        build.notes[f"weights in {' and '.join(sorted(tensors.converted))} were made float32"] = None
    if output not in known:
        raise ForeignError(f"network {build.path}: nothing in it gives its output {output[:80]!r}")
    return known[output]


def _evaluate(
    build: Build, tensors: Tensors, proto: onnx.NodeProto, inputs: list[Tensor | None], opset: int
) -> Tensor:
    """The first output of a node."""
    name, kind = _name(proto), proto.op_type
    _check_form(build.path, proto, opset)
    if kind == "Constant":
        return _constant(build.path, tensors, proto)
    constants = [tensor for tensor in inputs if tensor is None or isinstance(tensor, np.ndarray)]
    if kind in COMPUTED and len(constants) == len(inputs):
        try:
            return compute(proto, constants, opset)
        except ValueError as error:
            raise refuse_layer(build.path, name, kind, f"which cannot be computed: {error}") from None
    if kind not in OPERATORS:
        raise refuse_layer(build.path, name, kind)
    for tensor in inputs:
        soft = tensor.softmax if isinstance(tensor, Value) else ""
        if soft and kind not in KEEPING_SOFTMAX:
            raise refuse_layer(build.path, name, kind, f"after a {soft}, which may stand at the end alone")
    node = Node(
        build,
        kind,
        name,
        tuple(inputs),
        tuple(proto.input),
        _attributes(proto),
        opset,
        _label(proto, tensors),
    )
    return OPERATORS[kind](node)


def _check_form(path: Path, proto: onnx.NodeProto, opset: int) -> None:
    """Raise ForeignError where this version of the operator has not so many inputs, or other attributes."""
    name, kind = _name(proto), proto.op_type
    if proto.domain not in STANDARD:
        raise refuse_layer(path, name, f"{proto.domain[:40]}.{kind}")
    try:
        schema = onnx.defs.get_schema(kind, opset)
    except onnx.defs.SchemaError:
        raise refuse_layer(path, name, kind) from None
    unknown = [each.name[:40] for each in proto.attribute if each.name not in schema.attributes]
    if unknown:
        raise refuse_layer(path, name, kind, f"with {unknown[0]!r}, which version {opset} does not know")
    if len(proto.input) > schema.max_input:
        raise refuse_layer(path, name, kind, f"with {len(proto.input)} inputs")


def _ordered(path: Path, graph: onnx.GraphProto, output: str) -> Iterator[onnx.NodeProto]:
    """The nodes that the output needs, each after those that it reads. Raises ForeignError for a cycle."""
    if len(graph.node) > MOST_NODES:
        raise ForeignError(f"network {path}: {len(graph.node):,} nodes: expected at most {MOST_NODES:,}")
    makers: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers:
                raise ForeignError(
                    f"network {path}: two layers give {name[:80]!r}: expected names that differ"
                )
            makers[name] = index
    needed: dict[int, list[int]] = {}
    pending = [makers[output]] if output in makers else []
    while pending:
        index = pending.pop()
        if index not in needed:
            needed[index] = sorted({makers[name] for name in graph.node[index].input if name in makers})
            pending += needed[index]
    if all(index > source for index, sources in needed.items() for source in sources):
        order = sorted(needed)
    else:
        try:
            order = list(TopologicalSorter(needed).static_order())
        except CycleError as error:
            names = " -> ".join(_name(graph.node[index])[:40] for index in error.args[1][:6])
            raise ForeignError(f"network {path}: its layers read each other in a circle: {names}") from None
    read = {name for index in order for name in graph.node[index].input} | {output}
    for index in order:
        node = graph.node[index]
        if not node.output or not node.output[0] or read & {name for name in node.output[1:] if name}:
            raise refuse_layer(
                path, _name(node), node.op_type, "of which another output than the first is read"
            )
        yield node


def _constant(path: Path, tensors: Tensors, proto: onnx.NodeProto) -> np.ndarray:
    for attribute in proto.attribute:
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            return tensors.decode(attribute.t, proto.output[0])
        if attribute.name in CONSTANTS:
            value = _attributes(proto)[attribute.name]
            return np.array(value, np.float32 if "float" in attribute.name else np.int64)
    raise refuse_layer(path, _name(proto), "Constant", "of no numbers")


def _attributes(proto: onnx.NodeProto) -> dict[str, Any]:
    """Attributes that are numbers, text or lists of numbers; others are left out."""
    values: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.type == AttributeProto.INT:
            values[attribute.name] = attribute.i
        elif attribute.type == AttributeProto.FLOAT:
            values[attribute.name] = attribute.f
        elif attribute.type == AttributeProto.STRING:
            values[attribute.name] = attribute.s.decode("ascii", "replace")
        elif attribute.type in LISTS:
            values[attribute.name] = list(getattr(attribute, LISTS[attribute.type]))
    return values


def _name(proto: onnx.NodeProto) -> str:
    return (proto.name or (proto.output[0] if proto.output else "") or proto.op_type)[:80]


def _label(proto: onnx.NodeProto, tensors: Tensors) -> str:
    """A name for its layer: that of its weights in the program that wrote the file, or its own."""
    if proto.op_type in PARAMETRIC and len(proto.input) > 1 and (match := WEIGHT.fullmatch(proto.input[1])):
        return match[1]
    name = proto.name.removesuffix(f"/{proto.op_type}").strip("/")
    return name or proto.op_type.lower()
