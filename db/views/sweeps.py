"""Views of what sweeps found: `vulnerability`, `case_repairs`, `near_median_attacks`.

Conventions as in db.views.cases.
"""

from sqlalchemy import Boolean, Double, Integer, Text

from db.tables.columns import view

# One row a swept image and set of colors; the maps themselves are in vulnerability_maps.
vulnerability = view(
    "vulnerability",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    samples.split AS split,
    samples.position AS "position",
    true_classes.name AS true_class,
    vulnerability_maps.variant AS variant,
    vulnerability_maps.best_margin AS best_margin,
    vulnerability_maps.best_margin > 0 AS vulnerable,
    vulnerability_maps.vulnerable_positions AS vulnerable_positions,
    vulnerability_maps.reached_classes AS reached_classes,
    vulnerability_maps.queries AS queries,
    images.sha256 AS image_sha256,
    cases.id AS case_id,
    vulnerability_maps.id AS map_id,
    vulnerability_maps.sample_id AS sample_id,
    samples.label AS true_class_id,
    vulnerability_maps.network_id AS network_id,
    samples.dataset_id AS dataset_id
FROM vulnerability_maps
JOIN networks ON networks.id = vulnerability_maps.network_id
JOIN samples ON samples.id = vulnerability_maps.sample_id
JOIN datasets ON datasets.id = samples.dataset_id
JOIN images ON images.id = samples.image_id
LEFT JOIN cases
    ON cases.network_id = vulnerability_maps.network_id AND cases.dataset_id = samples.dataset_id
    AND cases.sample_id = vulnerability_maps.sample_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = samples.label
""",
    [
        (Text, "network dataset split"),
        (Integer, "position"),
        (Text, "true_class variant"),
        (Double, "best_margin"),
        (Boolean, "vulnerable"),
        (Integer, "vulnerable_positions reached_classes queries"),
        (Text, "image_sha256"),
        (Integer, "case_id map_id sample_id true_class_id network_id dataset_id"),
    ],
    key="map_id",
)

# One row a case whose image was repaired. `score`: the largest margin of another class over all pixels, each
# in turn replaced by the median of its neighbors; above 0 the network's answer then changes.
# `original_score`: the same of the image before the attack; of a clean case its own. `located`: the pixel of
# that margin is an attacked one; NULL for clean cases. `recovered_right`: the class there is the true one.
case_repairs = view(
    "case_repairs",
    """
SELECT
    cases.id AS case_id,
    networks.name AS network,
    datasets.name AS dataset,
    cases.kind AS kind,
    cases."partition" AS "partition",
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    repairs.score AS score,
    originals.score AS original_score,
    repairs."row" AS repaired_row,
    repairs."column" AS repaired_column,
    recovered_classes.name AS recovered_class,
    repairs.recovered_class = cases.true_class AS recovered_right,
    CASE WHEN cases.attack_id IS NOT NULL THEN EXISTS (
        SELECT 1
        FROM attack_pixels
        WHERE attack_pixels.attack_id = cases.attack_id
            AND attack_pixels."row" = repairs."row" AND attack_pixels."column" = repairs."column"
    ) END AS located,
    repairs.id AS repair_id,
    repairs.recovered_class AS recovered_class_id,
    cases.network_id AS network_id,
    cases.dataset_id AS dataset_id
FROM cases
JOIN repairs
    ON repairs.network_id = cases.network_id AND repairs.dataset_id = cases.dataset_id
    AND repairs.image_id = cases.image_id
JOIN networks ON networks.id = cases.network_id
JOIN datasets ON datasets.id = cases.dataset_id
JOIN samples ON samples.id = cases.sample_id
LEFT JOIN repairs AS originals
    ON originals.network_id = cases.network_id AND originals.dataset_id = cases.dataset_id
    AND originals.image_id = samples.image_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = cases.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id AND predicted_classes."class" = cases.predicted_class
LEFT JOIN classes AS recovered_classes
    ON recovered_classes.dataset_id = samples.dataset_id
    AND recovered_classes."class" = repairs.recovered_class
""",
    [
        (Integer, "case_id"),
        (Text, "network dataset kind partition true_class predicted_class"),
        (Double, "score original_score"),
        (Integer, "repaired_row repaired_column"),
        (Text, "recovered_class"),
        (Boolean, "recovered_right located"),
        (Integer, "repair_id recovered_class_id network_id dataset_id"),
    ],
    key="case_id",
)

# Attacks that keep the color near the median of the neighbors, one row each: whether it fooled the network,
# and the results of the repair sweep. `score`, `located`, `recovered_right`, `image_sha256`: NULL on failure.
near_median_attacks = view(
    "near_median_attacks",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
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
    attacks.network_id AS network_id,
    samples.dataset_id AS dataset_id
FROM attacks
JOIN networks ON networks.id = attacks.network_id
JOIN samples ON samples.id = attacks.sample_id
JOIN datasets ON datasets.id = samples.dataset_id
LEFT JOIN attack_pixels ON attack_pixels.attack_id = attacks.id AND attack_pixels.pixel = 0
LEFT JOIN attack_images ON attack_images.attack_id = attacks.id
LEFT JOIN images ON images.id = attack_images.image_id
LEFT JOIN repairs
    ON repairs.network_id = attacks.network_id AND repairs.dataset_id = samples.dataset_id
    AND repairs.image_id = attack_images.image_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = samples.label
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id
    AND predicted_classes."class" = attacks.predicted_class
WHERE attacks.method = 'near-median'
""",
    [
        (Text, "network dataset variant true_class predicted_class"),
        (Boolean, "succeeded"),
        (Double, "margin score"),
        (Boolean, "located recovered_right"),
        (Integer, "attacked_row attacked_column position"),
        (Text, "image_sha256"),
        (Integer, "attack_id sample_id network_id dataset_id"),
    ],
    key="attack_id",
)
