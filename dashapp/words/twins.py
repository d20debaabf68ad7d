"""Plain sentences for an attacked image beside its original; pure."""

from dashapp.decide.twins import Moves
from dashapp.words import decisions


def moves_sentence(found: Moves, k: int) -> str:
    """How many neighbors left and stay; their counts add up to k."""
    left, stay = len(found.leaves), len(found.stays)
    neighbors = "neighbor" if k == 1 else "neighbors"
    if not left:
        order = "none changes its rank" if not found.moved else f"{found.moved} at another rank"
        return f"All {k} {neighbors} of the original stay; {order}."
    if not stay:
        return f"All {k} {neighbors} of the original left." if k > 1 else "The neighbor of the original left."
    verb = "stays" if stay == 1 else "stay"
    moved = ""
    if found.moved:
        moved = ", at another rank" if stay == 1 else f", {found.moved} of them at another rank"
    return f"{left} of {k} {neighbors} left; {stay} {verb}{moved}."


def left_text(rank: int | None) -> str:
    """Text for a neighbor of the original that left; `rank`: its rank now, None beyond the stored ones."""
    return "leaves, now beyond 50" if rank is None else f"leaves, now {rank}"


def entered_text(rank: int | None) -> str:
    """Text for a new neighbor; `rank`: its rank before, None beyond the stored ones."""
    return "new, was beyond 50" if rank is None else f"new, was {rank}"


def moved_text(before: int, after: int) -> str:
    """A change of rank: '▲ 2 nearer' is nearer by two ranks."""
    if before == after:
        return "= same rank"
    return f"▲ {before - after} nearer" if after < before else f"▼ {after - before} farther"


def seen_text(predicted: str, confidence: float) -> str:
    """The network's prediction for an image, with its confidence."""
    return f"seen as {predicted}, {decisions.percent(confidence)}"


def no_twin_sentence(metric: str, layer: str) -> str:
    """The notice that no neighbors of the original are stored."""
    return (
        f"The neighbors of the original are not stored in {layer} for {metric} distances. "
        "Run “xpixels ingest” and reload this page."
    )


NOT_ATTACKED = "This image was not attacked, so there is no original to compare it with."
