"""Contradictions between rows: a text for each, and a query for how many there are."""

from sqlalchemy import Executable, func, or_, select, text

from db.facets import facet_rows
from db.query_types import AnySelect
from db.schema import case_facets, facet_cells, layers, metadata, network_datasets
from db.shown_layers import shown_layers

# The columns that lists count cases by.
ALIKE = [f'"{column.name}"' for column in facet_cells.c if column.name not in ("id", "cases")]
OF_CASES = [f'case_facets."{column.name}"' for column in facet_cells.c if column.name in case_facets.c]
# The layers that lists count cases for, as detectors.
SHOWN = (
    select(layers.c.network_id, network_datasets.c.dataset_id, layers.c.name.label("detector"))
    .join_from(layers, network_datasets, network_datasets.c.network_id == layers.c.network_id)
    .where(shown_layers(network_datasets.c.dataset_id))
)
# Tables whose rows name a network and a data set.
SCOPED = [
    table
    for table in metadata.sorted_tables
    if {"network_id", "dataset_id"} <= set(table.c.keys()) and table is not network_datasets
]
STALE_THRESHOLDS = "decisions whose threshold is their own score, as of version 0.5 (run `xpixels tune`)"

SQL = {
    "cases whose true class is not their sample's label": """
        SELECT COUNT(*) FROM cases JOIN samples ON samples.id = cases.sample_id
        WHERE cases.true_class <> samples.label""",
    "results of a network and a data set that is not registered as one of its own": f"""
        SELECT COUNT(*) FROM ({
        " UNION ".join(f"SELECT network_id, dataset_id FROM {table.name}" for table in SCOPED)
    }) AS found
        WHERE network_id IS NOT NULL AND dataset_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM network_datasets AS pairs
            WHERE pairs.network_id = found.network_id AND pairs.dataset_id = found.dataset_id)""",
    "adversarial cases whose attack was of another sample or network, or failed": """
        SELECT COUNT(*) FROM cases JOIN attacks ON attacks.id = cases.attack_id
        WHERE attacks.sample_id <> cases.sample_id OR attacks.network_id <> cases.network_id
            OR NOT attacks.succeeded""",
    "adversarial cases without all their attacked pixels": """
        SELECT COUNT(*) FROM cases JOIN attacks ON attacks.id = cases.attack_id
        WHERE attacks.pixel_count <>
            (SELECT COUNT(*) FROM attack_pixels WHERE attack_pixels.attack_id = attacks.id)""",
    "cases without a score for every class": """
        SELECT COUNT(*) FROM cases JOIN samples ON samples.id = cases.sample_id
        WHERE (SELECT COUNT(*) FROM class_scores WHERE class_scores.case_id = cases.id)
            <> (SELECT COUNT(*) FROM classes WHERE classes.dataset_id = samples.dataset_id)""",
    # A layer that only another data set of the network compares is left out: nothing was searched there.
    "cases and compared layers without neighbors (run `xpixels ingest`, it goes on where it stopped)": """
        WITH done AS (SELECT DISTINCT cases.network_id, cases.dataset_id, searches.layer_id
            FROM searches JOIN cases ON cases.id = searches.case_id)
        SELECT COUNT(*) FROM cases JOIN layers ON layers.network_id = cases.network_id AND layers.compared
        WHERE NOT EXISTS (SELECT 1 FROM neighbors
                WHERE neighbors.case_id = cases.id AND neighbors.layer_id = layers.id)
            AND (NOT EXISTS (SELECT 1 FROM done
                    WHERE done.network_id = cases.network_id AND done.dataset_id = cases.dataset_id)
                OR EXISTS (SELECT 1 FROM done
                    WHERE done.dataset_id = cases.dataset_id AND done.layer_id = layers.id))""",
    "cases and layers whose neighbors leave a rank out": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM neighbors GROUP BY case_id, layer_id, metric
            HAVING COUNT(*) <> MAX("rank")) AS ranked""",
    "neighbors of which no search tells the run, or searches without neighbors": """
        WITH found AS (
            SELECT case_id, layer_id, metric, 'case' AS searched FROM neighbors WHERE "rank" = 1
            UNION ALL SELECT case_id, layer_id, metric, 'original' FROM original_neighbors WHERE "rank" = 1),
        told AS (SELECT case_id, layer_id, metric, searched FROM searches)
        SELECT (SELECT COUNT(*) FROM (SELECT * FROM found EXCEPT SELECT * FROM told) AS untold)
            + (SELECT COUNT(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM found) AS lacking)""",
    "decisions missing for a case beside others of its network (run `xpixels tune`)": """
        SELECT COUNT(*) FROM cases
        JOIN layers ON layers.network_id = cases.network_id
        JOIN operating_points ON operating_points.layer_id = layers.id
            AND operating_points.dataset_id = cases.dataset_id
            AND operating_points.how_chosen = 'tuning' AND operating_points."partition" = 'tuning'
        WHERE NOT EXISTS (SELECT 1 FROM decisions
            WHERE decisions.case_id = cases.id AND decisions.layer_id = layers.id
                AND decisions.metric = operating_points.metric AND decisions.rule = operating_points.rule)""",
    "decisions not at the operating point of their layer (run `xpixels tune`)": """
        SELECT COUNT(*) FROM decisions JOIN cases ON cases.id = decisions.case_id
        LEFT JOIN operating_points ON operating_points.layer_id = decisions.layer_id
            AND operating_points.dataset_id = cases.dataset_id
            AND operating_points.metric = decisions.metric AND operating_points.rule = decisions.rule
            AND operating_points.how_chosen = 'tuning' AND operating_points."partition" = 'tuning'
        WHERE operating_points.k IS NULL OR operating_points.k <> decisions.k
            OR operating_points.threshold <> decisions.threshold""",
    "decisions whose outcome does not fit their case's kind": """
        SELECT COUNT(*) FROM decisions JOIN cases ON cases.id = decisions.case_id
        WHERE (decisions.outcome IN ('TP', 'FN')) <> (cases.kind = 'adversarial')""",
    "operating points that do not count every case of their partition (run `xpixels tune`)": """
        SELECT COUNT(*) FROM operating_points JOIN layers ON layers.id = operating_points.layer_id
        WHERE operating_points.tp + operating_points.fp + operating_points.tn + operating_points.fn <>
            (SELECT COUNT(*) FROM cases WHERE cases.network_id = layers.network_id
                AND cases.dataset_id = operating_points.dataset_id
                AND cases."partition" = operating_points."partition")""",
    "counts that lists have otherwise than their cases are (run `xpixels tune`)": f"""
        WITH shown AS ({SHOWN}
            UNION SELECT network_id, dataset_id, detector FROM detector_decisions),
        told AS (SELECT {", ".join(ALIKE)}, SUM(cases) AS cases FROM facet_cells GROUP BY {", ".join(ALIKE)}),
        are AS (
            SELECT {", ".join(OF_CASES)}, shown.detector, decided.outcome, decided.recovered_class,
                COUNT(*) AS cases
            FROM case_facets JOIN shown ON shown.network_id = case_facets.network_id
                AND shown.dataset_id = case_facets.dataset_id
            LEFT JOIN detector_decisions AS decided ON decided.network_id = case_facets.network_id
                AND decided.dataset_id = case_facets.dataset_id
                AND decided.detector = shown.detector AND decided."partition" = case_facets."partition"
                AND decided.case_id = case_facets.case_id
            GROUP BY {", ".join(OF_CASES)}, shown.detector, decided.outcome, decided.recovered_class),
        ordered AS (SELECT {", ".join(ALIKE)}, cases FROM are)
        SELECT (SELECT COUNT(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM ordered) AS only_told)
            + (SELECT COUNT(*) FROM (SELECT * FROM ordered EXCEPT SELECT * FROM told) AS untold)""",
    "decisions of layers that lists do not have, or have otherwise (run `xpixels tune`)": """
        SELECT COUNT(*) FROM decisions JOIN layers ON layers.id = decisions.layer_id
        JOIN cases ON cases.id = decisions.case_id
        LEFT JOIN detector_decisions AS listed ON listed.network_id = layers.network_id
            AND listed.dataset_id = cases.dataset_id
            AND listed.detector = layers.name AND listed."partition" = cases."partition"
            AND listed.case_id = cases.id
        WHERE decisions.metric = 'euclidean' AND decisions.rule = 'total' AND (listed.case_id IS NULL
            OR listed.score <> decisions.unexpected_count OR listed.threshold <> decisions.threshold
            OR listed.alarm <> decisions.alarm)""",
    STALE_THRESHOLDS: """
        SELECT COUNT(*) FROM detector_decisions AS listed
        WHERE listed.score = listed.threshold AND NOT EXISTS (SELECT 1 FROM layers
            WHERE layers.network_id = listed.network_id AND layers.name = listed.detector)""",
    "decisions of layers that only lists have (run `xpixels tune`)": """
        SELECT COUNT(*) FROM detector_decisions AS listed
        JOIN layers ON layers.network_id = listed.network_id AND layers.name = listed.detector
        WHERE NOT EXISTS (SELECT 1 FROM decisions
            WHERE decisions.case_id = listed.case_id AND decisions.layer_id = layers.id
                AND decisions.metric = 'euclidean' AND decisions.rule = 'total')""",
    "predictions whose label is not their sample's": """
        SELECT COUNT(*) FROM predictions
        JOIN samples ON samples.dataset_id = predictions.dataset_id AND samples.split = predictions.split
            AND samples."position" = predictions."position"
        WHERE predictions.label <> samples.label""",
    "predictions that do not tell a logit for every class of their data set": """
        SELECT COUNT(*) FROM predictions
        JOIN (SELECT dataset_id, COUNT(*) AS number FROM classes GROUP BY dataset_id) AS known
            ON known.dataset_id = predictions.dataset_id
        WHERE LENGTH(predictions.logits) <> 4 * known.number
            OR predictions.predicted_class >= known.number OR predictions.label >= known.number""",
    "runs of a batch of another network or data set": """
        SELECT COUNT(*) FROM runs JOIN batches ON batches.id = runs.batch_id
        WHERE runs.network_id IS NULL OR runs.network_id <> batches.network_id
            OR runs.dataset_id IS NULL OR runs.dataset_id <> batches.dataset_id""",
    "identities missing, by which one database is told from another (run `xpixels db check --repair`)": """
        SELECT 1 - COUNT(*) FROM database_identity""",
}


def _stale_facets() -> AnySelect:
    """Count cases with a wrong facet, or a wrong other column that lists sort by."""
    theirs = facet_rows().subquery("theirs")
    differs = [column.is_distinct_from(case_facets.c[column.name]) for column in theirs.c]
    joined = theirs.outerjoin(case_facets, case_facets.c.case_id == theirs.c.case_id)
    return select(func.count()).select_from(joined).where(or_(*differs))


STALE_FACETS = "cases whose facets, which lists filter by, are missing or not theirs (run `xpixels tune`)"
CONTRADICTIONS: dict[str, Executable] = {what: text(query) for what, query in SQL.items()}
CONTRADICTIONS[STALE_FACETS] = _stale_facets()
