"""Compare two rankings of neighbors, before and after an attack; pure."""

import base64
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dashapp import theme as themes

ROW = 44  # pixels, of a neighbor in either column
WIDTH = 110  # pixels between the columns
STUB = 26  # pixels of a line with only one end


class Moves(NamedTuple):
    """How an attack changes the first k neighbors; ranks count from 1."""

    stays: tuple[tuple[int, int], ...]  # (rank before, rank after), by rank before
    leaves: tuple[tuple[int, int | None], ...]  # (rank before, rank after or None: not stored)
    enters: tuple[tuple[int, int | None], ...]  # (rank after, rank before or None: not stored)

    @property
    def moved(self) -> int:
        """How many stay at another rank."""
        return sum(before != after for before, after in self.stays)


def moves(before: Sequence[int], after: Sequence[int], k: int) -> Moves:
    """Compare two rankings of reference samples (ids, nearest first), each as far as it is stored."""
    place_before = {sample: rank for rank, sample in enumerate(before, start=1)}
    place_after = {sample: rank for rank, sample in enumerate(after, start=1)}
    stays, leaves, enters = [], [], []
    for rank, sample in enumerate(before[:k], start=1):
        other = place_after.get(sample)
        if other is not None and other <= k:
            stays.append((rank, other))
        else:
            leaves.append((rank, other))
    for rank, sample in enumerate(after[:k], start=1):
        other = place_before.get(sample)
        if other is None or other > k:
            enters.append((rank, other))
    return Moves(tuple(stays), tuple(leaves), tuple(enters))


def softmax(logits: np.ndarray) -> list[float]:
    """(C,) probabilities in [0, 1] of logits (C,)."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return [float(share) for share in powers / powers.sum()]


def lines(found: Moves, k: int, theme: themes.Theme) -> str:
    """The lines between both columns as a data URI of an SVG picture, WIDTH x k rows.

    A neighbor that keeps its rank has a plain line, one that changes rank a bold line; one that leaves has
    a dashed stub, one that enters a dotted stub.
    """
    color = themes.COLORS[theme]
    parts = []
    for before, after in found.stays:
        ink, width = (color["text-muted"], 1.5) if before == after else (color["accent"], 2.5)
        y, z = _middle(before), _middle(after)
        bend = WIDTH / 2
        parts.append(
            f"<path d='M0 {y}C{bend} {y} {bend} {z} {WIDTH} {z}' stroke='{ink}' stroke-width='{width}'/>"
        )
    for rank, _ in found.leaves:
        y = _middle(rank)
        parts.append(f"<path d='M0 {y}H{STUB}' stroke='{color['text-muted']}' stroke-dasharray='5 4'/>")
        parts.append(_cross(STUB + 6, y, color["text-muted"]))
    for rank, _ in found.enters:
        y = _middle(rank)
        parts.append(
            f"<path d='M{WIDTH - STUB} {y}H{WIDTH}' stroke='{color['text']}' stroke-dasharray='1.5 3'/>"
        )
        parts.append(_plus(WIDTH - STUB - 6, y, color["text"]))
    height = k * ROW
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"viewBox='0 0 {WIDTH} {height}' fill='none' stroke-width='1.5'>{''.join(parts)}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _middle(rank: int) -> float:
    return (rank - 0.5) * ROW


def _cross(x: float, y: float, ink: str) -> str:
    return f"<path d='M{x - 4} {y - 4}l8 8m0 -8l-8 8' stroke='{ink}'/>"


def _plus(x: float, y: float, ink: str) -> str:
    return f"<path d='M{x - 5} {y}h10m-5 -5v10' stroke='{ink}'/>"
