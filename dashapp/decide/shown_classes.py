"""Which classes the charts of a case show where there are too many for a row each; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

ALL_SHOWN = 12  # up to this many classes each has a row, in class order
ROWS = 10  # of more classes, besides those that the reader has found


def shown_classes(
    probabilities: Sequence[float],
    neighbor_labels: Iterable[int],
    *,
    roles: Collection[int | None],
    found: Collection[int] = (),
) -> list[int]:
    """The classes of the rows, from the top.

    Args:
        probabilities: (C,) the softmax output.
        neighbor_labels: labels of all stored neighbors.
        roles: classes that must be there: predicted, true, target, recovered; None: there is none.
        found: those that the reader has searched for.
    """
    classes = range(len(probabilities))
    if len(classes) <= ALL_SHOWN:
        return list(classes)
    likely = sorted(classes, key=lambda c: (-probabilities[c], c))
    near = [label for label, _ in Counter(neighbor_labels).most_common()]
    near += likely[len(near) :]
    chosen = dict.fromkeys(role for role in roles if role is not None)
    for pair in zip(likely, near, strict=False):
        for label in pair:
            if len(chosen) < ROWS:
                chosen.setdefault(label)
    return sorted({*chosen, *found}, key=lambda c: (-probabilities[c], c))
