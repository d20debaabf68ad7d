"""Repair sweeps: what becomes of the network's answer when one pixel at a time is repaired.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CASE_REPAIRS = """
SELECT
    cases.id AS case_id,
    networks.name AS network,
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
    cases.network_id AS network_id
FROM cases
JOIN repairs ON repairs.network_id = cases.network_id AND repairs.image_id = cases.image_id
JOIN networks ON networks.id = cases.network_id
JOIN samples ON samples.id = cases.sample_id
LEFT JOIN repairs AS originals
    ON originals.network_id = cases.network_id AND originals.image_id = samples.image_id
LEFT JOIN classes AS true_classes
    ON true_classes.dataset_id = samples.dataset_id AND true_classes."class" = cases.true_class
LEFT JOIN classes AS predicted_classes
    ON predicted_classes.dataset_id = samples.dataset_id AND predicted_classes."class" = cases.predicted_class
LEFT JOIN classes AS recovered_classes
    ON recovered_classes.dataset_id = samples.dataset_id
    AND recovered_classes."class" = repairs.recovered_class
"""


def upgrade() -> None:
    whole = ("row", "column", "recovered_class")
    op.create_table(
        "repairs",
        *[
            sa.Column(column, sa.Integer, nullable=False)
            for column in ("id", "run_id", "network_id", "image_id", "predicted_class")
        ],
        *[sa.Column(column, sa.LargeBinary, nullable=False) for column in ("margins", "classes")],
        sa.Column("score", sa.Double, nullable=False),
        *[sa.Column(column, sa.Integer, nullable=False) for column in whole],
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repairs")),
        sa.UniqueConstraint("network_id", "image_id", name=op.f("uq_repairs_network_id_image_id")),
        sa.CheckConstraint('"row" >= 0 AND "column" >= 0', name=op.f("ck_repairs_position")),
        sa.CheckConstraint(
            "predicted_class >= 0 AND recovered_class >= 0 AND recovered_class <> predicted_class",
            name=op.f("ck_repairs_classes"),
        ),
        *[
            sa.ForeignKeyConstraint([f"{to}_id"], [f"{to}s.id"], name=op.f(f"fk_repairs_{to}_id"))
            for to in ("run", "network", "image")
        ],
    )
    for column in ("run_id", "image_id"):
        op.create_index(op.f(f"ix_repairs_{column}"), "repairs", [column])
    op.execute(f"CREATE VIEW case_repairs AS {CASE_REPAIRS}")


def downgrade() -> None:
    op.execute("DROP VIEW case_repairs")
    op.drop_table("repairs")
