"""ONNX operators that move no number but only say in which shape a value is read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from model.network.onnx.node import Node, Tensor
from model.network.onnx.values import Value, reshape, transpose

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)


def pass_on(node: Node) -> Tensor:
    """What comes in."""
    return node.tensor(0)


def drop_out(node: Node) -> Tensor:
    """What comes in: dropout is of training."""
    training = node.optional(2, "training mode")
    if training is not None and training.any():
        raise node.refuse("in training mode: export the network for inference")
    return node.tensor(0)


def cast(node: Node) -> Tensor:
    """The same numbers as fractions."""
    to = node.integer("to", 0)
    if to not in FLOATS:
        words = TensorProto.DataType.Name(to) if to in TensorProto.DataType.values() else str(to)
        raise node.refuse(f"to {words}")
    return node.tensor(0)


def take_shape(node: Node) -> Tensor:
    """The value's shape in the file."""
    dims = node.value().dims
    return np.array(dims[node.integer("start", 0) : node.integer("end", len(dims))], np.int64)


def transpose_axes(node: Node) -> Tensor:
    """The value with its axes in another order."""
    value = node.value()
    rank = len(value.axes)
    permutation = node.axes(rank, "perm", None) or list(reversed(range(rank)))
    if sorted(permutation) != list(range(rank)):
        raise node.refuse(f"by {permutation}: expected each of {rank} axes once")
    return transpose(value, permutation)


def reshape_axes(node: Node) -> Tensor:
    """The value read in another shape."""
    value, given = node.value(), node.integers("shape", 1)
    if given is None:
        raise node.refuse("without a shape")
    dims = value.dims
    if not node.integer("allowzero", 0):
        given = [dims[i] if side == 0 and i < len(dims) else side for i, side in enumerate(given)]
    if given.count(-1) == 1:
        known = -math.prod(given)
        given = [math.prod(dims) // known if side == -1 and known > 0 else side for side in given]
    return _reshaped(node, value, given)


def flatten_axes(node: Node) -> Tensor:
    """The value as rows of numbers."""
    value = node.value()
    dims, rank = value.dims, len(value.axes)
    axis = node.integer("axis", 1)
    axis = rank if axis == rank else node.axis(axis, rank)
    node.build.row_labels.setdefault(value.source, node.label)
    return _reshaped(node, value, [math.prod(dims[:axis]), math.prod(dims[axis:])])


def squeeze_axes(node: Node) -> Tensor:
    """The value without axes of length 1."""
    value = node.value()
    rank = len(value.axes)
    dropped = node.axes(rank)
    if dropped is None:
        dropped = [axis for axis in range(rank) if not value.axes[axis]]
    if any(value.axes[axis] for axis in dropped):
        raise node.refuse(f"of the axes {dropped} of the shape {value.dims}: expected axes of length 1")
    return replace(value, axes=tuple(axis for place, axis in enumerate(value.axes) if place not in dropped))


def unsqueeze_axes(node: Node) -> Tensor:
    """The value with more axes of length 1."""
    value, given = node.value(), node.integers("axes", 1)
    rank = len(value.axes) + len(given or [])
    added = {node.axis(axis, rank) for axis in given or []}
    if given is None or len(added) < len(given) or rank > 16:
        raise node.refuse(f"of the axes {str(given)[:40]}: expected axes, each once")
    axes = iter(value.axes)
    return replace(value, axes=tuple("" if place in added else next(axes) for place in range(rank)))


def _reshaped(node: Node, value: Value, dims: list[int]) -> Value:
    reshaped = reshape(value, dims)
    if reshaped is None:
        raise node.refuse(f"from {value.dims} to {str(tuple(dims))[:60]}: expected a flatten")
    return reshaped
