"""Plain sentences for the comparison of two activation vectors; pure."""

import numpy as np

from dashapp.words import decisions

ORDERS = {"difference": "By difference", "stored": "As stored"}
ORDER_NOTES = {
    "difference": "the units that add most to the distance first",
    "stored": "the units in the order of the network",
}
ZOOM_NOTE = "Drag across the chart to zoom into units; double-click to reset."
METRICS_NOTE = (
    "Ranks are among the 50 neighbors that are stored of this case, where the metric is stored at all."
)
UNREAD_NOTE = "It takes the mean of the whole reference set: choose this metric above to load it."


def title(case_id: int, position: int, label: str, rank: int | None, layer: str) -> str:
    """Heading of the comparison; `rank` None: the sample is not among the stored neighbors."""
    place = "not among its stored neighbors" if rank is None else f"its neighbor of rank {rank}"
    return f"Case {case_id} and {label} {position:,}, {place} in {layer}"


def carried_sentence(count: int, units: int, share: float, half: int, quantity: str, metric: str) -> str:
    """How much of the distance the top units carry; `half`: units that carry half of it."""
    if half == 0:
        return "Both activations are the same: the distance is 0."
    if metric == "chebyshev":
        return f"The distance is the largest difference: one of {units:,} units is all of it."
    most = f"The top {count} of {units:,} units carry {decisions.percent(share)} of the {quantity}"
    return f"{most}; half of it is carried by {half:,}."


def half(shares: np.ndarray) -> int:
    """How many top units carry half of the distance, by the shares (D,) they carry together; 0: it is 0."""
    return int(np.argmax(shares >= 0.5)) + 1 if shares[-1] >= 0.5 else 0


def rank_text(stored: bool, rank: int | None) -> str:
    """A rank among the stored neighbors."""
    if not stored:
        return "not stored"
    return "beyond 50" if rank is None else str(rank)


def unknown_pair_sentence(pair: int) -> str:
    """The notice that the address names no reference sample."""
    return (
        f"The address asks for pair “{pair}”, which is no reference sample of this network. "
        "Click an edge of the graph or ⇄ in the list."
    )


def no_activations_sentence(layer: str) -> str:
    """The notice that the reference set's activations are not stored in a layer."""
    return f"The activations of the reference set are not stored in {layer}, so there is nothing to compare."
