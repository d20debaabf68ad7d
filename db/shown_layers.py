"""Which layers of a network lists and pages show for a data set.

Layers are of the network: what one data set's ingest compares further (`--layer`) is compared for all. Until
another data set has been tuned in that layer, too, it is left out there.
"""

from sqlalchemy import ColumnElement, and_, exists, not_, or_

from db.tables.defense import operating_points
from db.tables.samples import layers


def shown_layers(dataset_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a row of `layers` is shown for a data set.

    These are the compared layers that are tuned there, or, before any tuning, all compared ones.
    """
    siblings = layers.alias("siblings")
    points = operating_points.alias("points")
    others = operating_points.alias("others")
    tuned = exists().where(points.c.layer_id == layers.c.id, points.c.dataset_id == dataset_id)
    any_tuned = exists().where(
        siblings.c.network_id == layers.c.network_id,
        others.c.layer_id == siblings.c.id,
        others.c.dataset_id == dataset_id,
    )
    tuned, any_tuned = tuned.correlate_except(points), any_tuned.correlate_except(siblings, others)
    return and_(layers.c.compared, or_(tuned, not_(any_tuned)))
