"""The evidence: originals, detectors and their evaluations, near-duplicates; a fifth metric.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WITH_METRIC = ("neighbors", "tuning_points", "operating_points", "decisions")
OLD_METRICS = ("euclidean", "cosine", "manhattan", "chebyshev")
METRICS = ("euclidean", "cosine", "centered-cosine", "manhattan", "chebyshev")
RULES = ("total", "max-class")
PARTITIONS = ("tuning", "validation")
CASE_SETS = ("all", "targeted", "untargeted")
COUNTS = ("tp", "fp", "tn", "fn")
MEASURED = ("accuracy", "auc", "paired_auc", "recovered")

VIEWS = {
    "detector_summary": """
SELECT
    networks.name AS network,
    detectors.name AS detector,
    detectors.kind AS kind,
    detectors.layer AS layer,
    detectors.metric AS metric,
    detectors.rule AS rule,
    detectors.reference AS reference,
    evaluations.case_set AS case_set,
    evaluations.how_chosen AS how_chosen,
    evaluations."partition" AS "partition",
    evaluations.k AS k,
    evaluations.threshold AS threshold,
    evaluations.tp AS tp,
    evaluations.fp AS fp,
    evaluations.tn AS tn,
    evaluations.fn AS fn,
    evaluations.tpr AS tpr,
    evaluations.fpr AS fpr,
    evaluations.eer AS eer,
    evaluations.accuracy AS accuracy,
    evaluations.accuracy_low AS accuracy_low,
    evaluations.accuracy_high AS accuracy_high,
    evaluations.auc AS auc,
    evaluations.auc_low AS auc_low,
    evaluations.auc_high AS auc_high,
    evaluations.paired_auc AS paired_auc,
    evaluations.paired_auc_low AS paired_auc_low,
    evaluations.paired_auc_high AS paired_auc_high,
    evaluations.recovered AS recovered,
    evaluations.recovered_low AS recovered_low,
    evaluations.recovered_high AS recovered_high,
    evaluations.pairs AS pairs,
    evaluations.paired_fpr AS paired_fpr,
    evaluations.paired_wins AS paired_wins,
    evaluations.recovered_on_alarm AS recovered_on_alarm,
    evaluations.located AS located,
    detectors.network_id AS network_id,
    detectors.id AS detector_id
FROM evaluations
JOIN detectors ON detectors.id = evaluations.detector_id
JOIN networks ON networks.id = detectors.network_id
""",
    "roc_curve": """
SELECT
    networks.name AS network,
    layers.name || ' ' || tuning_points.metric || ' ' || tuning_points.rule AS detector,
    'neighbors' AS kind,
    layers.name AS layer,
    tuning_points.metric AS metric,
    tuning_points.rule AS rule,
    'all' AS reference,
    'all' AS case_set,
    tuning_points."partition" AS "partition",
    tuning_points.k AS k,
    CAST(tuning_points.threshold AS DOUBLE PRECISION) AS threshold,
    CAST(tuning_points.fp AS DOUBLE PRECISION)
        / NULLIF(
            tuning_points.fp + tuning_points.tn, 0
        ) AS fpr,
    CAST(tuning_points.tp AS DOUBLE PRECISION)
        / NULLIF(
            tuning_points.tp + tuning_points.fn, 0
        ) AS tpr,
    CAST(tuning_points.fn AS DOUBLE PRECISION)
        / NULLIF(
            tuning_points.tp + tuning_points.fn, 0
        ) AS fnr,
    CAST(tuning_points.tp + tuning_points.tn AS DOUBLE PRECISION)
        / NULLIF(
            tuning_points.tp + tuning_points.tn + tuning_points.fp + tuning_points.fn, 0
        ) AS accuracy,
    tuning_points.tp AS tp,
    tuning_points.fp AS fp,
    tuning_points.tn AS tn,
    tuning_points.fn AS fn,
    layers.network_id AS network_id,
    tuning_points.layer_id AS layer_id
