"""Views of single images: `case_overview`, `layer_decisions`, `image_predictions`.

Views of totals are in db.views.totals, those of sweeps in db.views.sweeps.

In every view a class is its **name**; beside it, `..._class_id` is the number that the tables have. A
network's name comes with its data set: a result belongs to both, and `network_id` with `dataset_id`
identifies them.
Each view is also a Table, for queries in Python. The SQL is plain, the same on SQLite and PostgreSQL.

They join on primary keys, one row each, so that a page of a long list costs no more than a page of a short
one. No layer has columns of its own, as networks have different layers: `layer_decisions` has a row a layer.
"""

from sqlalchemy import Boolean, Double, Integer, Text

from db.tables.columns import view

# One row a case. `alarms` counts all layers that alarm, `alarming_layers` names them ("dense+logits" or
# "none"); both are of metric euclidean and rule total, NULL before tuning. `first_divergence` is the first
# layer from the input, composed ones left out, where the most frequent class among the first k neighbors is
# not the true class; layers whose most frequent classes are tied are skipped. Of several
# attacked pixels it has the first one; attack_pixels has them all. `vulnerable_positions`: positions of the
# unattacked image where one of the eight color corners, or black or white in a gray image, fools the network;
# NULL: not swept, or not at every position. `sample_name`:
# the name of the file that the image came from, if any.
case_overview = view(
    "case_overview",
    """
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
    samples.name AS sample_name,
    batches.name AS batch,
    batches.seed AS seed,
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
    attacks.margin AS attack_margin,
    attacks.screened AS screened,
    vulnerability_maps.vulnerable_positions AS vulnerable_positions,
    attack_pixels."row" AS attacked_row,
    attack_pixels."column" AS attacked_column,
    attack_pixels.original_red AS red_before,
    attack_pixels.original_green AS green_before,
    attack_pixels.original_blue AS blue_before,
    attack_pixels.red AS red_after,
    attack_pixels.green AS green_after,
    attack_pixels.blue AS blue_after,
    case_facets.alarm_count AS alarms,
    case_facets.alarms AS alarming_layers,
    NULLIF(case_facets.divergence, 'none') AS first_divergence,
    cases.dataset_id AS dataset_id
FROM cases
JOIN networks ON networks.id = cases.network_id
JOIN datasets ON datasets.id = cases.dataset_id
JOIN samples ON samples.id = cases.sample_id
JOIN images ON images.id = cases.image_id
JOIN images AS originals ON originals.id = samples.image_id
JOIN runs ON runs.id = cases.run_id
LEFT JOIN batches ON batches.id = runs.batch_id
LEFT JOIN case_facets ON case_facets.case_id = cases.id
LEFT JOIN attacks ON attacks.id = cases.attack_id
LEFT JOIN attack_pixels ON attack_pixels.attack_id = attacks.id AND attack_pixels.pixel = 0
LEFT JOIN vulnerability_maps
    ON vulnerability_maps.network_id = cases.network_id AND vulnerability_maps.sample_id = cases.sample_id
    AND vulnerability_maps.variant IN ('corners', 'grays-2')
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = cases.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id AND predicted_classes."class" = cases.predicted_class
LEFT JOIN classes AS target_classes
    ON target_classes.dataset_id = samples.dataset_id
    AND target_classes."class" = attacks.target_class
""",
    [
        (Integer, "case_id network_id"),
        (Text, "network dataset kind partition"),
        (Integer, "sample_id"),
        (Text, "split"),
        (Integer, "position"),
        (Text, "sample_name batch"),
        (Integer, "seed"),
        (Text, "true_class predicted_class target_class"),
        (Integer, "true_class_id predicted_class_id target_class_id"),
        (Double, "confidence"),
        (Text, "image_sha256 original_sha256"),
        (Integer, "attack_id"),
        (Text, "method"),
        (Integer, "pixel_count queries"),
        (Double, "attack_margin"),
        (Text, "screened"),
        (Integer, "vulnerable_positions attacked_row attacked_column"),
        (Integer, "red_before green_before blue_before red_after green_after blue_after"),
        (Integer, "alarms"),
        (Text, "alarming_layers first_divergence"),
        (Integer, "dataset_id"),
    ],
    key="case_id",
)

# One row a case, compared layer, metric and rule. `recovered_right`: the recovered class is the true one.
layer_decisions = view(
    "layer_decisions",
    """
SELECT
    decisions.case_id AS case_id,
    networks.name AS network,
    datasets.name AS dataset,
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
    decisions.layer_id AS layer_id,
    cases.dataset_id AS dataset_id
FROM decisions
JOIN cases ON cases.id = decisions.case_id
JOIN networks ON networks.id = cases.network_id
JOIN datasets ON datasets.id = cases.dataset_id
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
    [
        (Integer, "case_id"),
        (Text, "network dataset kind partition layer metric rule"),
        (Integer, "k threshold unexpected_count"),
        (Boolean, "alarm"),
        (Text, "outcome true_class predicted_class majority_class recovered_class"),
        (Integer, "true_class_id predicted_class_id majority_class_id recovered_class_id"),
        (Boolean, "recovered_right"),
        (Integer, "network_id layer_id dataset_id"),
    ],
    key="case_id layer_id metric rule",
)

# A network's prediction for every image of a split, one row an image: the wrong ones are `WHERE NOT correct`.
# `case_id`: the case made from the image, if any.
image_predictions = view(
    "image_predictions",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    predictions.split AS split,
    predictions.position AS "position",
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    predictions.predicted_class = predictions.label AS correct,
    predictions.confidence AS confidence,
    cases.id AS case_id,
    predictions.label AS true_class_id,
    predictions.predicted_class AS predicted_class_id,
    predictions.network_id AS network_id,
    predictions.dataset_id AS dataset_id
FROM predictions
JOIN networks ON networks.id = predictions.network_id
JOIN datasets ON datasets.id = predictions.dataset_id
LEFT JOIN samples
    ON samples.dataset_id = predictions.dataset_id AND samples.split = predictions.split
    AND samples.position = predictions.position
LEFT JOIN cases
    ON cases.network_id = predictions.network_id AND cases.dataset_id = predictions.dataset_id
    AND cases.sample_id = samples.id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = predictions.dataset_id AND true_classes."class" = predictions.label
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = predictions.dataset_id
    AND predicted_classes."class" = predictions.predicted_class
""",
    [
        (Text, "network dataset split"),
        (Integer, "position"),
        (Text, "true_class predicted_class"),
        (Boolean, "correct"),
        (Double, "confidence"),
        (Integer, "case_id true_class_id predicted_class_id network_id dataset_id"),
    ],
    key="network_id dataset_id split position",
)
