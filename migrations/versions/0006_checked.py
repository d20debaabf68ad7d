"""Images from outside as cases: kind unknown, partition checked, no true class, decisions without outcome.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OLD = {"kind": ("clean", "adversarial"), "partition": ("tuning", "validation")}
NEW = {"kind": (*OLD["kind"], "unknown"), "partition": (*OLD["partition"], "checked")}
UNKNOWN = """(kind = 'unknown') = ("partition" = 'checked') AND (kind = 'unknown') = (true_class IS NULL)"""
OWNED = ("class_scores", "case_activations", "neighbors", "decisions", "annotations")  # by a case


def upgrade() -> None:
    change(NEW, nullable=True)


def downgrade() -> None:
    for name in OWNED:
        op.execute(f"DELETE FROM {name} WHERE case_id IN (SELECT id FROM cases WHERE kind = 'unknown')")
    op.execute("DELETE FROM cases WHERE kind = 'unknown'")
    change(OLD, nullable=False)


def change(words: dict[str, tuple[str, ...]], *, nullable: bool) -> None:
    connection = op.get_bind()
    last = None
    if connection.dialect.name == "sqlite":
        last = connection.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'cases'"))
    with op.batch_alter_table("cases", table_kwargs={"sqlite_autoincrement": True}) as table:
        for column, values in words.items():
            table.drop_constraint(op.f(f"ck_cases_{column}"), type_="check")
            table.create_check_constraint(op.f(f"ck_cases_{column}"), f"{column} IN {values}")
        table.alter_column("true_class", existing_type=sa.Integer(), nullable=nullable)
        if nullable:
            table.create_check_constraint(op.f("ck_cases_unknown"), UNKNOWN)
        else:
            table.drop_constraint(op.f("ck_cases_unknown"), type_="check")
    with op.batch_alter_table("decisions", table_kwargs={"sqlite_with_rowid": False}) as table:
        table.alter_column("outcome", existing_type=sa.Text(), nullable=nullable)
    if last is not None:  # the id of a deleted case is not used again
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'cases'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('cases', {int(last)})")
