"""Compute the defense's decision from the labels of stored neighbors, at any k and threshold; pure.

The rules are the pipeline's (paper, section 4.2), so at the tuned k and threshold this is the stored
decision. It needs no network.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from db.vocabulary import outcome_of


class Decided(NamedTuple):
    """A layer's decision about one case."""

    k: int
    threshold: int
    unexpected_count: int
    alarm: bool
    majority_class: int | None  # None: several classes are most frequent
    recovered_class: int | None
    outcome: str | None  # TP, FP, TN or FN; None: not known whether it was attacked


def decide(
    labels: Sequence[int], *, predicted: int, k: int, threshold: int, rule: str, attacked: bool | None
) -> Decided:
    """Decide by the first `k` of the neighbors' labels.

    Args:
        labels: of the stored neighbors, nearest first; at least k.
        predicted: the class that the network predicts.
        k: neighbors that are counted, from 1.
        threshold: -1..k; an alarm needs more unexpected neighbors.
        rule: 'total' or 'max-class'.
        attacked: the truth; None: not known.

    Raises:
        ValueError: fewer labels than k, or an unknown rule.
    """
    if not 1 <= k <= len(labels):
        raise ValueError(f"k (={k}) must lie in 1..{len(labels)}, the stored neighbors")
    counts = Counter(labels[:k])
    others = [count for label, count in counts.items() if label != predicted]
    if rule == "total":
        unexpected = sum(others)
    elif rule == "max-class":
        unexpected = max(others, default=0)
    else:
        raise ValueError(f"rule must be total or max-class, not {rule!r}")
    alarm = unexpected > threshold
    most = max(counts.values())
    leading = [label for label, count in counts.items() if count == most]
    majority = leading[0] if len(leading) == 1 else None
    recovered = majority if alarm and majority != predicted else None
    outcome = None if attacked is None else outcome_of(attacked=attacked, alarm=alarm)
    return Decided(k, threshold, unexpected, alarm, majority, recovered, outcome)
