"""Every row leads to its run: new `run_id` columns, and `searches`, to which neighbors belong.

Older rows get their run where it is certain, and otherwise none.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NO_ROWID = {"sqlite_with_rowid": False}
TABLES = {  # that get a run, with the options that SQLite needs again to rebuild them
    "reference_samples": {},
    "near_duplicate_pairs": NO_ROWID,
    "originals": {},
    "original_activations": {},
    "operating_points": NO_ROWID,
    "decisions": NO_ROWID,
    "detectors": {},
}
METRICS = ("euclidean", "cosine", "centered-cosine", "manhattan", "chebyshev")
SEARCHED = {"case": "neighbors", "original": "original_neighbors"}


class Run(NamedTuple):
    """A row of `runs`."""

    id: int
    network_id: int
    stage: str
    status: str
    parameters: dict

    def names(self, kind: str, name: str) -> bool:
        """Whether its parameters list the name among its layers, metrics or rules."""
        return name in self.parameters.get(kind, ())


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("searched", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Integer()),
        sa.PrimaryKeyConstraint("case_id", "layer_id", "metric", "searched", name="pk_searches"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_searches_case_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["layer_id"], ["layers.id"], name="fk_searches_layer_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_searches_run_id"),
        sa.CheckConstraint(f"metric IN {METRICS}", name=op.f("ck_searches_metric")),
        sa.CheckConstraint("searched IN ('case', 'original')", name=op.f("ck_searches_searched")),
        **NO_ROWID,
    )
    op.create_index("ix_searches_run_id", "searches", ["run_id"])
    for name, options in TABLES.items():
        with op.batch_alter_table(name, table_kwargs=options) as table:
            table.add_column(sa.Column("run_id", sa.Integer()))
            table.create_foreign_key(op.f(f"fk_{name}_run_id"), "runs", ["run_id"], ["id"])
        op.create_index(f"ix_{name}_run_id", name, ["run_id"])
    for searched, table in SEARCHED.items():
        op.execute(
            "INSERT INTO searches (case_id, layer_id, metric, searched) "
            f"SELECT case_id, layer_id, metric, '{searched}' FROM {table} WHERE \"rank\" = 1"
        )
    fill()


def downgrade() -> None:
    for name, options in TABLES.items():
        op.drop_index(f"ix_{name}_run_id", name)
        with op.batch_alter_table(name, table_kwargs=options) as table:
            table.drop_constraint(op.f(f"fk_{name}_run_id"), type_="foreignkey")
            table.drop_column("run_id")
    op.drop_table("searches")


def fill() -> None:
    """Set the run of older rows where only one run can have written them."""
    columns = [sa.column("id"), sa.column("network_id"), sa.column("stage"), sa.column("status")]
    query = sa.table("runs", *columns, sa.column("parameters", sa.JSON)).select().order_by(columns[0])
    by_stage: dict[tuple[int, str], list[Run]] = {}
    for row in op.get_bind().execute(query):
        by_stage.setdefault((row.network_id, row.stage), []).append(Run(*row))
    for network in op.get_bind().scalars(sa.text("SELECT id FROM networks")).all():
        for stage, table in (("reference", "reference_samples"), ("near-duplicates", "near_duplicate_pairs")):
            first = by_stage.get((network, stage), [])[:1]
            if first and first[0].status == "done":  # it left no rows to later runs
                execute(f"UPDATE {table} SET run_id = :run WHERE network_id = :network", first[0])
        fill_cases(network, by_stage)
        tunings = by_stage.get((network, "tuning"), [])
        for layer, layer_id in layers(network):
            fill_layer(layer, layer_id, by_stage.get((network, "neighbors"), []), tunings)
    op.execute(
        "UPDATE detectors SET run_id = "
        "(SELECT MAX(run_id) FROM evaluations WHERE evaluations.detector_id = detectors.id)"
    )


OF_CASES = """case_id IN (SELECT id FROM cases
    WHERE network_id = :network AND run_id > :after AND run_id < :run)"""


def fill_cases(network: int, by_stage: dict[tuple[int, str], list[Run]]) -> None:
    """Set the run of rows about the originals of cases."""
    runs = by_stage.get((network, "originals"), [])
    for after, run in writers(runs):
        execute(f"UPDATE originals SET run_id = :run WHERE {OF_CASES}", run, after=after)
    for layer, layer_id in layers(network):
        for after, run in writers([run for run in runs if run.names("layers", layer)]):
            update = "UPDATE original_activations SET run_id = :run WHERE layer_id = :layer"
            execute(f"{update} AND {OF_CASES}", run, after=after, layer=layer_id)


def fill_layer(layer: str, layer_id: int, searches: list[Run], tunings: list[Run]) -> None:
    """Set the run of rows about a layer: each search has one run, the tuning the last one."""
    for metric in METRICS:
        mine = [run for run in searches if run.names("layers", layer) and run.names("metrics", metric)]
        for after, run in writers(mine):
            update = "UPDATE searches SET run_id = :run WHERE layer_id = :layer AND metric = :metric"
            execute(f"{update} AND {OF_CASES}", run, after=after, layer=layer_id, metric=metric)
        for rule in ("total", "max-class"):
            named = (("layers", layer), ("metrics", metric), ("rules", rule))
            last = [run for run in tunings if all(run.names(*pair) for pair in named)][-1:]
            if last and last[0].status == "done":
                of = "layer_id = :layer AND metric = :metric AND rule = :rule"
                key = {"layer": layer_id, "metric": metric, "rule": rule}
                execute(f"UPDATE operating_points SET run_id = :run WHERE {of}", last[0], **key)
                # A check may have written the decisions of an unknown case.
                known = f"AND {OF_CASES} AND outcome IS NOT NULL"
                execute(f"UPDATE decisions SET run_id = :run WHERE {of} {known}", last[0], after=0, **key)


def writers(runs: list[Run]) -> Iterator[tuple[int, Run]]:
    """Yield (after, run): `run` wrote all missing rows of cases made after the run `after` and before itself.

    This is certain only for finished runs: rows missing before an unfinished one may be by it or by the next.
    """
    after = 0
    for run in runs:
        if run.status == "done":
            yield after, run
        after = run.id


def layers(network: int) -> list[tuple[str, int]]:
    """Names and ids of a network's layers."""
    query = sa.text("SELECT name, id FROM layers WHERE network_id = :network")
    return [tuple(row) for row in op.get_bind().execute(query, {"network": network})]


def execute(statement: str, run: Run, **values) -> None:
    """Run an UPDATE that sets the run."""
    named = {"run": run.id, "network": run.network_id} | values
    used = {name: value for name, value in named.items() if f":{name}" in statement}
    op.get_bind().execute(sa.text(statement), used)
