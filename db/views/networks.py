"""Views of networks beside one another: `network_results`, `transfer_matrix`.

Conventions as in db.views.cases.
"""

from sqlalchemy import BigInteger, Double, Integer, Text

from db.tables.columns import view

# Which images count: a batch leaves out images that earlier ones made cases of, so after another kind of
# attack it meets those that have withstood it. Batches of the same method as the first one together leave out
# none that they tried: a sample of the images that the network gets right. The stage that attacks every image
# leaves out none, either.
_UNBIASED = "runs.stage = 'attack all' OR made.method = first.method"


def _first_batch(of: str) -> str:
    """Joins of the run of a row of the table, its batch, and the first batch of network and data set."""
    return f"""JOIN runs ON runs.id = {of}.run_id
        LEFT JOIN batches AS made ON made.id = runs.batch_id
        LEFT JOIN batches AS first ON first.id = (
            SELECT MIN(batches.id)
            FROM batches
            WHERE batches.network_id = {of}.network_id AND batches.dataset_id = samples.dataset_id
        )"""


# An image falls if some position and color of any set fools the network. Clean cases of the first batch were
# chosen before any attack, so they count whatever they were swept for.
_SWEPT = f"""
    SELECT
        one.network_id, one.dataset_id, COUNT(*) AS images, SUM(one.fallen) AS fallen,
        AVG(one.positions) AS positions, AVG(one.share) AS share
    FROM (
        SELECT
            vulnerability_maps.network_id AS network_id, samples.dataset_id AS dataset_id,
            MAX(CASE WHEN vulnerability_maps.best_margin > 0 THEN 1 ELSE 0 END) AS fallen,
            MAX(CAST(vulnerability_maps.vulnerable_positions AS DOUBLE PRECISION)) AS positions,
            MAX(
                CAST(vulnerability_maps.vulnerable_positions AS DOUBLE PRECISION)
                / (vulnerability_maps.height * vulnerability_maps.width)
            ) AS share
        FROM vulnerability_maps
        JOIN samples ON samples.id = vulnerability_maps.sample_id
        {_first_batch("vulnerability_maps")}
        LEFT JOIN cases
            ON cases.network_id = vulnerability_maps.network_id AND cases.dataset_id = samples.dataset_id
            AND cases.sample_id = samples.id AND cases.kind = 'clean'
        LEFT JOIN runs AS chosen ON chosen.id = cases.run_id
        WHERE {_UNBIASED} OR chosen.batch_id = first.id
        GROUP BY vulnerability_maps.network_id, samples.dataset_id, samples.id
    ) AS one
    GROUP BY one.network_id, one.dataset_id"""

# Untargeted attacks of one pixel by differential evolution, without a sweep before them, of the largest
# budget that was used.
_EVOLVED = f"""
    SELECT
        one.network_id, one.dataset_id, one.budget, COUNT(*) AS images, SUM(one.fallen) AS fallen
    FROM (
        SELECT
            attacks.network_id AS network_id, samples.dataset_id AS dataset_id, attacks.budget AS budget,
            MAX(CASE WHEN attacks.succeeded THEN 1 ELSE 0 END) AS fallen,
            MAX(attacks.budget) OVER (PARTITION BY attacks.network_id, samples.dataset_id) AS largest
        FROM attacks
        JOIN samples ON samples.id = attacks.sample_id
        {_first_batch("attacks")}
        WHERE ({_UNBIASED}) AND attacks.method = 'differential-evolution' AND attacks.target_class IS NULL
            AND attacks.pixel_count = 1 AND attacks.screened IS NULL
        GROUP BY attacks.network_id, samples.dataset_id, attacks.sample_id, attacks.budget
    ) AS one
    WHERE one.budget = one.largest
    GROUP BY one.network_id, one.dataset_id, one.budget"""

# Of sweeps the maps count, as their attacks share the queries of an image.
_RATE = """
    SELECT
        spent.network_id, spent.dataset_id,
        SUM(spent.queries) / NULLIF(SUM(spent.seconds), 0) AS rate
    FROM (
        SELECT
            vulnerability_maps.network_id AS network_id, samples.dataset_id AS dataset_id,
            CAST(vulnerability_maps.queries AS DOUBLE PRECISION) AS queries,
            vulnerability_maps.seconds AS seconds
        FROM vulnerability_maps
        JOIN samples ON samples.id = vulnerability_maps.sample_id
        UNION ALL
        SELECT
            attacks.network_id, samples.dataset_id, CAST(attacks.queries AS DOUBLE PRECISION),
            attacks.seconds
        FROM attacks
        JOIN samples ON samples.id = attacks.sample_id
        WHERE attacks.method <> 'corner-sweep'
    ) AS spent
    GROUP BY spent.network_id, spent.dataset_id"""


