"""Batches with names; a network's prediction for every image; names of files; a database's identity.

Revision ID: 0010
Revises: 0009
"""

import json
from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The parameters of a run that identify its batch.
IDENTITY = ("dataset", "attack", "targets", "screen", "levels", "pixels", "population", "generations")
IDENTITY += ("strategy", "crossover_rate", "start", "seed", "weight")
ALL_TEST = "attack all"  # the stage that attacks every test image, and makes no cases
STAGES = ("attack", "cases", ALL_TEST)

FILTERS = ("batch_id", "seed", "pixel_count")
OF_CASES = """UPDATE case_facets SET
    batch_id = (SELECT runs.batch_id FROM cases JOIN runs ON runs.id = cases.run_id
        WHERE cases.id = case_facets.case_id),
    pixel_count = (SELECT attacks.pixel_count FROM cases JOIN attacks ON attacks.id = cases.attack_id
        WHERE cases.id = case_facets.case_id)"""
SEEDS = "UPDATE case_facets SET seed = (SELECT seed FROM batches WHERE batches.id = case_facets.batch_id)"
ALIKE = """kind, method, goal, target_class, true_class, predicted_class, alarms, divergence, batch_id, seed,
    pixel_count"""
CELLS = f"""
INSERT INTO facet_cells (network_id, detector, "partition", {ALIKE}, outcome, recovered_class, cases)
SELECT case_facets.network_id, shown.detector, case_facets."partition",
    {", ".join(f"case_facets.{name.strip()}" for name in ALIKE.split(","))},
    detector_decisions.outcome, detector_decisions.recovered_class, COUNT(*)
FROM case_facets
JOIN (
    SELECT layers.network_id AS network_id, layers.name AS detector FROM layers WHERE layers.compared
    UNION SELECT network_id, detector FROM detector_decisions
) AS shown ON shown.network_id = case_facets.network_id
LEFT JOIN detector_decisions ON detector_decisions.network_id = case_facets.network_id
    AND detector_decisions.detector = shown.detector
    AND detector_decisions."partition" = case_facets."partition"
    AND detector_decisions.case_id = case_facets.case_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
"""


def upgrade() -> None:
    make_identity()
    make_batches()
    make_predictions()
    with op.batch_alter_table("samples", recreate="auto" if is_server() else "always") as table:
        table.add_column(sa.Column("name", sa.Text()))
    for name in ("case_facets", "facet_cells"):
        with op.batch_alter_table(name) as table:
            for column in FILTERS:
                table.add_column(sa.Column(column, sa.Integer()))
            table.create_foreign_key(op.f(f"fk_{name}_batch_id"), "batches", ["batch_id"], ["id"])
    for column in FILTERS:
        index = f"ix_case_facets_network_id_partition_{column}"
        op.create_index(index, "case_facets", ["network_id", "partition", column])
    op.create_index("ix_facet_cells_batch_id", "facet_cells", ["batch_id"])
    op.execute(OF_CASES)
    op.execute(SEEDS)
    op.execute("DELETE FROM facet_cells")
    op.execute(CELLS)


def downgrade() -> None:
    op.drop_index("ix_facet_cells_batch_id", "facet_cells")
    for column in FILTERS:
        op.drop_index(f"ix_case_facets_network_id_partition_{column}", "case_facets")
    for name in ("case_facets", "facet_cells"):
        with op.batch_alter_table(name) as table:
            table.drop_constraint(op.f(f"fk_{name}_batch_id"), type_="foreignkey")
            for column in FILTERS:
                table.drop_column(column)
    with op.batch_alter_table("samples") as table:
        table.drop_column("name")
    op.drop_table("predictions")
    op.drop_index("ix_runs_batch_id", "runs")
    with op.batch_alter_table("runs") as table:
        table.drop_constraint(op.f("fk_runs_batch_id"), type_="foreignkey")
        table.drop_column("batch_id")
    op.drop_table("batches")
    op.drop_table("database_identity")


def is_server() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_identity() -> None:
    table = op.create_table(
        "database_identity",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_database_identity"),
        sa.CheckConstraint("id = 1", name=op.f("ck_database_identity_id")),
    )
    op.bulk_insert(table, [{"id": 1, "uuid": str(uuid4()), "created_at": now()}])


def make_batches() -> None:
    batches = op.create_table(
        "batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("pixel_count", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_batches_network_id"),
        sa.UniqueConstraint("network_id", "name", name="uq_batches_network_id_name"),
        sa.CheckConstraint("length(name) > 0", name=op.f("ck_batches_name")),
        sa.CheckConstraint("pixel_count >= 1", name=op.f("ck_batches_pixel_count")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("batch_id", sa.Integer()))
        table.create_foreign_key(op.f("fk_runs_batch_id"), "batches", ["batch_id"], ["id"])
    op.create_index("ix_runs_batch_id", "runs", ["batch_id"])
    fill_batches(batches)


def fill_batches(batches: sa.Table) -> None:
    """Put runs with the same parameters into one batch."""
    columns = [sa.column(name) for name in ("id", "network_id", "stage", "started_at", "batch_id")]
    runs = sa.table("runs", *columns, sa.column("parameters", sa.JSON))
    connection, known = op.get_bind(), {}
    query = sa.select(runs).where(runs.c.stage.in_(STAGES)).order_by(runs.c.id)
    for run in connection.execute(query).all():
        if run.network_id is None:
            continue
        same = {name: run.parameters.get(name) for name in IDENTITY}
        if run.stage == ALL_TEST:
            same["all_test"] = True
        key = run.network_id, json.dumps(same, sort_keys=True)
        if key not in known:
            row = {
                "network_id": run.network_id,
                "name": f"batch {len(known) + 1}",
                "parameters": same,
                "method": same["attack"] or "unknown",
                "pixel_count": same["pixels"] or 1,
                "seed": same["seed"] or 0,
                "created_at": run.started_at,
            }
            known[key] = connection.execute(batches.insert(), row).inserted_primary_key[0]
        connection.execute(runs.update().where(runs.c.id == run.id).values(batch_id=known[key]))


def make_predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("predicted_class", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("logits", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("network_id", "split", "position", name="pk_predictions"),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name="fk_predictions_network_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_predictions_run_id"),
        sa.CheckConstraint("split IN ('train', 'test')", name=op.f("ck_predictions_split")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_predictions_position")),
        sa.CheckConstraint("label >= 0 AND predicted_class >= 0", name=op.f("ck_predictions_classes")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_predictions_confidence")),
    )
    op.create_index("ix_predictions_run_id", "predictions", ["run_id"])
