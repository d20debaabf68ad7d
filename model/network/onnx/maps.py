"""ONNX operators on maps: convolutions, pools, and zeros around them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from model.network import layers
from model.network.onnx.node import Node, Tensor
from model.network.onnx.values import MAPS, Value, new_map, new_vector, to_ours
from model.network.sliding import Margins, Padding, Shape, Sides, margins

MOST = 1 << 16  # cells of a kernel, a step or a margin


def convolve(node: Node) -> Tensor:
    """A convolution by constant weights; on single cells, a dense layer."""
    weights, bias = node.constant(1, "weights"), node.optional(2, "bias")
    if weights.ndim != 4:
        raise node.refuse(f"its weights have the shape {weights.shape}: expected (out, in, rows, columns)")
    kernel = weights.shape[2:]
    if _sides(node, "kernel_shape", list(kernel)) != kernel:
        raise node.refuse(f"its weights have the shape {weights.shape}: expected a kernel as it declares")
    stride, dilation = _sides(node, "strides", [1, 1]), _sides(node, "dilations", [1, 1])
    groups, value = node.integer("group", 1), node.value()
    arrays = {"kernel": weights.transpose(2, 3, 1, 0)} | ({} if bias is None else {"bias": bias})
    fields = {"features": weights.shape[0], "bias": bias is not None, "activation": "linear"}
    if not value.is_map and value.axes == ("N", "D", "", "") and kernel == (1, 1) and groups == 1:
        arrays["kernel"] = to_ours(value, arrays["kernel"][0, 0])
        name = node.build.add(layers.Dense, node.label, (value.source,), arrays, **fields)
        return new_vector(name, weights.shape[0], value.batch, 4)
    value = node.map(0)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    added = _margins(node, value.shape, (reach[0], reach[1]), stride)
    fields |= {"kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    fields["padding"] = _padding(added, value.shape, (reach[0], reach[1]), stride, ("SAME", "VALID"))
    if groups < 1:
        raise node.refuse(f"its group is {groups}: expected a number from 1")
    name = node.build.add(layers.Conv, node.label, (value.source,), arrays, **fields)
    return new_map(name, node.build.shapes[name], value.batch, "NCHW")


def pool(node: Node) -> Tensor:
    """The largest value or the mean of each window; a window as large as the map is a global pool."""
    value, window = node.map(0), _sides(node, "kernel_shape", None)
    stride = _sides(node, "strides", [1, 1])
    if _sides(node, "dilations", [1, 1]) != (1, 1):
        raise node.refuse("with a dilated window")
    added = _margins(node, value.shape, window, stride)
    mean = node.kind == "AveragePool"
    fields: dict[str, Any] = {"count_padding": True} if mean and node.integer("count_include_pad", 0) else {}
    if node.integer("ceil_mode", 0):
        more = _cover(value.shape, added, window, stride)
        if more != added and fields:
            raise node.refuse("whose last windows reach beyond the padding that counts")
        added = more
    if window == value.shape[:2] and added == ((0, 0), (0, 0)):
        return _pool_whole(node, value, mean)
    padding = _padding(added, value.shape, window, stride, ("VALID", "SAME"))
    if not any(map(any, added)):
        fields = {}
    kind = layers.AvgPool if mean else layers.MaxPool
    name = node.build.add(
        kind, node.label, (value.source,), window=window, stride=stride, padding=padding, **fields
    )
    return new_map(name, node.build.shapes[name], value.batch, "NCHW")


def pool_whole(node: Node) -> Tensor:
    """One number for each channel."""
    value = node.value()
    if not value.is_map and value.axes[1:2] == ("D",):
        return value
    return _pool_whole(node, node.map(0), node.kind == "GlobalAveragePool")


def reduce_axes(node: Node) -> Tensor:
    """The mean or the largest value over rows and columns."""
    value, mean = node.value(), node.kind == "ReduceMean"
    reduced = node.axes(len(value.axes))
    if not reduced:
        if reduced is not None and node.integer("noop_with_empty_axes", 0):
            return value
        raise node.refuse("of all numbers: expected the axes of rows and columns")
    letters = set("".join(value.axes[axis] for axis in reduced))
    if not letters <= {"H", "W"}:
        raise node.refuse(f"over the axes {reduced} of {value.dims}: expected those of rows and columns")
    keeps = node.integer("keepdims", 1)
    kept = [place for place in range(len(value.axes)) if keeps or place not in reduced]
    axes = ["" if place in reduced else value.axes[place] for place in kept]
    if not value.is_map:
        return replace(value, axes=tuple(axes))
    if letters >= {letter for letter in "HW" if value.sides[letter] > 1}:
        channel = axes.index("C") if "C" in axes else _first_single(axes)
        if channel is None:
            raise node.refuse(
                f"over the axes {reduced} of {value.dims}: expected an axis of channels to stay"
            )
        axes[channel] = "D"
        name = _add_global(node, value, mean)
        return replace(new_vector(name, value.shape[2], value.batch), axes=tuple(axes))
    window = (value.shape[0], 1) if "H" in letters else (1, value.shape[1])
    name = node.build.add(
        layers.AvgPool if mean else layers.MaxPool, node.label, (value.source,), window=window
    )
    return Value(name, node.build.shapes[name], value.batch, tuple(axes))


def pad(node: Node) -> Tensor:
    """Zeros around a map."""
    value, given = node.value(), node.integers("pads", 1)
    rank = len(value.axes)
    axes = node.axes(rank, place=3) or list(range(rank))
    fill = node.optional(2, "value")
    numbers = [node.number("value", 0.0)] if fill is None else fill.reshape(-1).tolist()
    if node.text("mode", "constant") != "constant" or any(numbers):
        raise node.refuse("by other values than zeros")
    if given is None or len(given) != 2 * len(axes) or not all(0 <= cells <= MOST for cells in given):
        raise node.refuse(f"by {str(given)[:60]} cells: expected two numbers from 0 for each axis")
    cells = dict(zip(axes, zip(given[: len(axes)], given[len(axes) :], strict=True), strict=True))
    if not any(given):
        return value
    for letters in MAPS:
        sides = {letters[axis]: each for axis, each in cells.items()} if value.has_order(letters) else {}
        if sides and not any(any(sides.get(letter, ())) for letter in "NC"):
            margins = (sides.get("H", (0, 0)), sides.get("W", (0, 0)))
            name = node.build.add(layers.Pad, node.label, (value.source,), margins=margins)
            return new_map(name, node.build.shapes[name], value.batch, letters)
    raise node.refuse(f"of the shape {value.dims} by {given}: expected cells around rows and columns alone")


def _first_single(axes: list[str]) -> int | None:
    """The place of the first axis of length 1: that of a single channel."""
    return axes.index("") if "" in axes else None


def _pool_whole(node: Node, value: Value, mean: bool) -> Value:
    return new_vector(_add_global(node, value, mean), value.shape[2], value.batch, 4)


def _add_global(node: Node, value: Value, mean: bool) -> str:
    return node.build.add(layers.GlobalPool, node.label, (value.source,), of="mean" if mean else "max")


def _sides(node: Node, name: str, usual: list[int] | None) -> Sides:
    given = node.integers(name)
    given = usual if given is None else given
    if given is None or len(given) != 2 or not all(1 <= side <= MOST for side in given):
        raise node.refuse(f"its {name} are {str(given)[:40]}: expected two numbers from 1")
    return given[0], given[1]


def _margins(node: Node, shape: Shape, reach: Sides, stride: Sides) -> Margins:
    """The cells that the operator adds around a map (H, W, C)."""
    rule = node.text("auto_pad", "NOTSET")
    if rule == "VALID":
        return ((0, 0), (0, 0))
    if rule in ("SAME_UPPER", "SAME_LOWER"):
        rows, columns = margins("SAME", shape, reach, stride)
        return (rows, columns) if rule == "SAME_UPPER" else (rows[::-1], columns[::-1])
    pads = node.integers("pads") or [0, 0, 0, 0]
    if rule != "NOTSET" or len(pads) != 4 or not all(0 <= cells <= MOST for cells in pads):
        raise node.refuse(f"its padding is {rule[:20]} {str(pads)[:40]}: expected four numbers from 0")
    return ((pads[0], pads[2]), (pads[1], pads[3]))


def _padding(
    added: Margins,
    shape: Shape,
    reach: Sides,
    stride: Sides,
    words: tuple[Padding, ...],
) -> Padding:
    """These margins, by the first word that means the same."""
    return next((word for word in words if margins(word, shape, reach, stride) == added), added)


def _cover(shape: Shape, added: Margins, window: Sides, stride: Sides) -> Margins:
    """The margins with cells at the ends, so that the last windows are whole; none begins beyond the map."""
    covered = []
    for side, (before, after), size, step in zip(shape, added, window, stride, strict=False):
        count = max(0, math.ceil((side + before + after - size) / step)) + 1
        if (count - 1) * step >= side + before:
            count -= 1
        covered.append((before, max(after, (count - 1) * step + size - side - before)))
    return covered[0], covered[1]
