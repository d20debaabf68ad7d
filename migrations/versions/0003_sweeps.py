"""Sweeps: vulnerability maps; of an attack, its variant, its margin, and a sweep's earlier verdict on it.

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

# The settings of every attack and batch before this revision.
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


def upgrade() -> None:
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


def downgrade() -> None:
    op.drop_table("vulnerability_maps")
    drop_unique()
    with op.batch_alter_table("attacks") as attacks:
        attacks.drop_constraint(op.f("ck_attacks_screened"), type_="check")
        for column in ("variant", "margin", "screened"):
            attacks.drop_column(column)
    make_unique(["method"])


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
    """Give old runs the new parameters, with the values they used: parameters identify a batch."""
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
