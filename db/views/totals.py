"""Views of totals: `attack_matrix`, `attack_positions`, `confusion_matrix`, `class_accuracy`.

Conventions as in db.views.cases.
"""

from sqlalchemy import Boolean, Double, Integer, Text

from db.tables.columns import view

# True class by the class the attack led to, for each way of attacking: method, variant, pixels, budget, and
# the result of an earlier sweep for them. A targeted attack counts for its target alone. An untargeted
# one could have ended in any other class: `attacks` are all those on the true class, `successes` those
# that ended in `to_class`. `rate` is successes / attacks; cells without a success are listed, with 0.
# Over several cells sum `successes` and `attack_share`, in which each attack counts once: an untargeted one
# is among the `attacks` of every class that it could have ended in.
attack_matrix = view(
    "attack_matrix",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    tried.method AS method,
    tried.variant AS variant,
    tried.pixel_count AS pixel_count,
    tried.budget AS budget,
    tried.screened AS screened,
    tried.targeted AS targeted,
    true_classes.name AS true_class,
    to_classes.name AS to_class,
    tried.attacks AS attacks,
    tried.successes AS successes,
    CAST(tried.successes AS DOUBLE PRECISION) / tried.attacks AS rate,
    CASE
        WHEN tried.targeted THEN CAST(tried.attacks AS DOUBLE PRECISION)
        ELSE CAST(tried.attacks AS DOUBLE PRECISION) / (counted.classes - 1)
    END AS attack_share,
    tried.label AS true_class_id,
    tried.to_class AS to_class_id,
    tried.network_id AS network_id,
    tried.dataset_id AS dataset_id
FROM (
    SELECT
        attacks.network_id AS network_id, samples.dataset_id AS dataset_id, attacks.method AS method,
        attacks.variant AS variant, attacks.pixel_count AS pixel_count, attacks.budget AS budget,
        attacks.screened AS screened, 1 = 1 AS targeted, samples.label AS label,
        attacks.target_class AS to_class, COUNT(*) AS attacks,
        SUM(CASE WHEN attacks.succeeded THEN 1 ELSE 0 END) AS successes
    FROM attacks
    JOIN samples ON samples.id = attacks.sample_id
    WHERE attacks.target_class IS NOT NULL
    GROUP BY attacks.network_id, samples.dataset_id, attacks.method, attacks.variant, attacks.pixel_count,
        attacks.budget, attacks.screened, samples.label, attacks.target_class
    UNION ALL
    SELECT
        attacks.network_id, samples.dataset_id, attacks.method, attacks.variant, attacks.pixel_count,
        attacks.budget, attacks.screened, 1 = 0, samples.label, classes."class", COUNT(*),
        SUM(CASE WHEN attacks.succeeded AND attacks.predicted_class = classes."class" THEN 1 ELSE 0 END)
    FROM attacks
    JOIN samples ON samples.id = attacks.sample_id
    JOIN classes ON classes.dataset_id = samples.dataset_id AND classes."class" <> samples.label
    WHERE attacks.target_class IS NULL
    GROUP BY attacks.network_id, samples.dataset_id, attacks.method, attacks.variant, attacks.pixel_count,
        attacks.budget, attacks.screened, samples.label, classes."class"
) AS tried
JOIN networks ON networks.id = tried.network_id
JOIN datasets ON datasets.id = tried.dataset_id
JOIN (
    SELECT classes.dataset_id AS dataset_id, COUNT(*) AS classes FROM classes GROUP BY classes.dataset_id
) AS counted ON counted.dataset_id = tried.dataset_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = tried.dataset_id AND true_classes."class" = tried.label
LEFT JOIN classes AS to_classes
    ON to_classes.dataset_id = tried.dataset_id AND to_classes."class" = tried.to_class
""",
    [
        (Text, "network dataset method variant"),
        (Integer, "pixel_count budget"),
        (Text, "screened"),
        (Boolean, "targeted"),
        (Text, "true_class to_class"),
        (Integer, "attacks successes"),
        (Double, "rate attack_share"),
        (Integer, "true_class_id to_class_id network_id dataset_id"),
    ],
    key="network_id dataset_id method variant pixel_count budget screened targeted true_class_id to_class_id",
)

# Where attacks ended: one row a position where the best image of at least one attack differs from the
# original; failed attacks count as attacks. An attack of several pixels counts at each of them.
attack_positions = view(
    "attack_positions",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    attacks.method AS method,
    attacks.target_class IS NOT NULL AS targeted,
    attack_pixels."row" AS attacked_row,
    attack_pixels."column" AS attacked_column,
    COUNT(*) AS attacks,
    SUM(CASE WHEN attacks.succeeded THEN 1 ELSE 0 END) AS successes,
    attacks.network_id AS network_id,
    samples.dataset_id AS dataset_id
FROM attack_pixels
JOIN attacks ON attacks.id = attack_pixels.attack_id
JOIN samples ON samples.id = attacks.sample_id
JOIN networks ON networks.id = attacks.network_id
JOIN datasets ON datasets.id = samples.dataset_id
GROUP BY networks.name, datasets.name, attacks.method, attacks.target_class IS NOT NULL, attack_pixels."row",
    attack_pixels."column", attacks.network_id, samples.dataset_id
""",
    [
        (Text, "network dataset method"),
        (Boolean, "targeted"),
        (Integer, "attacked_row attacked_column attacks successes network_id dataset_id"),
    ],
    key="network_id dataset_id method targeted attacked_row attacked_column",
)

