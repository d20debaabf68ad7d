"""Views of the evidence: `detector_summary`, `roc_curve`, `k_accuracy`, `first_divergence`.

Conventions as in db.views.cases.
"""

from sqlalchemy import Double, Integer, Text

from db.tables.columns import view
from db.tables.evidence import MEASURED
from db.vocabulary import SINGLE_KINDS

_OF_DETECTOR = """
    networks.name AS network,
    datasets.name AS dataset,
    detectors.name AS detector,
    detectors.kind AS kind,
    detectors.layer AS layer,
    detectors.metric AS metric,
    detectors.rule AS rule,
    detectors.reference AS reference,"""
# For a single layer that is compared, how many such layers come before it; NULL for others.
_SINGLE = f"({', '.join(map(repr, SINGLE_KINDS))})"
_PLACE = f"""
    (
        SELECT COUNT(earlier.id)
        FROM layers AS here
        LEFT JOIN layers AS earlier ON earlier.network_id = here.network_id
            AND earlier.kind IN {_SINGLE} AND earlier.position < here.position
        WHERE here.network_id = detectors.network_id AND here.name = detectors.layer
            AND here.kind IN {_SINGLE}
        GROUP BY here.id
    ) AS layer_place,"""
_DETECTOR = (Text, "network dataset detector kind layer metric rule reference")
_INTERVALS = [f"{name}{end}" for name in MEASURED for end in ("", "_low", "_high")]
_MEASURES = "\n    ".join(f"evaluations.{name} AS {name}," for name in _INTERVALS)

# One row a detector, set of cases, way of choosing k and partition: `how_chosen` = 'tuning' and `partition` =
# 'validation' is the honest result. `auc`: against other clean images; `paired_auc`: against the very same
# images before their attack. `recovered`: adversarial cases whose true class the detector names.
detector_summary = view(
    "detector_summary",
    f"""
SELECT{_OF_DETECTOR}
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
    {_MEASURES}
    evaluations.pairs AS pairs,
    evaluations.paired_fpr AS paired_fpr,
    evaluations.paired_wins AS paired_wins,
    evaluations.recovered_on_alarm AS recovered_on_alarm,
    evaluations.located AS located,{_PLACE}
    detectors.network_id AS network_id,
    detectors.id AS detector_id,
    detectors.dataset_id AS dataset_id
FROM evaluations
JOIN detectors ON detectors.id = evaluations.detector_id
JOIN networks ON networks.id = detectors.network_id
JOIN datasets ON datasets.id = detectors.dataset_id
""",
    [
        _DETECTOR,
        (Text, "case_set how_chosen partition"),
        (Integer, "k"),
        (Double, "threshold"),
        (Integer, "tp fp tn fn"),
        (Double, f"tpr fpr eer {' '.join(_INTERVALS)}"),
        (Integer, "pairs"),
        (Double, "paired_fpr paired_wins recovered_on_alarm located"),
        (Integer, "layer_place network_id detector_id dataset_id"),
    ],
    key="detector_id case_set how_chosen partition",
)


def _rates(table: str) -> str:
    """SQL of the rates and counts of a table that has the four counts."""

    def share(of: str, among: str) -> str:
        part = " + ".join(f"{table}.{count}" for count in of.split())
        whole = " + ".join(f"{table}.{count}" for count in among.split())
        return f"CAST({part} AS DOUBLE PRECISION)\n        / NULLIF(\n            {whole}, 0\n        )"

    return f"""
    {share("fp", "fp tn")} AS fpr,
    {share("tp", "tp fn")} AS tpr,
    {share("fn", "tp fn")} AS fnr,
    {share("tp tn", "tp tn fp fn")} AS accuracy,
    {table}.tp AS tp,
    {table}.fp AS fp,
    {table}.tn AS tn,
    {table}.fn AS fn,"""


