"""Views that count: `attack_matrix`, `attack_positions`. Conventions as in db.views."""

from sqlalchemy import Boolean, Double, Integer, Text

from db.tables.columns import view

# True class by the class the attack led to, for each way of attacking: method, variant, pixels, budget, and
# what a sweep had said of these attacks before. A targeted attack counts for its target alone. An untargeted
# one could have ended in any other class: `attacks` are all those on the true class, `successes` those
# that ended in `to_class`. `rate` is successes / attacks; cells without a success are listed, with 0.
attack_matrix = view(
    "attack_matrix",
    """
SELECT
    networks.name AS network,
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
    tried.label AS true_class_id,
    tried.to_class AS to_class_id,
    tried.network_id AS network_id
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
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = tried.dataset_id AND true_classes."class" = tried.label
LEFT JOIN classes AS to_classes
    ON to_classes.dataset_id = tried.dataset_id AND to_classes."class" = tried.to_class
""",
    [
        (Text, "network method variant"),
        (Integer, "pixel_count budget"),
        (Text, "screened"),
        (Boolean, "targeted"),
        (Text, "true_class to_class"),
        (Integer, "attacks successes"),
        (Double, "rate"),
        (Integer, "true_class_id to_class_id network_id"),
    ],
)

# Where attacks ended: one row a position where the best image of at least one attack differs from the
# original; failed attacks count as attacks. An attack of several pixels counts at each of them.
attack_positions = view(
    "attack_positions",
    """
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
    [
        (Text, "network method"),
        (Boolean, "targeted"),
        (Integer, "attacked_row attacked_column attacks successes network_id"),
    ],
)
