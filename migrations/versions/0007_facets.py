"""Tables to filter and count lists by: case facets, detectors' decisions; saved views.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COUNTED = (
    "kind",
    "method",
    "goal",
    "target_class",
    "true_class",
    "predicted_class",
    "alarms",
    "divergence",
    "confidence",
    "queries",
)
PARTITIONS = "partition IN ('tuning', 'validation', 'checked')"

DECIDED = """decisions.metric = 'euclidean' AND decisions.rule = 'total'"""
OF_CASE = f"""FROM decisions JOIN layers ON layers.id = decisions.layer_id
        WHERE decisions.case_id = cases.id AND {DECIDED}"""

# The next `xpixels tune` or ingest writes the decisions of the baselines and of repair.
FACETS = """
INSERT INTO case_facets
SELECT cases.id, cases.network_id, cases."partition", cases.kind, attacks.method,
    CASE WHEN attacks.id IS NULL THEN NULL WHEN attacks.target_class IS NULL THEN 'untargeted'
        ELSE 'targeted' END,
    attacks.target_class, cases.true_class, cases.predicted_class, cases.confidence, attacks.queries,
    attack_pixels."row", attack_pixels."column",
    CASE WHEN EXISTS (SELECT 1 {of_case}) THEN COALESCE(
        (SELECT {joined}(alarming.name, '+') FROM (
            SELECT layers.name {of_case} AND decisions.alarm ORDER BY layers.position) AS alarming),
        'none') END,
    (SELECT SUM(CASE WHEN decisions.alarm THEN 1 ELSE 0 END) {of_case}),
    CASE WHEN cases.true_class IS NOT NULL AND EXISTS (SELECT 1 {of_case}) THEN COALESCE(
        (SELECT layers.name {of_case} AND layers.name <> 'composed'
            AND decisions.majority_class <> cases.true_class ORDER BY layers.position LIMIT 1),
        'none') END
FROM cases
LEFT JOIN attacks ON attacks.id = cases.attack_id
LEFT JOIN attack_pixels ON attack_pixels.attack_id = cases.attack_id AND attack_pixels.pixel = 0
"""
DECISIONS = f"""
INSERT INTO detector_decisions
SELECT cases.network_id, layers.name, cases."partition", cases.id, decisions.unexpected_count,
    decisions.threshold, decisions.alarm, decisions.outcome, decisions.recovered_class
FROM decisions
JOIN layers ON layers.id = decisions.layer_id
JOIN cases ON cases.id = decisions.case_id
WHERE {DECIDED}
"""
COUNTED_TOGETHER = """method, goal, target_class, true_class, predicted_class, alarms, divergence"""
CELLS = f"""
INSERT INTO facet_cells (network_id, detector, "partition", kind, {COUNTED_TOGETHER},
    outcome, recovered_class, cases)
SELECT case_facets.network_id, layers.name, case_facets."partition", case_facets.kind,
    {", ".join("case_facets." + name for name in COUNTED_TOGETHER.split(", "))},
    detector_decisions.outcome, detector_decisions.recovered_class, COUNT(*)
FROM case_facets
JOIN layers ON layers.network_id = case_facets.network_id AND layers.compared
LEFT JOIN detector_decisions ON detector_decisions.network_id = case_facets.network_id
    AND detector_decisions.detector = layers.name
    AND detector_decisions."partition" = case_facets."partition"
    AND detector_decisions.case_id = case_facets.case_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
"""


def upgrade() -> None:
    op.create_table(
        "case_facets",
        sa.Column("case_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text()),
        sa.Column("goal", sa.Text()),
        sa.Column("target_class", sa.Integer()),
        sa.Column("true_class", sa.Integer()),
        sa.Column("predicted_class", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("queries", sa.Integer()),
        sa.Column("row", sa.Integer()),
        sa.Column("column", sa.Integer()),
        sa.Column("alarms", sa.Text()),
        sa.Column("alarm_count", sa.Integer()),
        sa.Column("divergence", sa.Text()),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_facets"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_facets_case_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_case_facets_network_id"),
        sa.CheckConstraint("kind IN ('clean', 'adversarial', 'unknown')", name=op.f("ck_case_facets_kind")),
        sa.CheckConstraint(PARTITIONS, name=op.f("ck_case_facets_partition")),
        sa.CheckConstraint("goal IN ('targeted', 'untargeted')", name=op.f("ck_case_facets_goal")),
        sa.CheckConstraint(
            "(alarms IS NULL) = (alarm_count IS NULL) AND (alarms = 'none') = (alarm_count = 0)",
            name=op.f("ck_case_facets_alarms"),
        ),
    )
    for name in COUNTED:
        op.create_index(
            f"ix_case_facets_network_id_partition_{name}", "case_facets", ["network_id", "partition", name]
        )
    op.create_table(
        "detector_decisions",
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("detector", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("partition", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column(
            "alarm",
            sa.Boolean(create_constraint=True, name=op.f("ck_detector_decisions_alarm")),
            nullable=False,
        ),
        sa.Column("outcome", sa.Text()),
        sa.Column("recovered_class", sa.Integer()),
        sa.PrimaryKeyConstraint(
            "network_id", "detector", "partition", "case_id", name="pk_detector_decisions"
        ),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name="fk_detector_decisions_network_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name="fk_detector_decisions_case_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(PARTITIONS, name=op.f("ck_detector_decisions_partition")),
        sa.CheckConstraint("outcome IN ('TP', 'FP', 'TN', 'FN')", name=op.f("ck_detector_decisions_outcome")),
        sa.CheckConstraint("alarm = (score > threshold)", name=op.f("ck_detector_decisions_alarm_strict")),
        sa.CheckConstraint(
            "alarm = (outcome IN ('TP', 'FP'))", name=op.f("ck_detector_decisions_outcome_of_alarm")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_detector_decisions_case_id", "detector_decisions", ["case_id"])
    op.create_table(
        "facet_cells",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text()),
        sa.Column("goal", sa.Text()),
        sa.Column("target_class", sa.Integer()),
        sa.Column("true_class", sa.Integer()),
        sa.Column("predicted_class", sa.Integer(), nullable=False),
        sa.Column("alarms", sa.Text()),
        sa.Column("divergence", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("recovered_class", sa.Integer()),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_facet_cells"),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name="fk_facet_cells_network_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("cases > 0", name=op.f("ck_facet_cells_cases")),
    )
    op.create_index(
        "ix_facet_cells_network_id_detector_partition", "facet_cells", ["network_id", "detector", "partition"]
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_views"),
        sa.UniqueConstraint("name", name="uq_saved_views_name"),
        sa.CheckConstraint("length(name) > 0", name=op.f("ck_saved_views_name")),
    )
    op.create_index("ix_annotations_kind_body", "annotations", ["kind", "body"])
    joined = "GROUP_CONCAT" if op.get_bind().dialect.name == "sqlite" else "STRING_AGG"
    op.execute(FACETS.format(of_case=OF_CASE, joined=joined))
    op.execute(DECISIONS)
    op.execute(CELLS)


def downgrade() -> None:
    op.drop_index("ix_annotations_kind_body", "annotations")
    for table in ("saved_views", "facet_cells", "detector_decisions", "case_facets"):
        op.drop_table(table)
