"""Every table and view on one MetaData: `metadata.create_all(engine)` makes both.

Conventions
- Classes are integers, 0 for the first class of a data set; their names are in `classes`.
- Times are ISO 8601 text in UTC, `2026-01-31T12:00:00Z` (see `now`): the same in SQL on every database.
- Shapes, descriptions and parameters are JSON; activations are little-endian float16, C order.
- Rows and columns of pixels count from 0 at the top left; colors are 0..255; ranks count from 1.
- Every constraint has a name, so that a migration can find it again.
- A result belongs to a network and a data set (see `db.scope`): its row names both, or one that it leads to.
- Every result leads to the run that wrote it: by its `run_id`, or as `db.runs.provenance` says.
- Parts of a row (an attack's pixels, a case's scores) are deleted with it; any other row that is still
  referred to cannot be deleted.

Tables that are only accessed by a compound key have no rowid on SQLite, unless they hold BLOBs.
"""

from sqlalchemy import Connection, MetaData, event

from db.tables.cases import annotations, attack_pixels, attacks, cases, class_scores, vulnerability_maps
from db.tables.columns import (
    metadata,
    now,
    row_key,
    views,
)
from db.tables.defense import (
    case_activations,
    decisions,
    neighbors,
    operating_points,
    reference_activations,
    reference_samples,
    searches,
    tuning_points,
)
from db.tables.evidence import (
    attack_images,
    detector_points,
    detectors,
    evaluations,
    k_points,
    near_duplicate_pairs,
    original_activations,
    original_neighbors,
    originals,
    transfers,
)
from db.tables.facets import case_facets, detector_decisions, facet_cells, saved_views
from db.tables.repairs import repairs
from db.tables.samples import (
    batches,
    chunks,
    classes,
    database_identity,
    datasets,
    images,
    layers,
    network_datasets,
    networks,
    predictions,
    runs,
    samples,
)
from db.views.cases import case_overview, image_predictions, layer_decisions
from db.views.evidence import (
    detector_summary,
    first_divergence,
    k_accuracy,
    roc_curve,
)
from db.views.likeness import hubs, near_duplicates
from db.views.networks import network_results, transfer_matrix
from db.views.sweeps import case_repairs, near_median_attacks, vulnerability
from db.views.totals import attack_matrix, attack_positions, class_accuracy, confusion_matrix

__all__ = [
    "annotations",
    "attack_images",
    "attack_matrix",
    "attack_pixels",
    "attack_positions",
    "attacks",
    "batches",
    "case_activations",
    "case_facets",
    "case_overview",
    "case_repairs",
    "cases",
    "chunks",
    "class_accuracy",
    "class_scores",
    "classes",
    "confusion_matrix",
    "database_identity",
    "datasets",
    "decisions",
    "detector_decisions",
    "detector_points",
    "detector_summary",
    "detectors",
    "evaluations",
    "facet_cells",
    "first_divergence",
    "hubs",
    "image_predictions",
    "images",
    "k_accuracy",
    "k_points",
    "layer_decisions",
    "layers",
    "metadata",
    "near_duplicate_pairs",
    "near_duplicates",
    "near_median_attacks",
    "neighbors",
    "network_datasets",
    "network_results",
    "networks",
    "now",
    "operating_points",
    "original_activations",
    "original_neighbors",
    "originals",
    "predictions",
    "reference_activations",
    "reference_samples",
    "repairs",
    "roc_curve",
    "row_key",
    "runs",
    "samples",
    "saved_views",
    "searches",
    "transfer_matrix",
    "transfers",
    "tuning_points",
    "views",
    "vulnerability",
    "vulnerability_maps",
]


@event.listens_for(metadata, "after_create")
def _create_views(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    views.create_all(connection)


@event.listens_for(metadata, "before_drop")
def _drop_views(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    views.drop_all(connection)