FROM tuning_points
JOIN layers ON layers.id = tuning_points.layer_id
JOIN networks ON networks.id = layers.network_id
UNION ALL
SELECT
    networks.name AS network,
    detectors.name AS detector,
    detectors.kind AS kind,
    detectors.layer AS layer,
    detectors.metric AS metric,
    detectors.rule AS rule,
    detectors.reference AS reference,
    detector_points.case_set,
    detector_points."partition",
    detector_points.k,
    detector_points.threshold,
    CAST(detector_points.fp AS DOUBLE PRECISION)
        / NULLIF(
            detector_points.fp + detector_points.tn, 0
        ) AS fpr,
    CAST(detector_points.tp AS DOUBLE PRECISION)
        / NULLIF(
            detector_points.tp + detector_points.fn, 0
        ) AS tpr,
    CAST(detector_points.fn AS DOUBLE PRECISION)
        / NULLIF(
            detector_points.tp + detector_points.fn, 0
        ) AS fnr,
    CAST(detector_points.tp + detector_points.tn AS DOUBLE PRECISION)
        / NULLIF(
            detector_points.tp + detector_points.tn + detector_points.fp + detector_points.fn, 0
        ) AS accuracy,
    detector_points.tp AS tp,
    detector_points.fp AS fp,
    detector_points.tn AS tn,
    detector_points.fn AS fn,
    detectors.network_id,
    layers.id
FROM detector_points
JOIN detectors ON detectors.id = detector_points.detector_id
JOIN networks ON networks.id = detectors.network_id
LEFT JOIN layers ON layers.network_id = detectors.network_id AND layers.name = detectors.layer
""",
    "k_accuracy": """
SELECT
    networks.name AS network,
    detectors.name AS detector,
    detectors.kind AS kind,
    detectors.layer AS layer,
    detectors.metric AS metric,
    detectors.rule AS rule,
    detectors.reference AS reference,
    k_points.case_set AS case_set,
    k_points."partition" AS "partition",
    k_points.k AS k,
    k_points.threshold AS threshold,
    k_points.accuracy AS accuracy,
    k_points.eer AS eer,
    k_points.auc AS auc,
    detectors.network_id AS network_id,
    detectors.id AS detector_id
FROM k_points
JOIN detectors ON detectors.id = k_points.detector_id
JOIN networks ON networks.id = detectors.network_id
""",
    "first_divergence": """
SELECT
    networks.name AS network,
    judged."partition" AS "partition",
    judged.metric AS metric,
    judged.rule AS rule,
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    layers.name AS layer,
    layers.position AS layer_position,
    COUNT(*) AS cases,
    judged.true_class AS true_class_id,
    judged.predicted_class AS predicted_class_id,
    judged.network_id AS network_id
FROM (
    SELECT
        cases.id AS case_id, cases.network_id AS network_id, cases."partition" AS "partition",
        cases.true_class AS true_class, cases.predicted_class AS predicted_class,
        decisions.metric AS metric, decisions.rule AS rule,
        MIN(CASE WHEN decisions.majority_class <> cases.true_class THEN layers.position END) AS "first"
    FROM cases
    JOIN decisions ON decisions.case_id = cases.id
    JOIN layers ON layers.id = decisions.layer_id AND layers.kind <> 'composed'
    WHERE cases.kind = 'adversarial'
    GROUP BY cases.id, cases.network_id, cases."partition", cases.true_class, cases.predicted_class,
        decisions.metric, decisions.rule
) AS judged
JOIN networks ON networks.id = judged.network_id
LEFT JOIN layers ON layers.network_id = judged.network_id AND layers.position = judged."first"
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = networks.dataset_id AND true_classes."class" = judged.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = networks.dataset_id
    AND predicted_classes."class" = judged.predicted_class
GROUP BY networks.name, judged."partition", judged.metric, judged.rule, true_classes.name,
    predicted_classes.name, layers.name, layers.position, judged.true_class, judged.predicted_class,
    judged.network_id
""",
    "near_duplicates": """
SELECT
    networks.name AS network,
    samples.split AS split,
    samples.position AS "position",
    classes.name AS true_class,
    others.split AS other_split,
    others.position AS other_position,
    other_classes.name AS other_class,
    near_duplicate_pairs.activation_distance AS activation_distance,
    near_duplicate_pairs.pixel_distance AS pixel_distance,
    samples.image_id = others.image_id AS same_picture,
    samples.label = others.label AS same_class,
    cases.id AS case_id,
    cases.kind AS kind,
    cases."partition" AS "partition",
    reference_samples.id AS reference_sample_id,
    images.sha256 AS image_sha256,
    other_images.sha256 AS other_sha256,
    near_duplicate_pairs.sample_id AS sample_id,
    near_duplicate_pairs.other_sample_id AS other_sample_id,
    near_duplicate_pairs.network_id AS network_id