def _best(by: str, kind: str | None = None) -> str:
    """The detector with the largest value on the validation cases, at the point that tuning chose."""
    of_kind = f" AND detectors.kind = '{kind}'" if kind else ""
    return f"""
    SELECT ranked.*
    FROM (
        SELECT
            detectors.network_id AS network_id, detectors.dataset_id AS dataset_id,
            detectors.name AS name, evaluations.{by} AS value, evaluations.{by}_low AS low,
            evaluations.{by}_high AS high,
            ROW_NUMBER() OVER (
                PARTITION BY detectors.network_id, detectors.dataset_id
                ORDER BY evaluations.{by} DESC, detectors.id
            ) AS place
        FROM evaluations
        JOIN detectors ON detectors.id = evaluations.detector_id
        WHERE evaluations.how_chosen = 'tuning' AND evaluations."partition" = 'validation'
            AND evaluations.case_set = 'all' AND evaluations.{by} IS NOT NULL{of_kind}
    ) AS ranked
    WHERE ranked.place = 1"""


_BEST = {  # prefix of the columns -> the query
    "neighbors": _best("auc", "neighbors"),
    "repair": _best("auc", "repair"),
    "baseline": _best("auc", "baseline"),
    "recovered": _best("recovered"),
}
_BEST_COLUMNS = "".join(
    f"""
    {name}.name AS {name}_detector,
    {name}.value AS {name}{"" if name == "recovered" else "_auc"},
    {name}.low AS {name}_low,
    {name}.high AS {name}_high,"""
    for name in _BEST
)


def _joined(name: str, query: str) -> str:
    return f"""
LEFT JOIN ({query}
) AS {name} ON {name}.network_id = pairs.network_id AND {name}.dataset_id = pairs.dataset_id"""


