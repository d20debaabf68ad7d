"""The ONNX operators that are read: what each becomes among our layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from model.network import layers
from model.network.onnx.arrange import (
    cast,
    drop_out,
    flatten_axes,
    pass_on,
    reshape_axes,
    squeeze_axes,
    take_shape,
    transpose_axes,
    unsqueeze_axes,
)
from model.network.onnx.functions import COMBINATIONS, FUNCTIONS, apply_function, combine
from model.network.onnx.maps import convolve, pad, pool, pool_whole, reduce_axes
from model.network.onnx.node import Node, Tensor
from model.network.onnx.values import MAPS, Value, new_map, to_ours


def multiply_matrix(node: Node) -> Tensor:
    """A dense layer without bias."""
    weights = node.constant(1, "matrix on the right")
    return _add_dense(node, node.value(0), weights, None)


def multiply_add(node: Node) -> Tensor:
    """A dense layer with bias."""
    weights, bias = node.constant(1, "matrix"), node.optional(2, "bias")
    if node.integer("transA", 0):
        raise node.refuse("of a transposed input")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    weights = weights.T if node.integer("transB", 0) else weights
    weights = weights if alpha == 1 else weights * np.float64(alpha)
    if bias is not None:
        bias = None if beta == 0 else bias * np.float64(beta)
    return _add_dense(node, node.value(0), weights, bias)


def _add_dense(node: Node, value: Value, weights: np.ndarray, bias: np.ndarray | None) -> Value:
    if weights.ndim != 2 or not weights.size:
        raise node.refuse(f"its matrix has the shape {weights.shape}: expected two sides")
    row = node.as_row(value)
    if row.axes[0] != "N" or row.axes[-1] != "D" or weights.shape[0] != row.shape[0]:
        raise node.refuse(f"of an input of shape {value.dims} and a matrix of shape {weights.shape}")
    features, arrays = weights.shape[1], {"kernel": to_ours(row, weights)}
    if bias is not None:
        if bias.shape not in ((), (1,), (1, 1), (features,), (1, features)):
            raise node.refuse(f"its bias has the shape {bias.shape}: expected ({features},)")
        arrays["bias"] = np.broadcast_to(bias.reshape(-1), (features,))
    name = node.build.add(
        layers.Dense,
        node.label,
        (row.source,),
        arrays,
        features=features,
        activation="linear",
        bias=bias is not None,
    )
    return Value(name, (features,), row.batch, row.axes)


def normalize_batch(node: Node) -> Tensor:
    """Batch normalization by stored statistics."""
    value, names = node.value(), ("scale", "bias", "mean", "variance")
    if node.integer("training_mode", 0) or not node.integer("spatial", 1):
        raise node.refuse("in training mode, or cell by cell: export the network for inference")
    if not value.has_order("NCHW"):
        value = node.as_row(value)
        if value.axes[1:2] != ("D",):
            raise node.refuse(f"of an input of shape {value.dims}: expected channels on the second axis")
    arrays = {name: node.constant(place, name) for place, name in enumerate(names, 1)}
    expected = (value.shape[-1],)
    for name, array in arrays.items():
        if array.shape != expected:
            raise node.refuse(f"its {name} has the shape {array.shape}: expected {expected}")
    epsilon = float(np.float32(node.number("epsilon", 1e-5)))
    if epsilon < 0 or (arrays["variance"] + epsilon <= 0).any():
        raise node.refuse("of a variance that is not above 0")
    ours = {name: to_ours(value, array) for name, array in arrays.items()}
    name = node.build.add(layers.BatchNorm, node.label, (value.source,), ours, epsilon=epsilon)
    return replace(value, source=name)


def join(node: Node) -> Tensor:
    """Branches beside one another along the channels."""
    values = [node.value(place) for place in range(max(1, len(node.inputs)))]
    if len(values) == 1:
        return values[0]
    axis, batch = node.axis(node.integer("axis", 0), len(values[0].axes)), values[0].batch
    for letters in MAPS:
        if all(value.has_order(letters) for value in values) and letters[axis] == "C":
            name = node.build.add(layers.Concat, node.label, [value.source for value in values])
            return new_map(name, node.build.shapes[name], batch, letters)
    rows = [node.as_row(value) for value in values]
    if any(row.axes != rows[0].axes for row in rows) or rows[0].axes[axis] != "D":
        raise node.refuse(
            f"on axis {axis} of {[value.dims for value in values][:4]}: expected the channels' axis"
        )
    name = node.build.add(layers.Concat, node.label, [row.source for row in rows])
    order = None
    if any(row.order is not None for row in rows):
        orders = [np.arange(row.shape[0]) if row.order is None else row.order for row in rows]
        begins = np.cumsum([0, *(row.shape[0] for row in rows[:-1])])
        order = np.concatenate([each + begin for each, begin in zip(orders, begins, strict=True)])
    return Value(name, node.build.shapes[name], batch, rows[0].axes, order)


def soften(node: Node) -> Tensor:
    """The value itself, marked: it is refused where anything follows."""
    value = node.as_row(node.value())
    rank = len(value.axes)
    axis = node.axis(node.integer("axis", -1 if node.opset >= 13 else 1), rank)
    letters = value.axes[axis] if node.opset >= 13 else "".join(value.axes[axis:])
    if letters != "D":
        raise node.refuse(f"over axis {axis} of the shape {value.dims}: expected the classes")
    return replace(value, softmax=node.kind)


KEEPING_SOFTMAX = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Dropout")
OPERATORS: dict[str, Callable[[Node], Tensor]] = {
    **dict.fromkeys(FUNCTIONS, apply_function),
    **dict.fromkeys(COMBINATIONS, combine),
    "Conv": convolve,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": pool_whole,
    "GlobalMaxPool": pool_whole,
    "ReduceMean": reduce_axes,
    "ReduceMax": reduce_axes,
    "Pad": pad,
    "BatchNormalization": normalize_batch,
    "Gemm": multiply_add,
    "MatMul": multiply_matrix,
    "Concat": join,
    "Softmax": soften,
    "LogSoftmax": soften,
    "Identity": pass_on,
    "Dropout": drop_out,
    "Cast": cast,
    "Shape": take_shape,
    "Transpose": transpose_axes,
    "Reshape": reshape_axes,
    "Flatten": flatten_axes,
    "Squeeze": squeeze_axes,
    "Unsqueeze": unsqueeze_axes,
}
