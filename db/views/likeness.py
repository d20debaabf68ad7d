"""Views of samples that are too much alike: `near_duplicates`, `hubs`. Conventions as in db.views.cases."""

from sqlalchemy import Boolean, Double, Integer, Text

from db.tables.columns import view

# Pairs of samples that look alike: to the network (`activation_distance`, cosine, of its last hidden layer)
# or pixel by pixel (`pixel_distance`, 0..255). A lower limit on either is stricter; closeness is a reason to
# look, no proof of a duplicate. `case_id`: the case made from the first one.
near_duplicates = view(
    "near_duplicates",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
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
    near_duplicate_pairs.network_id AS network_id,
    near_duplicate_pairs.dataset_id AS dataset_id
FROM near_duplicate_pairs
JOIN networks ON networks.id = near_duplicate_pairs.network_id
JOIN datasets ON datasets.id = near_duplicate_pairs.dataset_id
JOIN samples ON samples.id = near_duplicate_pairs.sample_id
JOIN samples AS others ON others.id = near_duplicate_pairs.other_sample_id
JOIN images ON images.id = samples.image_id
JOIN images AS other_images ON other_images.id = others.image_id
LEFT JOIN cases
    ON cases.network_id = near_duplicate_pairs.network_id
    AND cases.dataset_id = near_duplicate_pairs.dataset_id AND cases.sample_id = samples.id
LEFT JOIN reference_samples
    ON reference_samples.network_id = near_duplicate_pairs.network_id
    AND reference_samples.dataset_id = near_duplicate_pairs.dataset_id
    AND reference_samples.sample_id = others.id
LEFT JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" = samples.label
LEFT JOIN classes AS other_classes
    ON other_classes.dataset_id = others.dataset_id AND other_classes."class" = others.label
""",
    [
        (Text, "network dataset split"),
        (Integer, "position"),
        (Text, "true_class other_split"),
        (Integer, "other_position"),
        (Text, "other_class"),
        (Double, "activation_distance pixel_distance"),
        (Boolean, "same_picture same_class"),
        (Integer, "case_id"),
        (Text, "kind partition"),
        (Integer, "reference_sample_id"),
        (Text, "image_sha256 other_sha256"),
        (Integer, "sample_id other_sample_id network_id dataset_id"),
    ],
    key="network_id dataset_id sample_id other_sample_id",
)

# How often a reference sample is a neighbor of cases in a layer under a metric, if it ever is.
# `share`: of the cases searched there. A hub is a sample with a far larger share than others: sort by it.
hubs = view(
    "hubs",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
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
    counted.layer_id AS layer_id,
    reference_samples.dataset_id AS dataset_id
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
JOIN reference_samples ON reference_samples.id = counted.reference_sample_id
JOIN datasets ON datasets.id = reference_samples.dataset_id
JOIN (
    SELECT cases.network_id AS network_id, cases.dataset_id AS dataset_id, COUNT(*) AS cases
    FROM cases
    WHERE cases.kind <> 'unknown'
    GROUP BY cases.network_id, cases.dataset_id
) AS searched
    ON searched.network_id = layers.network_id AND searched.dataset_id = reference_samples.dataset_id
JOIN samples ON samples.id = reference_samples.sample_id
JOIN images ON images.id = samples.image_id
LEFT JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" = samples.label
""",
    [
        (Text, "network dataset layer metric reference_class"),
        (Integer, "occurrences"),
        (Double, "share"),
        (Text, "split"),
        (Integer, "position"),
        (Text, "image_sha256"),
        (Integer, "reference_sample_id network_id layer_id dataset_id"),
    ],
    key="layer_id metric reference_sample_id",
)
