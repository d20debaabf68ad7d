"""Constant parts of an ONNX graph: nodes that no image reaches, computed by the package's own reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from model.network.onnx.tensors import to_float32

MOST = 1 << 26  # numbers of one result
SMALLER = (
    *(
        "Cast",
        "Ceil",
        "Concat",
        "Exp",
        "Flatten",
        "Floor",
        "Gather",
        "Identity",
        "Neg",
        "Reciprocal",
        "ReduceProd",
    ),
    *("Reshape", "Shape", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Transpose", "Unsqueeze", "Abs"),
)  # results are no larger than what goes in
BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "Equal", "Where", "Max", "Min", "Mod")
FILLED = ("ConstantOfShape", "Expand")  # by the shape in the last input
COMPUTED = (*SMALLER, *BROADCAST, *FILLED)


def compute(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None], opset: int) -> np.ndarray:
    """The first output of a node that reads constants alone. Raises ValueError where it has none."""
    arrays = [array for array in inputs if array is not None]
    names = [name for name in node.input if name]
    _check_size(node, arrays)
    values = [helper.make_value_info(name, onnx.TypeProto()) for name in dict.fromkeys(names)]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in node.output[:1]]
    graph = helper.make_graph([node], "constant", values, outputs)
    try:
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(graph, {"": opset}).run(
                None, dict(zip(names, arrays, strict=True))
            )
    except Exception as error:  # whatever a library's own code raises on what a stranger wrote
        raise ValueError(" ".join(f"{type(error).__name__} {error}".split())[:120]) from None
    array = np.asarray(results[0])
    if array.dtype.kind in "cOSU":
        raise ValueError(f"{array.dtype}: expected numbers")
    return to_float32(array) if array.dtype.kind not in "iub" else array


def _check_size(node: onnx.NodeProto, arrays: Sequence[np.ndarray]) -> None:
    """Raise ValueError where the result would be absurdly large."""
    size = sum(array.size for array in arrays)
    if node.op_type in BROADCAST:
        size = math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    elif node.op_type in FILLED and arrays:
        *others, sides = arrays
        if sides.dtype.kind not in "iu" or sides.ndim != 1 or (sides < 0).any():
            raise ValueError("a shape that is no list of whole numbers from 0")
        size = math.prod(np.broadcast_shapes(*(array.shape for array in others), tuple(sides.tolist())))
    elif node.op_type == "Gather":
        size = math.prod(side for array in arrays for side in array.shape)
    if size > MOST:
        raise ValueError(f"a result of {size:,} numbers: expected at most {MOST:,}")
