"""How kernels and windows slide over a map: their sides, strides and padding."""

from __future__ import annotations

from typing import Literal

Shape = tuple[int, ...]
Sides = tuple[int, int]  # rows and columns
Margins = tuple[Sides, Sides]  # cells added (above, below) and (left, right)
Padding = Literal["SAME", "VALID"] | Margins


def margins(padding: Padding, shape: Shape, reach: Sides, stride: Sides) -> Margins:
    """The cells that a padding adds before and after rows and columns of a map (H, W, C).

    "SAME" is TensorFlow's rule: as little as gives ceil(side / stride) cells, the larger part at the end.
    """
    if padding == "VALID":
        return ((0, 0), (0, 0))
    if padding != "SAME":
        return padding
    missing = [
        max(0, (-(-side // step) - 1) * step + size - side)
        for side, size, step in zip(shape, reach, stride, strict=False)
    ]
    rows, columns = ((each // 2, each - each // 2) for each in missing)
    return rows, columns


def count_places(
    name: str, shape: Shape, reach: Sides, stride: Sides, padding: Padding, what: str
) -> tuple[int, int]:
    """How many places a window has on the rows and columns of a map (H, W, C).

    Raises ValueError, naming the layer, where it has none; what: the word for the window.
    """
    added = margins(padding, shape, reach, stride)
    free = [side + sum(more) - size for side, more, size in zip(shape[:2], added, reach, strict=True)]
    if min(free) < 0:
        raise ValueError(f"layer {name!r}: a {shape[0]} x {shape[1]} input is smaller than its {what}")
    rows, columns = (left // step + 1 for left, step in zip(free, stride, strict=True))
    return rows, columns
