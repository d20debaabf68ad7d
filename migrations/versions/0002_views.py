"""The views.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWS = {
    "attack_matrix": """
SELECT
    networks.name AS network,
    tried.method AS method,
    tried.pixel_count AS pixel_count,
    tried.targeted AS targeted,
    true_classes.name AS true_class,
    to_classes.name AS to_class,
    tried.attacks AS attacks,
    tried.successes AS successes,
    CAST(tried.successes AS DOUBLE PRECISION) / tried.attacks AS rate,
    tried.label AS true_class_id,
    tried.to_class AS to_class_id,
    tried.network_id AS network_id
FROM (
    SELECT
        attacks.network_id AS network_id, samples.dataset_id AS dataset_id, attacks.method AS method,
        attacks.pixel_count AS pixel_count, 1 = 1 AS targeted, samples.label AS label,
        attacks.target_class AS to_class, COUNT(*) AS attacks,
        SUM(CASE WHEN attacks.succeeded THEN 1 ELSE 0 END) AS successes
    FROM attacks
    JOIN samples ON samples.id = attacks.sample_id
    WHERE attacks.target_class IS NOT NULL
    GROUP BY attacks.network_id, samples.dataset_id, attacks.method, attacks.pixel_count, samples.label,
        attacks.target_class
    UNION ALL
    SELECT
        attacks.network_id, samples.dataset_id, attacks.method, attacks.pixel_count, 1 = 0, samples.label,
        classes."class", COUNT(*),
        SUM(CASE WHEN attacks.succeeded AND attacks.predicted_class = classes."class" THEN 1 ELSE 0 END)
    FROM attacks
    JOIN samples ON samples.id = attacks.sample_id
    JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" <> samples.label
    WHERE attacks.target_class IS NULL
    GROUP BY attacks.network_id, samples.dataset_id, attacks.method, attacks.pixel_count, samples.label,
        classes."class"
) AS tried
JOIN networks ON networks.id = tried.network_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = tried.dataset_id AND true_classes."class" = tried.label
LEFT JOIN classes AS to_classes
    ON to_classes.dataset_id = tried.dataset_id AND to_classes."class" = tried.to_class
""",
    "attack_positions": """
SELECT
    networks.name AS network,
    attacks.method AS method,
    attacks.target_class IS NOT NULL AS targeted,
    attack_pixels."row" AS attacked_row,
    attack_pixels."column" AS attacked_column,
    COUNT(*) AS attacks,
    SUM(CASE WHEN attacks.succeeded THEN 1 ELSE 0 END) AS successes,
    attacks.network_id AS network_id
FROM attack_pixels
JOIN attacks ON attacks.id = attack_pixels.attack_id
JOIN networks ON networks.id = attacks.network_id
GROUP BY networks.name, attacks.method, attacks.target_class IS NOT NULL, attack_pixels."row",
    attack_pixels."column", attacks.network_id
""",
    "case_overview": """
SELECT
    cases.id AS case_id,
    cases.network_id AS network_id,
    networks.name AS network,
    datasets.name AS dataset,
    cases.kind AS kind,
    cases."partition" AS "partition",
    cases.sample_id AS sample_id,
    samples.split AS split,
    samples.position AS "position",
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    target_classes.name AS target_class,
    cases.true_class AS true_class_id,
    cases.predicted_class AS predicted_class_id,
    attacks.target_class AS target_class_id,
    cases.confidence AS confidence,
    images.sha256 AS image_sha256,
    originals.sha256 AS original_sha256,
    cases.attack_id AS attack_id,
    attacks.method AS method,
    attacks.pixel_count AS pixel_count,
    attacks.queries AS queries,
    attack_pixels."row" AS attacked_row,
    attack_pixels."column" AS attacked_column,
    attack_pixels.original_red AS red_before,
    attack_pixels.original_green AS green_before,
    attack_pixels.original_blue AS blue_before,
    attack_pixels.red AS red_after,
    attack_pixels.green AS green_after,
    attack_pixels.blue AS blue_after,
    flatten.alarm AS alarm_flatten,
    flatten.outcome AS outcome_flatten,
    flatten.unexpected_count AS unexpected_flatten,
    recovered_flatten.name AS recovered_flatten,
    dense.alarm AS alarm_dense,
    dense.outcome AS outcome_dense,
    dense.unexpected_count AS unexpected_dense,
    recovered_dense.name AS recovered_dense,
    logits.alarm AS alarm_logits,
    logits.outcome AS outcome_logits,
    logits.unexpected_count AS unexpected_logits,
    recovered_logits.name AS recovered_logits,
    composed.alarm AS alarm_composed,
    composed.outcome AS outcome_composed,
    composed.unexpected_count AS unexpected_composed,
    recovered_composed.name AS recovered_composed,
    CASE
        WHEN COALESCE(flatten.alarm, dense.alarm, logits.alarm, composed.alarm) IS NULL THEN NULL
        ELSE CASE WHEN flatten.alarm THEN 1 ELSE 0 END
            + CASE WHEN dense.alarm THEN 1 ELSE 0 END
            + CASE WHEN logits.alarm THEN 1 ELSE 0 END
            + CASE WHEN composed.alarm THEN 1 ELSE 0 END
    END AS alarms,
    (
        SELECT layers.name
        FROM decisions
        JOIN layers ON layers.id = decisions.layer_id
        WHERE decisions.case_id = cases.id AND decisions.metric = 'euclidean' AND decisions.rule = 'total'
            AND layers.name <> 'composed' AND decisions.majority_class <> cases.true_class
        ORDER BY layers.position
        LIMIT 1
    ) AS first_divergence