FROM near_duplicate_pairs
JOIN networks ON networks.id = near_duplicate_pairs.network_id
JOIN samples ON samples.id = near_duplicate_pairs.sample_id
JOIN samples AS others ON others.id = near_duplicate_pairs.other_sample_id
JOIN images ON images.id = samples.image_id
JOIN images AS other_images ON other_images.id = others.image_id
LEFT JOIN cases ON cases.network_id = near_duplicate_pairs.network_id AND cases.sample_id = samples.id
LEFT JOIN reference_samples
    ON reference_samples.network_id = near_duplicate_pairs.network_id
    AND reference_samples.sample_id = others.id
LEFT JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" = samples.label
LEFT JOIN classes AS other_classes
    ON other_classes.dataset_id = others.dataset_id AND other_classes."class" = others.label
""",
    "hubs": """
SELECT
    networks.name AS network,
    layers.name AS layer,
    counted.metric AS metric,
    classes.name AS reference_class,
    counted.occurrences AS occurrences,
    CAST(counted.occurrences AS DOUBLE PRECISION) / searched.cases AS share,
    samples.split AS split,
    samples.position AS "position",
    images.sha256 AS image_sha256,
    counted.reference_sample_id AS reference_sample_id,
    layers.network_id AS network_id,
    counted.layer_id AS layer_id
FROM (
    SELECT
        neighbors.layer_id AS layer_id, neighbors.metric AS metric,
        neighbors.reference_sample_id AS reference_sample_id, COUNT(*) AS occurrences
    FROM neighbors
    JOIN cases ON cases.id = neighbors.case_id AND cases.kind <> 'unknown'
    GROUP BY neighbors.layer_id, neighbors.metric, neighbors.reference_sample_id
) AS counted
JOIN layers ON layers.id = counted.layer_id
JOIN networks ON networks.id = layers.network_id
JOIN (
    SELECT cases.network_id AS network_id, COUNT(*) AS cases
    FROM cases
    WHERE cases.kind <> 'unknown'
    GROUP BY cases.network_id
) AS searched ON searched.network_id = layers.network_id
JOIN reference_samples ON reference_samples.id = counted.reference_sample_id
JOIN samples ON samples.id = reference_samples.sample_id
JOIN images ON images.id = samples.image_id
LEFT JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" = samples.label
""",
    "near_median_attacks": """
SELECT
    networks.name AS network,
    attacks.variant AS variant,
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    attacks.succeeded AS succeeded,
    attacks.margin AS margin,
    repairs.score AS score,
    repairs."row" = attack_pixels."row" AND repairs."column" = attack_pixels."column" AS located,
    repairs.recovered_class = samples.label AS recovered_right,
    attack_pixels."row" AS attacked_row,
    attack_pixels."column" AS attacked_column,
    samples.position AS "position",
    images.sha256 AS image_sha256,
    attacks.id AS attack_id,
    attacks.sample_id AS sample_id,
    attacks.network_id AS network_id
FROM attacks
JOIN networks ON networks.id = attacks.network_id
JOIN samples ON samples.id = attacks.sample_id
LEFT JOIN attack_pixels ON attack_pixels.attack_id = attacks.id AND attack_pixels.pixel = 0
LEFT JOIN attack_images ON attack_images.attack_id = attacks.id
LEFT JOIN images ON images.id = attack_images.image_id
LEFT JOIN repairs
    ON repairs.network_id = attacks.network_id AND repairs.image_id = attack_images.image_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = samples.label
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id
    AND predicted_classes."class" = attacks.predicted_class
WHERE attacks.method = 'near-median'
""",
}

OLD_VIEWS = {
    "roc_curve": """
SELECT
    networks.name AS network,
    layers.name AS layer,
    tuning_points.metric AS metric,
    tuning_points.rule AS rule,
    tuning_points."partition" AS "partition",
    tuning_points.k AS k,
    tuning_points.threshold AS threshold,
    CAST(tuning_points.fp AS DOUBLE PRECISION) / NULLIF(tuning_points.fp + tuning_points.tn, 0) AS fpr,
    CAST(tuning_points.tp AS DOUBLE PRECISION) / NULLIF(tuning_points.tp + tuning_points.fn, 0) AS tpr,
    CAST(tuning_points.fn AS DOUBLE PRECISION) / NULLIF(tuning_points.tp + tuning_points.fn, 0) AS fnr,
    CAST(tuning_points.tp + tuning_points.tn AS DOUBLE PRECISION)
        / NULLIF(tuning_points.tp + tuning_points.tn + tuning_points.fp + tuning_points.fn, 0) AS accuracy,
    tuning_points.tp AS tp,
    tuning_points.fp AS fp,
    tuning_points.tn AS tn,
    tuning_points.fn AS fn,
    layers.network_id AS network_id,
    tuning_points.layer_id AS layer_id
