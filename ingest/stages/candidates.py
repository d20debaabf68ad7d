"""Choose the test images that a batch attacks, their order and targets, and which become its cases.

The seed alone decides the order of the images, and the place of an image in it decides its partition. The
cases of a batch are the first successes in this order, not the first to finish: a slow attack counts as much
as a quick one. Pure functions: nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ingest.batch import ALL, ANY, MOST_ATTACKS, RANDOM, Batch, count_attacks
from model.data.dataset import Dataset

Pair = tuple[int, int | None]  # an image's index into the split, and the class to reach; None: any wrong one


@dataclass(frozen=True)
class Candidate:
    """A test image that may become a case."""

    index: int  # into the split
    partition: str
    targets: tuple[int | None, ...] = (None,)  # in the order in which a success counts

    @property
    def pairs(self) -> list[Pair]:
        """The image with each of its targets."""
        return [(self.index, target) for target in self.targets]


class Found(NamedTuple):
    """The successes that become cases, and the partitions that still lack some."""

    chosen: list[tuple[Candidate, int | None]]  # with the target reached
    open: list[str]  # partitions with images left to try


def clean_choices(batch: Batch, test: Dataset, correct: np.ndarray, taken: set[int]) -> list[Candidate]:
    """Choose the images for clean cases, the last in the order, before any attack is tried.

    So they are a random sample of correctly classified images, not those left over by attacks. `taken` holds
    the positions that other cases use or that this batch has attacked. A second batch draws from fewer
    images: the cases of the first one, including all images whose attack succeeded, are excluded.
    """
    free = [c for c in _in_order(batch, test, correct) if int(test.positions[c.index]) not in taken]
    return [
        candidate
        for partition in batch.partitions
        for candidate in [c for c in reversed(free) if c.partition == partition][: batch.cases]
    ]


def candidates(batch: Batch, test: Dataset, correct: np.ndarray, taken: set[int]) -> list[Candidate]:
    """The images that may be attacked, in order: classified correctly, of a wanted partition, not taken."""
    targets = target_classes(batch, test)
    free = [c for c in _in_order(batch, test, correct) if int(test.positions[c.index]) not in taken]
    if targets is None:
        return free
    aimed = [replace(c, targets=tuple(targets[c.index][targets[c.index] >= 0].tolist())) for c in free]
    return [c for c in aimed if c.targets]


def _in_order(batch: Batch, test: Dataset, correct: np.ndarray) -> list[Candidate]:
    order = batch.random("order").permutation(len(test)).tolist()
    places = [
        Candidate(index, batch.partition_of(place)) for place, index in enumerate(order) if correct[index]
    ]
    return [candidate for candidate in places if candidate.partition in batch.partitions]


def target_classes(batch: Batch, test: Dataset) -> np.ndarray | None:
    """The target classes (N, T) of each test image, -1 for none; None: any wrong class.

    `random` draws one of the wrong classes for each image; `all` takes all of them, in a random order for
    each image; a class name is the target of all images of other classes.
    """
    if batch.targets == ANY:
        return None
    names, count = test.class_names, len(test)
    random = batch.random("targets")
    if batch.targets == RANDOM:
        step = random.integers(1, len(names), count)
        return ((test.labels + step) % len(names))[:, None]
    if batch.targets == ALL:
        attacks = count_attacks(test)
        if attacks > MOST_ATTACKS:
            raise ValueError(
                f"--targets {ALL}: {len(names) - 1:,} targets of {count:,} images are up to {attacks:,} "
                f"attacks, expected at most {MOST_ATTACKS:,}: take {RANDOM}, {ANY} or one class"
            )
        steps = np.tile(np.arange(1, len(names)), (count, 1))
        classes: np.ndarray = (test.labels[:, None] + random.permuted(steps, axis=1)) % len(names)
        return classes
    if batch.targets not in names:
        known = ", ".join((ANY, RANDOM, ALL))
        raise ValueError(f"--targets {batch.targets}: expected {known} or one of {', '.join(names)}")
    target = names.index(batch.targets)
    return np.where(test.labels == target, -1, target)[:, None]


def first_successes(wanted: Sequence[Candidate], succeeded: Mapping[Pair, bool], cases: int) -> Found:
    """The first `cases` successes of each partition in order.

    `succeeded` maps every pair attacked so far to its result. A success counts only when all earlier images
    of its partition have been attacked, for all their targets. If an image reached several of its targets,
    the first one counts.
    """
    chosen: list[tuple[Candidate, int | None]] = []
    still_open = []
    for partition in dict.fromkeys(candidate.partition for candidate in wanted):
        count = 0
        for candidate in (c for c in wanted if c.partition == partition):
            if count == cases:
                break
            if any(pair not in succeeded for pair in candidate.pairs):
                still_open.append(partition)
                break
            reached = [target for index, target in candidate.pairs if succeeded[index, target]]
            if reached:
                chosen.append((candidate, reached[0]))
                count += 1
    return Found(chosen, still_open)
