"""The reference samples that a `distinct` reference set leaves out: near-duplicates and hubs."""

from sqlalchemy import Connection, func, or_, select

from db.schema import cases, near_duplicate_pairs, neighbors, reference_samples, samples
from db.scope import Scope
from db.vocabulary import PARTITIONS

# Limits that match what people call near-duplicates, in CIFAR-10 under the bundled network: one object in one
# pose, cropped, shifted, re-colored, with a border or a watermark. In a visual check, 97 in 100 pairs this
# close by activation were, 7 in 10 by pixels; the others by pixels were small things in a plain sky or sea.
NEAR_ACTIVATION = 0.04  # cosine distance
NEAR_PIXELS = 18.0  # root of the mean squared difference, 0..255
HUB_DEVIATIONS = 3.0  # a hub is more than so many standard deviations above the mean


def reference_places(connection: Connection, scope: Scope) -> list[tuple[int, int]]:
    """Sample id and position in the training split of every reference sample, by position."""
    query = (
        select(samples.c.id, samples.c.position)
        .join(reference_samples, reference_samples.c.sample_id == samples.c.id)
        .where(scope.of(reference_samples))
        .order_by(samples.c.position)
    )
    return [tuple(row) for row in connection.execute(query)]


def near_duplicate_references(
    connection: Connection, scope: Scope, activation: float = NEAR_ACTIVATION, pixels: float = NEAR_PIXELS
) -> set[int]:
    """Reference samples that repeat a test sample or an earlier reference sample.

    Such a pair in `near_duplicate_pairs` is at most `activation` apart for the network, or at most `pixels`
    apart. Of two reference samples the later one is left out, even if the earlier one is left out, too. The
    table has no pairs beyond the distances that the stage was run with.
    """
    close = or_(
        near_duplicate_pairs.c.activation_distance <= activation,
        near_duplicate_pairs.c.pixel_distance <= pixels,
    )
    # a pair has the test sample, or the earlier one, first
    query = (
        select(reference_samples.c.id)
        .join(near_duplicate_pairs, near_duplicate_pairs.c.other_sample_id == reference_samples.c.sample_id)
        .where(scope.of(reference_samples), scope.of(near_duplicate_pairs), close)
    )
    return set(connection.execute(query).scalars())


def hub_references(connection: Connection, scope: Scope, layer_id: int, metric: str) -> set[int]:
    """Reference samples that are neighbors of cases far too often in a layer under a metric.

    That is more often than the mean plus `HUB_DEVIATIONS` standard deviations over all reference samples of
    the network on the data set, including those that are never neighbors (Radovanovic et al., "Hubs in
    space", 2010).
    """
    members = select(func.count()).select_from(reference_samples).where(scope.of(reference_samples))
    query = (
        select(neighbors.c.reference_sample_id, func.count())
        .join(cases, cases.c.id == neighbors.c.case_id)
        .where(neighbors.c.layer_id == layer_id, neighbors.c.metric == metric)
        .where(scope.of(cases), cases.c.partition.in_(PARTITIONS))
        .group_by(neighbors.c.reference_sample_id)
    )
    occurrences = dict(map(tuple, connection.execute(query)))
    if not occurrences:
        return set()
    size = connection.execute(members).scalar_one()
    mean = sum(occurrences.values()) / size
    variance = sum(count**2 for count in occurrences.values()) / size - mean**2
    limit = mean + HUB_DEVIATIONS * max(variance, 0.0) ** 0.5
    return {reference for reference, count in occurrences.items() if count > limit}