FROM tuning_points
JOIN layers ON layers.id = tuning_points.layer_id
JOIN networks ON networks.id = layers.network_id
""",
    "near_duplicates": """
SELECT
    cases.id AS case_id,
    neighbors.reference_sample_id AS reference_sample_id,
    neighbors."rank" AS "rank",
    neighbors.distance AS distance,
    neighbors.distance / NULLIF(farthest.distance, 0) AS relative_distance,
    samples.image_id = reference.image_id AS same_picture,
    cases.kind AS kind,
    cases."partition" AS "partition",
    case_classes.name AS true_class,
    reference_classes.name AS reference_class,
    case_images.sha256 AS image_sha256,
    reference_images.sha256 AS reference_sha256,
    cases.network_id AS network_id
FROM cases
JOIN samples ON samples.id = cases.sample_id
JOIN layers ON layers.network_id = cases.network_id AND layers.name = 'flatten'
JOIN neighbors AS farthest
    ON farthest.case_id = cases.id AND farthest.layer_id = layers.id AND farthest.metric = 'euclidean'
    AND farthest."rank" = (
        SELECT MAX(ranked."rank")
        FROM neighbors AS ranked
        WHERE ranked.case_id = cases.id AND ranked.layer_id = layers.id AND ranked.metric = 'euclidean'
    )
JOIN neighbors
    ON neighbors.case_id = cases.id AND neighbors.layer_id = layers.id AND neighbors.metric = 'euclidean'
JOIN reference_samples ON reference_samples.id = neighbors.reference_sample_id
JOIN samples AS reference ON reference.id = reference_samples.sample_id
JOIN images AS case_images ON case_images.id = cases.image_id
JOIN images AS reference_images ON reference_images.id = reference.image_id
LEFT JOIN classes AS case_classes
    ON case_classes.dataset_id = samples.dataset_id AND case_classes."class" = cases.true_class
LEFT JOIN classes AS reference_classes
    ON reference_classes.dataset_id = reference.dataset_id AND reference_classes."class" = reference.label