# One row a point: of the k-NN defense on all cases every k and threshold; on a part of them, or without
# near-duplicates and hubs, at the k that were evaluated; k 0 for detectors without neighbors. Rates are
# shares in [0, 1], NULL where there is nothing to take a share of.
roc_curve = view(
    "roc_curve",
    f"""
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    layers.name || ' ' || tuning_points.metric || ' ' || tuning_points.rule AS detector,
    'neighbors' AS kind,
    layers.name AS layer,
    tuning_points.metric AS metric,
    tuning_points.rule AS rule,
    'all' AS reference,
    'all' AS case_set,
    tuning_points."partition" AS "partition",
    tuning_points.k AS k,
    CAST(tuning_points.threshold AS DOUBLE PRECISION) AS threshold,{_rates("tuning_points")}
    layers.network_id AS network_id,
    tuning_points.layer_id AS layer_id,
    tuning_points.dataset_id AS dataset_id
FROM tuning_points
JOIN layers ON layers.id = tuning_points.layer_id
JOIN networks ON networks.id = layers.network_id
JOIN datasets ON datasets.id = tuning_points.dataset_id
UNION ALL
SELECT{_OF_DETECTOR}
    detector_points.case_set,
    detector_points."partition",
    detector_points.k,
    detector_points.threshold,{_rates("detector_points")}
    detectors.network_id,
    layers.id,
    detectors.dataset_id
FROM detector_points
JOIN detectors ON detectors.id = detector_points.detector_id
JOIN networks ON networks.id = detectors.network_id
JOIN datasets ON datasets.id = detectors.dataset_id
LEFT JOIN layers ON layers.network_id = detectors.network_id AND layers.name = detectors.layer
""",
    [
        _DETECTOR,
        (Text, "case_set partition"),
        (Integer, "k"),
        (Double, "threshold fpr tpr fnr accuracy"),
        (Integer, "tp fp tn fn network_id layer_id dataset_id"),
    ],
    key="network_id dataset_id detector case_set partition k threshold",
)

# The paper's figures 8 to 11: for every k the threshold of the equal error rate on tuning, and its results.
k_accuracy = view(
    "k_accuracy",
    f"""
SELECT{_OF_DETECTOR}
    k_points.case_set AS case_set,
    k_points."partition" AS "partition",
    k_points.k AS k,
    k_points.threshold AS threshold,
    k_points.accuracy AS accuracy,
    k_points.eer AS eer,
    k_points.auc AS auc,
    detectors.network_id AS network_id,
    detectors.id AS detector_id,
    detectors.dataset_id AS dataset_id
FROM k_points
JOIN detectors ON detectors.id = k_points.detector_id
JOIN networks ON networks.id = detectors.network_id
JOIN datasets ON datasets.id = detectors.dataset_id
""",
    [
        _DETECTOR,
        (Text, "case_set partition"),
        (Integer, "k threshold"),
        (Double, "accuracy eer auc"),
        (Integer, "network_id detector_id dataset_id"),
    ],
    key="detector_id case_set partition k",
)

# Adversarial cases of a class pair by the first layer, from the input, where the most frequent class among
# the first k neighbors is not the true class; composed layers and ties are skipped. `layer` NULL: none.
first_divergence = view(
    "first_divergence",
    """
SELECT
    networks.name AS network,
    datasets.name AS dataset,
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
    judged.network_id AS network_id,
    judged.dataset_id AS dataset_id
FROM (
    SELECT
        cases.id AS case_id, cases.network_id AS network_id, cases.dataset_id AS dataset_id,
        cases."partition" AS "partition", cases.true_class AS true_class,
        cases.predicted_class AS predicted_class, decisions.metric AS metric,
        decisions.rule AS rule,
        MIN(CASE WHEN decisions.majority_class <> cases.true_class THEN layers.position END) AS "first"
    FROM cases
    JOIN decisions ON decisions.case_id = cases.id
    JOIN layers ON layers.id = decisions.layer_id AND layers.kind <> 'composed'
    WHERE cases.kind = 'adversarial'
    GROUP BY cases.id, cases.network_id, cases.dataset_id, cases."partition", cases.true_class,
        cases.predicted_class, decisions.metric, decisions.rule
) AS judged
JOIN networks ON networks.id = judged.network_id
JOIN datasets ON datasets.id = judged.dataset_id
LEFT JOIN layers ON layers.network_id = judged.network_id AND layers.position = judged."first"
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = judged.dataset_id AND true_classes."class" = judged.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = judged.dataset_id
    AND predicted_classes."class" = judged.predicted_class
GROUP BY networks.name, datasets.name, judged."partition", judged.metric, judged.rule, true_classes.name,
    predicted_classes.name, layers.name, layers.position, judged.true_class, judged.predicted_class,
    judged.network_id, judged.dataset_id
""",
    [
        (Text, "network dataset partition metric rule true_class predicted_class layer"),
        (Integer, "layer_position cases true_class_id predicted_class_id network_id dataset_id"),
    ],
    key="network_id dataset_id partition metric rule true_class_id predicted_class_id layer_position",
)
