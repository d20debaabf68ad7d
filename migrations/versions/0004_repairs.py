"""Repair sweeps: the network's answers when one pixel at a time is repaired.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    op.drop_table("repairs")
