"""What other networks predict for the adversarial cases of a network.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transfers",
        *[
            sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)
            for name in ("case_id", "network_id", "run_id", "predicted_class")
        ],
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "network_id", name=op.f("pk_transfers")),
        *[
            sa.ForeignKeyConstraint(
                [f"{to}_id"], [f"{to}s.id"], name=op.f(f"fk_transfers_{to}_id"), ondelete="CASCADE"
            )
            for to in ("case", "network")
        ],
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_transfers_run_id")),
        sa.CheckConstraint("predicted_class >= 0", name=op.f("ck_transfers_predicted_class")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_transfers_confidence")),
        sqlite_with_rowid=False,
    )
    for name in ("network_id", "run_id"):
        op.create_index(op.f(f"ix_transfers_{name}"), "transfers", [name])


def downgrade() -> None:
    op.drop_table("transfers")
