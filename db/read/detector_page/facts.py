"""Read queries of the report beyond the detectors' page: counts, class pairs, likeness, repairs, timings."""

from typing import NamedTuple, TypeVar

from sqlalchemy import Engine

from db.read.detector_page.evidence import Question, scope_values
from db.scope import Scope


class CaseCount(NamedTuple):
    """Cases of a set and partition that detectors were evaluated on."""

    case_set: str
    partition: str
    attacked: int
    clean: int
    pairs: int  # attacked ones whose original is known


class FirstLayer(NamedTuple):
    """Attacked cases whose neighbors leave the true class first in this layer; None: in no layer."""

    metric: str
    rule: str
    layer: str | None
    cases: int


class ClassPair(NamedTuple):
    """Attacked cases of a true class that are predicted as another, by the first layer that leaves it."""

    true_class: str
    predicted_class: str
    layer: str | None
    cases: int


class Duplicates(NamedTuple):
    """Pairs of samples that are suspiciously alike, between two splits."""

    split: str
    other_split: str
    pairs: int
    same_picture: int
    other_label: int  # pairs with different labels
    with_case: int  # pairs whose first sample is a case


class HubCount(NamedTuple):
    """Reference samples that are neighbors, in a layer under a metric."""

    layer: str
    metric: str
    references: int  # that are neighbors of any case
    largest: int  # cases that have the most frequent one as a neighbor
    largest_share: float  # the same as a share of all cases
    hubs: int  # references that are neighbors of a tenth of the cases or more


class NearMedian(NamedTuple):
    """Attacks of one variant, which keep the color near the median of the neighbors."""

    variant: str
    attacks: int
    succeeded: int
    repaired: int  # successes where repairing one pixel changes the prediction
    located: int
    recovered_right: int


class RepairCount(NamedTuple):
    """The effects of repairing one pixel on the cases of a kind and partition."""

    partition: str
    kind: str
    cases: int
    changed: int  # the prediction changes
    located: int
    recovered_right: int
    originals_changed: int


class RepairedPixel(NamedTuple):
    """An attacked case, its pixel, and the result of the repair sweep."""

    case_id: int
    png: bytes  # the attacked image
    row: int
    column: int
    score: float
    located: bool
    recovered_right: bool


class StageTime(NamedTuple):
    """Runs of a stage that ended in the same way."""

    stage: str
    status: str
    runs: int
    seconds: float | None


