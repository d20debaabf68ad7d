"""Sweeps: vulnerability maps; how an attack searched, how near it came, what a sweep had said of it before.

Revision ID: 0003
Revises: 0002
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What every attack and batch before this revision did.
VARIANT = "rand/1 F 0.5-1 CR 1, uniform start, clip, log-probability"
PARAMETERS = {
    "strategy": "rand/1",
    "weight": [0.5, 1.0],
    "crossover_rate": 1.0,
    "start": "uniform",
    "screen": None,
    "levels": 2,
}
UNIQUE = {
    "uq_attacks_targeted": ("target_class IS NOT NULL", ["target_class"]),
    "uq_attacks_untargeted": ("target_class IS NULL", []),
}

VIEWS = {
    "attack_matrix": """
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
LEFT JOIN vulnerability_maps
    ON vulnerability_maps.network_id = cases.network_id AND vulnerability_maps.sample_id = cases.sample_id
    AND vulnerability_maps.variant = 'corners'
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
    "vulnerability": """
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
    vulnerability_maps.network_id AS network_id
FROM vulnerability_maps
JOIN networks ON networks.id = vulnerability_maps.network_id
JOIN samples ON samples.id = vulnerability_maps.sample_id
JOIN datasets ON datasets.id = samples.dataset_id
JOIN images ON images.id = samples.image_id
LEFT JOIN cases
    ON cases.network_id = vulnerability_maps.network_id AND cases.sample_id = vulnerability_maps.sample_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = samples.label
""",
}
OLD_VIEWS = {
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
}


def upgrade() -> None:
    for name in OLD_VIEWS:
        op.execute(f"DROP VIEW {name}")
    drop_unique()
    with op.batch_alter_table("attacks") as attacks:
        attacks.add_column(sa.Column("variant", sa.Text))
        attacks.add_column(sa.Column("margin", sa.Double))
        attacks.add_column(sa.Column("screened", sa.Text))
        attacks.create_check_constraint(op.f("ck_attacks_screened"), "screened IN ('reachable', 'undecided')")
    op.execute(sa.text("UPDATE attacks SET variant = :variant").bindparams(variant=VARIANT))
    with op.batch_alter_table("attacks") as attacks:
        attacks.alter_column("variant", existing_type=sa.Text, nullable=False)
    make_unique(["method", "variant"])
    extend_parameters()
    make_maps()
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("vulnerability_maps")
    drop_unique()
    with op.batch_alter_table("attacks") as attacks:
        attacks.drop_constraint(op.f("ck_attacks_screened"), type_="check")
        for column in ("variant", "margin", "screened"):
            attacks.drop_column(column)
    make_unique(["method"])
    for name, select in OLD_VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop_unique() -> None:
    for name in UNIQUE:
        op.drop_index(name, "attacks")


def make_unique(how: list[str]) -> None:
    for name, (condition, target) in UNIQUE.items():
        where = sa.text(condition)
        op.create_index(
            name,
            "attacks",
            ["network_id", "sample_id", *how, *target, "pixel_count", "population", "budget", "seed"],
            unique=True,
            sqlite_where=where,
            postgresql_where=where,
        )


def extend_parameters() -> None:
    """Batches are told apart by parameters: the new ones say what the old runs did."""
    runs = sa.table("runs", sa.column("id", sa.Integer), sa.column("stage"), sa.column("parameters", sa.JSON))
    connection = op.get_bind()
    query = sa.select(runs.c.id, runs.c.parameters).where(runs.c.stage.in_(["attack", "cases"]))
    for id_, parameters in connection.execute(query).all():
        new = json.loads(json.dumps({**PARAMETERS, **parameters}))
        connection.execute(runs.update().where(runs.c.id == id_).values(parameters=new))


def make_maps() -> None:
    def name(kind: str, rest: str) -> str:
        return op.f(f"{kind}_vulnerability_maps_{rest}")

    whole = ("height", "width", "vulnerable_positions", "reached_classes", "queries")
    op.create_table(
        "vulnerability_maps",
        *[
            sa.Column(column, sa.Integer, nullable=False)
            for column in ("id", "run_id", "network_id", "sample_id")
        ],
        sa.Column("variant", sa.Text, nullable=False),
        *[sa.Column(column, sa.Integer, nullable=False) for column in whole[:2]],
        *[sa.Column(column, sa.LargeBinary, nullable=False) for column in ("margins", "classes", "colors")],
        sa.Column("best_margin", sa.Double, nullable=False),
        *[sa.Column(column, sa.Integer, nullable=False) for column in whole[2:]],
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name=name("pk", "")[:-1]),
        sa.UniqueConstraint(
            "network_id", "sample_id", "variant", name=name("uq", "network_id_sample_id_variant")
        ),
        sa.CheckConstraint("height > 0 AND width > 0", name=name("ck", "size")),
        sa.CheckConstraint(
            "vulnerable_positions BETWEEN 0 AND height * width", name=name("ck", "vulnerable_positions")
        ),
        sa.CheckConstraint("(vulnerable_positions > 0) = (best_margin > 0)", name=name("ck", "vulnerable")),
        sa.CheckConstraint("queries >= 0 AND seconds >= 0", name=name("ck", "queries")),
        *[
            sa.ForeignKeyConstraint([f"{to}_id"], [f"{to}s.id"], name=name("fk", f"{to}_id"))
            for to in ("run", "network", "sample")
        ],
    )
    for column in ("run_id", "sample_id"):
        op.create_index(name("ix", column), "vulnerability_maps", [column])