# True class by predicted class, of every image of a split; cells without an image are listed, with 0.
# `share`: of the images of the true class.
confusion_matrix = view(
    "confusion_matrix",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    totals.split AS split,
    true_classes.name AS true_class,
    predicted_classes.name AS predicted_class,
    COALESCE(cells.images, 0) AS images,
    CAST(COALESCE(cells.images, 0) AS DOUBLE PRECISION) / totals.images AS share,
    totals.label AS true_class_id,
    predicted_classes."class" AS predicted_class_id,
    totals.network_id AS network_id,
    totals.dataset_id AS dataset_id
FROM (
    SELECT
        predictions.network_id AS network_id, predictions.dataset_id AS dataset_id,
        predictions.split AS split, predictions.label AS label, COUNT(*) AS images
    FROM predictions
    GROUP BY predictions.network_id, predictions.dataset_id, predictions.split, predictions.label
) AS totals
JOIN networks ON networks.id = totals.network_id
JOIN datasets ON datasets.id = totals.dataset_id
JOIN classes AS true_classes
    ON true_classes.dataset_id = totals.dataset_id AND true_classes."class" = totals.label
JOIN classes AS predicted_classes ON predicted_classes.dataset_id = totals.dataset_id
LEFT JOIN (
    SELECT
        predictions.network_id AS network_id, predictions.dataset_id AS dataset_id,
        predictions.split AS split, predictions.label AS label,
        predictions.predicted_class AS predicted_class, COUNT(*) AS images
    FROM predictions
    GROUP BY predictions.network_id, predictions.dataset_id, predictions.split, predictions.label,
        predictions.predicted_class
) AS cells
    ON cells.network_id = totals.network_id AND cells.dataset_id = totals.dataset_id
    AND cells.split = totals.split AND cells.label = totals.label
    AND cells.predicted_class = predicted_classes."class"
""",
    [
        (Text, "network dataset split true_class predicted_class"),
        (Integer, "images"),
        (Double, "share"),
        (Integer, "true_class_id predicted_class_id network_id dataset_id"),
    ],
    key="network_id dataset_id split true_class_id predicted_class_id",
)

# How many images of a class the network gets right.
class_accuracy = view(
    "class_accuracy",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    predictions.split AS split,
    classes.name AS true_class,
    COUNT(*) AS images,
    SUM(CASE WHEN predictions.predicted_class = predictions.label THEN 1 ELSE 0 END) AS correct,
    CAST(
        SUM(CASE WHEN predictions.predicted_class = predictions.label THEN 1 ELSE 0 END) AS DOUBLE PRECISION
    ) / COUNT(*) AS accuracy,
    predictions.label AS true_class_id,
    predictions.network_id AS network_id,
    predictions.dataset_id AS dataset_id
FROM predictions
JOIN networks ON networks.id = predictions.network_id
JOIN datasets ON datasets.id = predictions.dataset_id
LEFT JOIN classes ON classes.dataset_id = predictions.dataset_id AND classes."class" = predictions.label
GROUP BY networks.name, datasets.name, predictions.split, classes.name, predictions.label,
    predictions.network_id, predictions.dataset_id
""",
    [
        (Text, "network dataset split true_class"),
        (Integer, "images correct"),
        (Double, "accuracy"),
        (Integer, "true_class_id network_id dataset_id"),
    ],
    key="network_id dataset_id split true_class_id",
)
