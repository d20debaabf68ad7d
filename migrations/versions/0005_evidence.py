"""The evidence: originals, detectors and their evaluations, near-duplicates; a fifth metric.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WITH_METRIC = ("neighbors", "tuning_points", "operating_points", "decisions")
OLD_METRICS = ("euclidean", "cosine", "manhattan", "chebyshev")
METRICS = ("euclidean", "cosine", "centered-cosine", "manhattan", "chebyshev")
RULES = ("total", "max-class")
PARTITIONS = ("tuning", "validation")
CASE_SETS = ("all", "targeted", "untargeted")
COUNTS = ("tp", "fp", "tn", "fn")
MEASURED = ("accuracy", "auc", "paired_auc", "recovered")


def upgrade() -> None:
    set_metrics(METRICS)
    make_originals()
    make_pairs()
    make_detectors()
    make_points()
    make_evaluations()


def downgrade() -> None:
    tables = ("evaluations", "k_points", "detector_points", "detectors", "near_duplicate_pairs")
    for name in (*tables, "attack_images", "original_neighbors", "original_activations", "originals"):
        op.drop_table(name)
    for name in WITH_METRIC:
        op.execute(f"DELETE FROM {name} WHERE metric NOT IN {OLD_METRICS}")
    set_metrics(OLD_METRICS)


def set_metrics(metrics: tuple[str, ...]) -> None:
    for name in WITH_METRIC:
        with op.batch_alter_table(name, table_kwargs={"sqlite_with_rowid": False}) as table:
            table.drop_constraint(op.f(f"ck_{name}_metric"), type_="check")
            table.create_check_constraint(op.f(f"ck_{name}_metric"), f"metric IN {metrics}")


def owned(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"))


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def one_of(table: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return check(table, column, f"{column} IN {values}")


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def whole(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def real(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Double, nullable=nullable) for name in names]


def words(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def make_originals() -> None:
    name = "originals"
    op.create_table(
        name,
        *whole("case_id", "image_id", "predicted_class"),
        *real("confidence", "margin"),
        primary(name, "case_id"),
        owned(name, "case_id", "cases.id"),
        refers(name, "image_id", "images.id"),
        check(name, "predicted_class", "predicted_class >= 0"),
        check(name, "confidence", "confidence BETWEEN 0 AND 1"),
        check(name, "margin", "margin >= 0"),
    )
    index(name, "image_id")
    name = "original_activations"
    op.create_table(
        name,
        *whole("case_id", "layer_id"),
        sa.Column("shape", sa.JSON(none_as_null=True), nullable=False),
        *words("encoding"),
        sa.Column("data", sa.LargeBinary, nullable=False),
        primary(name, "case_id", "layer_id"),
        owned(name, "case_id", "originals.case_id"),
        refers(name, "layer_id", "layers.id"),
        one_of(name, "encoding", ("raw", "zlib")),
    )
    index(name, "layer_id")
    name = "original_neighbors"
    op.create_table(
        name,
        *whole("case_id", "layer_id"),
        *words("metric"),
        *whole("rank", "reference_sample_id"),
        *real("distance"),
        primary(name, "case_id", "layer_id", "metric", "rank"),
        owned(name, "case_id", "originals.case_id"),
        refers(name, "layer_id", "layers.id"),
        refers(name, "reference_sample_id", "reference_samples.id"),
        one_of(name, "metric", METRICS),
        check(name, "rank", '"rank" >= 1'),
        sqlite_with_rowid=False,
    )
    index(name, "reference_sample_id")
    name = "attack_images"
    op.create_table(
        name,
        *whole("attack_id", "image_id"),
        primary(name, "attack_id"),
        owned(name, "attack_id", "attacks.id"),
        refers(name, "image_id", "images.id"),
    )
    index(name, "image_id")


def make_pairs() -> None:
    name = "near_duplicate_pairs"
    op.create_table(
        name,
        *whole("network_id", "sample_id", "other_sample_id"),
        *real("activation_distance", "pixel_distance"),
        primary(name, "network_id", "sample_id", "other_sample_id"),
        owned(name, "network_id", "networks.id"),
        refers(name, "sample_id", "samples.id"),
        refers(name, "other_sample_id", "samples.id"),
        check(name, "distances", "activation_distance >= 0 AND pixel_distance >= 0"),
        check(name, "two", "sample_id <> other_sample_id"),
        sqlite_with_rowid=False,
    )
    index(name, "other_sample_id")


def make_detectors() -> None:
    name = "detectors"
    op.create_table(
        name,
        *whole("id", "network_id"),
        *words("name", "kind"),
        *words("layer", "metric", "rule", "reference", nullable=True),
        primary(name, "id"),
        refers(name, "network_id", "networks.id"),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_detectors_network_id_name")),
        one_of(name, "kind", ("neighbors", "repair", "baseline")),
        one_of(name, "metric", METRICS),
        one_of(name, "rule", RULES),
        one_of(name, "reference", ("all", "distinct")),
        check(
            name,
            "neighbors",
            "(kind = 'neighbors') = (layer IS NOT NULL AND metric IS NOT NULL AND rule IS NOT NULL"
            " AND reference IS NOT NULL)",
        ),
    )


def make_points() -> None:
    name = "detector_points"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "partition"),
        *whole("k"),
        *real("threshold"),
        *whole(*COUNTS),
        primary(name, "detector_id", "case_set", "partition", "k", "threshold"),
        owned(name, "detector_id", "detectors.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 0"),
        check(name, "counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        sqlite_with_rowid=False,
    )
    name = "k_points"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "partition"),
        *whole("k", "threshold"),
        *real("accuracy", "eer", "auc"),
        primary(name, "detector_id", "case_set", "partition", "k"),
        owned(name, "detector_id", "detectors.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 1"),
        check(name, "shares", "accuracy BETWEEN 0 AND 1 AND eer BETWEEN 0 AND 1 AND auc BETWEEN 0 AND 1"),
        sqlite_with_rowid=False,
    )


def make_evaluations() -> None:
    name = "evaluations"
    op.create_table(
        name,
        *whole("detector_id"),
        *words("case_set", "how_chosen", "partition"),
        *whole("run_id", "k"),
        *real("threshold"),
        *whole(*COUNTS),
        *real("tpr", "fpr", "eer"),
        *real(*[measure + end for measure in MEASURED for end in ("", "_low", "_high")], nullable=True),
        *whole("pairs"),
        *real("paired_fpr", "paired_wins", "recovered_on_alarm", "located", nullable=True),
        primary(name, "detector_id", "case_set", "how_chosen", "partition"),
        owned(name, "detector_id", "detectors.id"),
        refers(name, "run_id", "runs.id"),
        one_of(name, "case_set", CASE_SETS),
        one_of(name, "how_chosen", ("tuning", "validation", "paper")),
        one_of(name, "partition", PARTITIONS),
        check(name, "k", "k >= 0"),
        check(name, "counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        sqlite_with_rowid=False,
    )
    index(name, "run_id")