QUESTIONS: dict[type, str] = {
    CaseCount: """
SELECT case_set, "partition", MAX(tp + fn) AS attacked, MAX(fp + tn) AS clean, MAX(pairs) AS pairs
FROM detector_summary
WHERE network_id = :network AND dataset_id = :dataset
GROUP BY case_set, "partition"
ORDER BY case_set, "partition"
""",
    FirstLayer: """
SELECT metric, rule, layer, SUM(cases) AS cases
FROM first_divergence
WHERE network_id = :network AND dataset_id = :dataset AND "partition" = 'validation'
GROUP BY metric, rule, layer, layer_position
ORDER BY layer_position NULLS LAST, metric, rule
""",
    ClassPair: """
SELECT true_class, predicted_class, layer, SUM(cases) AS cases
FROM first_divergence
WHERE network_id = :network AND dataset_id = :dataset AND metric = 'euclidean' AND rule = 'total'
GROUP BY true_class, predicted_class, layer, layer_position
ORDER BY layer_position NULLS LAST
""",
    Duplicates: """
SELECT split, other_split, COUNT(*) AS pairs, COUNT(CASE WHEN same_picture THEN 1 END) AS same_picture,
    COUNT(CASE WHEN NOT same_class THEN 1 END) AS other_label, COUNT(case_id) AS with_case
FROM near_duplicates
WHERE network_id = :network AND dataset_id = :dataset
    AND (activation_distance <= :activation OR pixel_distance <= :pixels)
GROUP BY split, other_split
ORDER BY split, other_split
""",
    # Not from the view `hubs`: it adds each reference's picture and class, which is slow for all of them.
    HubCount: """
SELECT layers.name AS layer, counted.metric, COUNT(*) AS "references", MAX(occurrences) AS largest,
    CAST(MAX(occurrences) AS DOUBLE PRECISION) / MAX(whole.cases) AS largest_share,
    COUNT(CASE WHEN 10 * occurrences >= whole.cases THEN 1 END) AS hubs
FROM (
    SELECT layer_id, metric, reference_sample_id, COUNT(*) AS occurrences
    FROM neighbors
    GROUP BY layer_id, metric, reference_sample_id
) AS counted
JOIN layers ON layers.id = counted.layer_id
JOIN reference_samples ON reference_samples.id = counted.reference_sample_id
CROSS JOIN (
    SELECT COUNT(*) AS cases FROM cases WHERE network_id = :network AND dataset_id = :dataset
) AS whole
WHERE layers.network_id = :network AND reference_samples.dataset_id = :dataset
GROUP BY layers.name, counted.metric, layers.position
ORDER BY counted.metric, layers.position
""",
    NearMedian: """
SELECT variant, COUNT(*) AS attacks, COUNT(CASE WHEN succeeded THEN 1 END) AS succeeded,
    COUNT(CASE WHEN succeeded AND score > 0 THEN 1 END) AS repaired,
    COUNT(CASE WHEN succeeded AND score > 0 AND located THEN 1 END) AS located,
    COUNT(CASE WHEN succeeded AND score > 0 AND recovered_right THEN 1 END) AS recovered_right
FROM near_median_attacks
WHERE network_id = :network AND dataset_id = :dataset
GROUP BY variant
ORDER BY MIN(attack_id)
""",
    RepairCount: """
SELECT "partition", kind, COUNT(*) AS cases, COUNT(CASE WHEN score > 0 THEN 1 END) AS changed,
    COUNT(CASE WHEN located THEN 1 END) AS located,
    COUNT(CASE WHEN recovered_right THEN 1 END) AS recovered_right,
    COUNT(CASE WHEN original_score > 0 THEN 1 END) AS originals_changed
FROM case_repairs
WHERE network_id = :network AND dataset_id = :dataset
GROUP BY "partition", kind
ORDER BY "partition", kind
""",
    RepairedPixel: """
SELECT case_repairs.case_id, images.png, attack_pixels."row", attack_pixels."column", case_repairs.score,
    case_repairs.located, case_repairs.recovered_right
FROM case_repairs
JOIN cases ON cases.id = case_repairs.case_id
JOIN images ON images.id = cases.image_id
JOIN attack_pixels ON attack_pixels.attack_id = cases.attack_id AND attack_pixels.pixel = 0
WHERE case_repairs.network_id = :network AND case_repairs.dataset_id = :dataset
    AND case_repairs."partition" = 'validation'
ORDER BY case_repairs.case_id
""",
    StageTime: """
SELECT stage, status, COUNT(*) AS runs, SUM(seconds) AS seconds
FROM runs
WHERE (network_id = :network AND dataset_id = :dataset) OR network_id IS NULL
GROUP BY stage, status
ORDER BY MIN(id)
""",
}


T = TypeVar("T")


def facts(engine: Engine, kind: type[T], scope: Scope | None, **values: float) -> list[T]:
    """The rows of one of this module's types, for a network on a data set.

    `values`: other parameters of its query, such as `activation` and `pixels` of `Duplicates`.
    """
    question = fact_question(kind, scope, **values)
    with engine.connect() as connection:
        return [kind(*row) for row in question.ask(connection)]


def fact_question(kind: type, scope: Scope | None, **values: float) -> Question:
    """The query for such rows."""
    return Question(QUESTIONS[kind].strip(), scope_values(scope) | values)