# One row a network and data set. Counts are 0 and shares NULL where nothing was measured. Of detectors the
# best of each kind on the validation cases, where k and threshold come from the tuning cases; `recovered` is
# the largest share of adversarial cases whose true class a detector names.
network_results = view(
    "network_results",
    f"""
SELECT
    networks.name AS network,
    datasets.name AS dataset,
    sizes.height AS height,
    sizes.width AS width,
    counted.classes AS classes,
    CAST(networks.description ->> 'parameters' AS BIGINT) AS parameters,
    CAST(networks.description ->> 'multiply_adds' AS BIGINT) AS multiply_adds,
    COALESCE(predicted.accuracy, pairs.test_accuracy) AS test_accuracy,
    COALESCE(predicted.images, 0) AS test_images,
    COALESCE(swept.images, 0) AS swept_images,
    COALESCE(swept.fallen, 0) AS swept_fallen,
    swept.positions AS vulnerable_positions,
    swept.share AS vulnerable_share,
    COALESCE(evolved.images, 0) AS evolved_images,
    COALESCE(evolved.fallen, 0) AS evolved_fallen,
    evolved.budget AS evolved_budget,{_BEST_COLUMNS}
    rates.rate AS evaluations_per_second,
    COALESCE(made.cases, 0) AS cases,
    COALESCE(made.adversarial, 0) AS adversarial_cases,
    ended.finished_at AS last_run_at,
    pairs.network_id AS network_id,
    pairs.dataset_id AS dataset_id
FROM network_datasets AS pairs
JOIN networks ON networks.id = pairs.network_id
JOIN datasets ON datasets.id = pairs.dataset_id
LEFT JOIN (
    SELECT samples.dataset_id AS dataset_id, MAX(images.height) AS height, MAX(images.width) AS width
    FROM (
        SELECT samples.dataset_id AS dataset_id, MIN(samples.id) AS first
        FROM samples
        GROUP BY samples.dataset_id
    ) AS firsts
    JOIN samples ON samples.id = firsts.first
    JOIN images ON images.id = samples.image_id
    GROUP BY samples.dataset_id
) AS sizes ON sizes.dataset_id = pairs.dataset_id
LEFT JOIN (
    SELECT classes.dataset_id AS dataset_id, COUNT(*) AS classes FROM classes GROUP BY classes.dataset_id
) AS counted ON counted.dataset_id = pairs.dataset_id
LEFT JOIN (
    SELECT
        predictions.network_id AS network_id, predictions.dataset_id AS dataset_id, COUNT(*) AS images,
        AVG(CASE WHEN predictions.predicted_class = predictions.label THEN 1.0 ELSE 0.0 END) AS accuracy
    FROM predictions
    WHERE predictions.split = 'test'
    GROUP BY predictions.network_id, predictions.dataset_id
) AS predicted ON predicted.network_id = pairs.network_id AND predicted.dataset_id = pairs.dataset_id
LEFT JOIN (
    SELECT
        cases.network_id AS network_id, cases.dataset_id AS dataset_id, COUNT(*) AS cases,
        SUM(CASE WHEN cases.kind = 'adversarial' THEN 1 ELSE 0 END) AS adversarial
    FROM cases
    WHERE cases.kind <> 'unknown'
    GROUP BY cases.network_id, cases.dataset_id
) AS made ON made.network_id = pairs.network_id AND made.dataset_id = pairs.dataset_id
LEFT JOIN (
    SELECT runs.network_id AS network_id, runs.dataset_id AS dataset_id, MAX(runs.finished_at) AS finished_at
    FROM runs
    GROUP BY runs.network_id, runs.dataset_id
) AS ended ON ended.network_id = pairs.network_id AND ended.dataset_id = pairs.dataset_id{
        _joined("swept", _SWEPT)
        + _joined("evolved", _EVOLVED)
        + _joined("rates", _RATE)
        + "".join(_joined(name, query) for name, query in _BEST.items())
    }
""",
    [
        (Text, "network dataset"),
        (Integer, "height width classes"),
        (BigInteger, "parameters multiply_adds"),
        (Double, "test_accuracy"),
        (Integer, "test_images swept_images swept_fallen"),
        (Double, "vulnerable_positions vulnerable_share"),
        (Integer, "evolved_images evolved_fallen evolved_budget"),
        *(
            pair
            for name in _BEST
            for pair in (
                (Text, f"{name}_detector"),
                (Double, f"{name}{'' if name == 'recovered' else '_auc'} {name}_low {name}_high"),
            )
        ),
        (Double, "evaluations_per_second"),
        (Integer, "cases adversarial_cases"),
        (Text, "last_run_at"),
        (Integer, "network_id dataset_id"),
    ],
    key="network_id dataset_id",
)

# Adversarial cases of one network as another one answers them, on the same data set. Of those whose original
# the other network gets right: `fooled` where it answers another class than the true one, `same_class` where
# it answers what the network answers that the attack was made for.
transfer_matrix = view(
    "transfer_matrix",
    """
SELECT
    networks.name AS network,
    others.name AS other_network,
    datasets.name AS dataset,
    COUNT(*) AS cases,
    SUM(CASE WHEN predictions.predicted_class = cases.true_class THEN 1 ELSE 0 END) AS right_before,
    SUM(
        CASE
            WHEN predictions.predicted_class = cases.true_class
                AND transfers.predicted_class <> cases.true_class THEN 1
            ELSE 0
        END
    ) AS fooled,
    SUM(
        CASE
            WHEN predictions.predicted_class = cases.true_class
                AND transfers.predicted_class = cases.predicted_class THEN 1
            ELSE 0
        END
    ) AS same_class,
    cases.network_id AS network_id,
    transfers.network_id AS other_network_id,
    cases.dataset_id AS dataset_id
FROM transfers
JOIN cases ON cases.id = transfers.case_id
JOIN samples ON samples.id = cases.sample_id
JOIN networks ON networks.id = cases.network_id
JOIN networks AS others ON others.id = transfers.network_id
JOIN datasets ON datasets.id = cases.dataset_id
LEFT JOIN predictions
    ON predictions.network_id = transfers.network_id AND predictions.dataset_id = cases.dataset_id
    AND predictions.split = samples.split AND predictions."position" = samples."position"
GROUP BY networks.name, others.name, datasets.name, cases.network_id, transfers.network_id, cases.dataset_id
""",
    [
        (Text, "network other_network dataset"),
        (Integer, "cases right_before fooled same_class network_id other_network_id dataset_id"),
    ],
    key="network_id other_network_id dataset_id",
)
