"""Convert rows to elements of the neighbor graph, with its style sheet; pure.

A star: the case is in the middle, its neighbors are around it, each class in its own sector. Edge lengths
follow the distances. Positions are ready to show (layout `preset`); `assets/case/graph.js` keeps the lengths
while nodes are dragged. Selectors use data only: Dash drops an element's classes after a drag.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dashapp import theme as themes

CENTER = "case"  # id of the node in the middle
NODE_SIZE = 46  # pixels at zoom 1
CENTER_SIZE = 84
LABEL_GAP = NODE_SIZE // 2 + 3  # pixels between a ring and its label: room for an image


class Lengths(NamedTuple):
    """An affine scale: the nearest neighbor at `shortest`, the farthest at `longest` pixels."""

    nearest: float
    farthest: float
    shortest: float
    longest: float

    def __call__(self, distance: float) -> float:
        """Length of an edge, in pixels at zoom 1."""
        if self.farthest <= self.nearest:
            return (self.shortest + self.longest) / 2
        share = (distance - self.nearest) / (self.farthest - self.nearest)
        return self.shortest + share * (self.longest - self.shortest)


class GraphNeighbor(NamedTuple):
    """The data of a neighbor that the graph needs."""

    key: str  # the same in every layer, so that an image that stays is the same node
    rank: int  # from 1
    label: int
    distance: float
    image: str  # address


def lengths(distances: Sequence[float]) -> Lengths:
    """The scale for these distances (at least one); more neighbors get more room.

    It magnifies differences to make them visible, but at most eight times: neighbors at nearly equal
    distances are drawn that way.
    """
    nearest, farthest = min(distances), max(distances)
    shortest = 105.0 + 1.3 * len(distances)
    spread = min(150.0, 70.0 + 6.0 * len(distances))
    if nearest > 0:
        spread = min(spread, 8.0 * shortest * (farthest - nearest) / nearest)
    return Lengths(nearest, farthest, shortest, shortest + spread)


def angles(neighbors: Sequence[GraphNeighbor], first_class: int) -> list[float]:
    """Direction of each neighbor in radians: evenly spread, one sector a class.

    `first_class` (the predicted one) is centered at the top, the others follow clockwise by frequency.
    Within a sector near and far neighbors alternate, so that images overlap less.
    """
    if not neighbors:
        return []
    counts = Counter(neighbor.label for neighbor in neighbors)
    order = sorted(counts, key=lambda label: (label != first_class, -counts[label], label))
    placed: list[int] = []
    for label in order:
        members = [i for i, neighbor in enumerate(neighbors) if neighbor.label == label]
        half = (len(members) + 1) // 2
        near, far = members[:half], members[half:]
        placed += [i for pair in zip(near, far, strict=False) for i in pair] + near[len(far) :]
    step = 2 * math.pi / len(neighbors)
    start = -math.pi / 2 - step * (counts[order[0]] - 1) / 2
    result = [0.0] * len(neighbors)
    for place, i in enumerate(placed):
        result[i] = start + place * step
    return result


def graph_elements(
    neighbors: Sequence[GraphNeighbor],
    *,
    case_image: str,
    case_text: str,
    predicted: int,
    k: int | None,
    class_names: Sequence[str],
    number: Callable[[float], str],
    place: str,
) -> list[dict[str, Any]]:
    """Nodes and edges for these neighbors, in rank order.

    Args:
        neighbors: at least one; those of rank > `k` are drawn smaller.
        case_image: address of the image in the middle.
        case_text: its hover text.
        predicted: class whose sector is at the top.
        k: neighbors that were counted; None when nothing is tuned yet: all of them.
        class_names: names by class id.
        number: formats a distance.
        place: metric and layer, shown with every distance ('euclidean, dense').
    """
    scale = lengths([neighbor.distance for neighbor in neighbors])
    nodes = _rings(scale, number)
    nodes.append(
        {
            "data": {
                "id": CENTER,
                "role": "case",
                "image": case_image,
                "size": CENTER_SIZE,
                "title": "this case",
                "lines": [case_text],
            },
            "position": {"x": 0.0, "y": 0.0},
        }
    )
    edges = []
    for neighbor, angle in zip(neighbors, angles(neighbors, predicted), strict=True):
        length = scale(neighbor.distance)
        counted = k is None or neighbor.rank <= k
        rank = f"rank {neighbor.rank}" + ("" if counted else f", beyond the first {k}")
        color = themes.class_color(neighbor.label)
        nodes.append(
            {
                "data": {
                    "id": neighbor.key,
                    "role": "neighbor",
                    "image": neighbor.image,
                    "size": node_size(len(neighbors), counted=counted),
                    "color": color,
                    "counted": int(counted),
                    "title": class_names[neighbor.label],
                    "lines": [rank, f"distance {number(neighbor.distance)} ({place})"],
                },
                "position": {"x": length * math.cos(angle), "y": length * math.sin(angle)},
            }
        )
        edges.append(
            {
                "data": {
                    "id": f"to-{neighbor.key}",
                    "source": CENTER,
                    "target": neighbor.key,
                    "length": length,
                    "distance": neighbor.distance,
                    "color": color,
                    "counted": int(counted),
                }
            }
        )
    return nodes + edges


def node_size(shown: int, *, counted: bool) -> int:
    """Side of a neighbor's image in pixels at zoom 1: smaller in a crowd, and beyond the first k."""
    size = NODE_SIZE if shown <= 20 else 0.85 * NODE_SIZE
    return round(size if counted else 0.7 * size)