WHERE neighbors.distance <= 0.5 * farthest.distance OR samples.image_id = reference.image_id
""",
}


def upgrade() -> None:
    for name in OLD_VIEWS:
        op.execute(f"DROP VIEW {name}")
    set_metrics(METRICS)
    make_originals()
    make_pairs()
    make_detectors()
    make_points()
    make_evaluations()
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    tables = ("evaluations", "k_points", "detector_points", "detectors", "near_duplicate_pairs")
    for name in (*tables, "attack_images", "original_neighbors", "original_activations", "originals"):
        op.drop_table(name)
    for name in WITH_METRIC:
        op.execute(f"DELETE FROM {name} WHERE metric NOT IN {OLD_METRICS}")
    set_metrics(OLD_METRICS)
    for name, select in OLD_VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def set_metrics(metrics: tuple[str, ...]) -> None:
    """SQLite rebuilds a table for a new constraint, and wants no view to refer to it meanwhile."""
    connection = op.get_bind()
    views = {}
    if connection.dialect.name == "sqlite":
        found = sa.inspect(connection)
        views = {name: found.get_view_definition(name) for name in found.get_view_names()}
    for name in views:
        op.execute(f"DROP VIEW {name}")
    for name in WITH_METRIC:
        with op.batch_alter_table(name, table_kwargs={"sqlite_with_rowid": False}) as table:
            table.drop_constraint(op.f(f"ck_{name}_metric"), type_="check")
            table.create_check_constraint(op.f(f"ck_{name}_metric"), f"metric IN {metrics}")
    for definition in views.values():
        op.execute(definition)


def owned(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"))


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def one_of(table: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return check(table, column, f"{column} IN {values}")


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def whole(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def real(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Double, nullable=nullable) for name in names]


def words(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def make_originals() -> None:
    name = "originals"
    op.create_table(
        name,
        *whole("case_id", "image_id", "predicted_class"),
        *real("confidence", "margin"),
        primary(name, "case_id"),
        owned(name, "case_id", "cases.id"),
        refers(name, "image_id", "images.id"),
        check(name, "predicted_class", "predicted_class >= 0"),
        check(name, "confidence", "confidence BETWEEN 0 AND 1"),
        check(name, "margin", "margin >= 0"),
    )
    index(name, "image_id")
    name = "original_activations"
    op.create_table(
        name,
        *whole("case_id", "layer_id"),
        sa.Column("shape", sa.JSON(none_as_null=True), nullable=False),
        *words("encoding"),
        sa.Column("data", sa.LargeBinary, nullable=False),
        primary(name, "case_id", "layer_id"),
        owned(name, "case_id", "originals.case_id"),
        refers(name, "layer_id", "layers.id"),
        one_of(name, "encoding", ("raw", "zlib")),
    )
    index(name, "layer_id")
    name = "original_neighbors"
    op.create_table(
        name,
        *whole("case_id", "layer_id"),
        *words("metric"),
        *whole("rank", "reference_sample_id"),
        *real("distance"),
        primary(name, "case_id", "layer_id", "metric", "rank"),
        owned(name, "case_id", "originals.case_id"),
        refers(name, "layer_id", "layers.id"),
        refers(name, "reference_sample_id", "reference_samples.id"),
        one_of(name, "metric", METRICS),
        check(name, "rank", '"rank" >= 1'),
        sqlite_with_rowid=False,
    )
    index(name, "reference_sample_id")
    name = "attack_images"
    op.create_table(
        name,
        *whole("attack_id", "image_id"),
        primary(name, "attack_id"),
        owned(name, "attack_id", "attacks.id"),
        refers(name, "image_id", "images.id"),
    )
    index(name, "image_id")


def make_pairs() -> None:
    name = "near_duplicate_pairs"
    op.create_table(
        name,
        *whole("network_id", "sample_id", "other_sample_id"),
        *real("activation_distance", "pixel_distance"),
        primary(name, "network_id", "sample_id", "other_sample_id"),
        owned(name, "network_id", "networks.id"),
        refers(name, "sample_id", "samples.id"),
        refers(name, "other_sample_id", "samples.id"),
        check(name, "distances", "activation_distance >= 0 AND pixel_distance >= 0"),
        check(name, "two", "sample_id <> other_sample_id"),
        sqlite_with_rowid=False,
    )
    index(name, "other_sample_id")


def make_detectors() -> None:
    name = "detectors"
    op.create_table(
        name,
        *whole("id", "network_id"),
        *words("name", "kind"),
        *words("layer", "metric", "rule", "reference", nullable=True),
        primary(name, "id"),
        refers(name, "network_id", "networks.id"),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_detectors_network_id_name")),
        one_of(name, "kind", ("neighbors", "repair", "baseline")),
        one_of(name, "metric", METRICS),
        one_of(name, "rule", RULES),
        one_of(name, "reference", ("all", "distinct")),
        check(
            name,
            "neighbors",
            "(kind = 'neighbors') = (layer IS NOT NULL AND metric IS NOT NULL AND rule IS NOT NULL"
            " AND reference IS NOT NULL)",
        ),
    )


def make_points() -> None:
    name = "detector_points"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "partition"),
        *whole("k"),
        *real("threshold"),
        *whole(*COUNTS),
        primary(name, "detector_id", "case_set", "partition", "k", "threshold"),
        owned(name, "detector_id", "detectors.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 0"),
        check(name, "counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        sqlite_with_rowid=False,
    )
    name = "k_points"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "partition"),
        *whole("k", "threshold"),
        *real("accuracy", "eer", "auc"),
        primary(name, "detector_id", "case_set", "partition", "k"),
        owned(name, "detector_id", "detectors.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 1"),
        check(name, "shares", "accuracy BETWEEN 0 AND 1 AND eer BETWEEN 0 AND 1 AND auc BETWEEN 0 AND 1"),
        sqlite_with_rowid=False,
    )


def make_evaluations() -> None:
    name = "evaluations"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "how_chosen", "partition"),
        *whole("run_id", "k"),
        *real("threshold"),
        *whole(*COUNTS),
        *real("tpr", "fpr", "eer"),
        *real(*[measure + end for measure in MEASURED for end in ("", "_low", "_high")], nullable=True),
        *whole("pairs"),
        *real("paired_fpr", "paired_wins", "recovered_on_alarm", "located", nullable=True),
        primary(name, "detector_id", "case_set", "how_chosen", "partition"),
        owned(name, "detector_id", "detectors.id"),
        refers(name, "run_id", "runs.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "how_chosen", ("tuning", "validation", "paper")),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 0"),
        check(name, "counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        sqlite_with_rowid=False,
    )
    index(name, "run_id")
