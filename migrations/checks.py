"""Set the values that a column may hold, in every table that has it: for a new metric or rule.

from migrations.checks import allow

def upgrade() -> None:
    allow("metric", ("euclidean", "cosine", "centered-cosine", "manhattan", "chebyshev", "new"))
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def allow(column: str, values: Sequence[str]) -> None:
    """Let a column hold these values and no others, in each table that has a constraint `ck_TABLE_COLUMN`.

    Existing rows are checked; SQLite rebuilds the tables for it.
    """
    inspector = sa.inspect(op.get_bind())
    listed = ", ".join(f"'{value}'" for value in values)
    for table in inspector.get_table_names():
        name = f"ck_{table}_{column}"
        if any(check["name"] == name for check in inspector.get_check_constraints(table)):
            with op.batch_alter_table(table) as batch:
                batch.drop_constraint(op.f(name), type_="check")
                batch.create_check_constraint(op.f(name), f"{column} IN ({listed})")