def _rings(scale: Lengths, number: Callable[[float], str]) -> list[dict[str, Any]]:
    """The nearest and the farthest distance as rings around the case; none when they are the same.

    Each is labeled at its top, where no image lies: the outer one outside, the inner one inside.
    """
    if scale.farthest <= scale.nearest:
        return []
    return [
        {
            "data": {
                "id": f"ring-{name}",
                "role": "ring",
                "size": 2 * scale(at),
                "label": number(at),
                "shift": shift,
            },
            "position": {"x": 0.0, "y": 0.0},
        }
        for name, at, shift in (("far", scale.farthest, -LABEL_GAP), ("near", scale.nearest, LABEL_GAP + 12))
    ]


def graph_stylesheet(theme: themes.Theme) -> list[dict[str, Any]]:
    """Style sheet of the graph; sizes in pixels at zoom 1."""
    color = themes.COLORS[theme]
    return [
        {
            "selector": "node",
            "style": {
                "width": "data(size)",
                "height": "data(size)",
                "shape": "round-rectangle",
                "background-color": color["surface-2"],
                "background-fit": "contain",
                "background-image-smoothing": "no",
                "overlay-opacity": 0,
            },
        },
        {
            "selector": "node[image]",
            "style": {"background-image": "data(image)"},
        },
        {
            "selector": "node[role = 'neighbor']",
            "style": {
                "border-width": 4,
                "border-color": "data(color)",
                "z-index": 10,
                "transition-property": "width, height, border-width",
                "transition-duration": 120,
            },
        },
        {
            "selector": "node[role = 'case']",
            "style": {"border-width": 3, "border-color": color["text"], "z-index": 20},
        },
        {
            "selector": "node[role = 'ring']",
            "style": {
                "shape": "ellipse",
                "background-opacity": 0,
                "border-width": 1,
                "border-style": "dashed",
                "border-color": color["border"],
                "events": "no",
                "z-index": 0,
                "label": "data(label)",
                "text-valign": "top",
                "text-margin-y": "data(shift)",
                "font-size": 11,
                "text-background-color": color["surface"],
                "text-background-opacity": 0.85,
                "text-background-padding": 2,
                "font-family": themes.FONT,
                "color": color["text-muted"],
            },
        },
        {
            "selector": "edge",
            "style": {
                "width": 2,
                "line-color": "data(color)",
                "opacity": 0.9 if theme == "dark" else 0.7,
                "curve-style": "straight",
                "z-index": 5,
                "overlay-opacity": 0,
            },
        },
        {"selector": "node[counted = 0]", "style": {"border-width": 2, "z-index": 8}},
        {"selector": "edge[counted = 0]", "style": {"opacity": 0.25, "width": 1, "line-style": "dashed"}},
        {
            "selector": "node.hovered[role = 'neighbor']",
            "style": {"width": 96, "height": 96, "border-width": 6, "opacity": 1, "z-index": 30},
        },
        {"selector": "edge.hovered", "style": {"width": 4, "opacity": 1}},
    ]