FROM cases
JOIN networks ON networks.id = cases.network_id
JOIN samples ON samples.id = cases.sample_id
JOIN datasets ON datasets.id = samples.dataset_id
JOIN images ON images.id = cases.image_id
JOIN images AS originals ON originals.id = samples.image_id
LEFT JOIN attacks ON attacks.id = cases.attack_id
LEFT JOIN attack_pixels ON attack_pixels.attack_id = attacks.id AND attack_pixels.pixel = 0
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = cases.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id AND predicted_classes."class" = cases.predicted_class
LEFT JOIN classes AS target_classes
    ON target_classes.dataset_id = samples.dataset_id
    AND target_classes."class" = attacks.target_class
LEFT JOIN layers AS layer_flatten
    ON layer_flatten.network_id = cases.network_id AND layer_flatten.name = 'flatten'
LEFT JOIN decisions AS flatten
    ON flatten.case_id = cases.id AND flatten.layer_id = layer_flatten.id
    AND flatten.metric = 'euclidean' AND flatten.rule = 'total'
LEFT JOIN classes AS recovered_flatten
    ON recovered_flatten.dataset_id = samples.dataset_id
    AND recovered_flatten."class" = flatten.recovered_class
LEFT JOIN layers AS layer_dense
    ON layer_dense.network_id = cases.network_id AND layer_dense.name = 'dense'
LEFT JOIN decisions AS dense
    ON dense.case_id = cases.id AND dense.layer_id = layer_dense.id
    AND dense.metric = 'euclidean' AND dense.rule = 'total'
LEFT JOIN classes AS recovered_dense
    ON recovered_dense.dataset_id = samples.dataset_id
    AND recovered_dense."class" = dense.recovered_class
LEFT JOIN layers AS layer_logits
    ON layer_logits.network_id = cases.network_id AND layer_logits.name = 'logits'
LEFT JOIN decisions AS logits
    ON logits.case_id = cases.id AND logits.layer_id = layer_logits.id
    AND logits.metric = 'euclidean' AND logits.rule = 'total'
LEFT JOIN classes AS recovered_logits
    ON recovered_logits.dataset_id = samples.dataset_id
    AND recovered_logits."class" = logits.recovered_class
LEFT JOIN layers AS layer_composed
    ON layer_composed.network_id = cases.network_id AND layer_composed.name = 'composed'
LEFT JOIN decisions AS composed
    ON composed.case_id = cases.id AND composed.layer_id = layer_composed.id
    AND composed.metric = 'euclidean' AND composed.rule = 'total'
LEFT JOIN classes AS recovered_composed
    ON recovered_composed.dataset_id = samples.dataset_id
    AND recovered_composed."class" = composed.recovered_class
""",
    "layer_decisions": """
SELECT
    decisions.case_id AS case_id,
    networks.name AS network,
    cases.kind AS kind,
    cases."partition" AS "partition",
    layers.name AS layer,
    decisions.metric AS metric,
    decisions.rule AS rule,
    decisions.k AS k,
    decisions.threshold AS threshold,
    decisions.unexpected_count AS unexpected_count,
    decisions.alarm AS alarm,
    decisions.outcome AS outcome,
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    majority_classes.name AS majority_class,
    recovered_classes.name AS recovered_class,
    cases.true_class AS true_class_id,
    cases.predicted_class AS predicted_class_id,
    decisions.majority_class AS majority_class_id,
    decisions.recovered_class AS recovered_class_id,
    decisions.recovered_class = cases.true_class AS recovered_right,
    cases.network_id AS network_id,
    decisions.layer_id AS layer_id
FROM decisions
JOIN cases ON cases.id = decisions.case_id
JOIN networks ON networks.id = cases.network_id
JOIN layers ON layers.id = decisions.layer_id
JOIN samples ON samples.id = cases.sample_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = cases.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id AND predicted_classes."class" = cases.predicted_class
LEFT JOIN classes AS majority_classes
    ON majority_classes.dataset_id = samples.dataset_id
    AND majority_classes."class" = decisions.majority_class
LEFT JOIN classes AS recovered_classes
    ON recovered_classes.dataset_id = samples.dataset_id
    AND recovered_classes."class" = decisions.recovered_class
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
}


def upgrade() -> None:
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
