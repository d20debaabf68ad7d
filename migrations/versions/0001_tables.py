"""The tables.

Revision ID: 0001
Revises: nothing

Longer than our other files: a revision is one snapshot and imports nothing of ours.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = [
    "datasets",
    "images",
    "classes",
    "networks",
    "samples",
    "layers",
    "reference_samples",
    "runs",
    "attacks",
    "operating_points",
    "reference_activations",
    "tuning_points",
    "attack_pixels",
    "cases",
    "annotations",
    "case_activations",
    "class_scores",
    "decisions",
    "neighbors",
]  # each after the tables it refers to


def columns(kind, names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, kind, nullable=nullable, autoincrement=name == "id") for name in names.split()]


def boolean(table: str, column: str) -> sa.Boolean:
    return sa.Boolean(create_constraint=True, name=op.f(f"ck_{table}_{column}"))


def primary(*names: str):
    return lambda table: sa.PrimaryKeyConstraint(*names, name=op.f(f"pk_{table}"))


def unique(*names: str):
    return lambda table: sa.UniqueConstraint(*names, name=op.f(f"uq_{table}_{'_'.join(names)}"))


def check(name: str, condition: str):
    return lambda table: sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def foreign(column: str, to: str, owned: bool = False):
    return lambda table: sa.ForeignKeyConstraint(
        [column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE" if owned else None
    )


def create(table: str, *parts, **options) -> None:
    op.create_table(
        table, *(part if isinstance(part, sa.Column) else part(table) for part in parts), **options
    )


def index(table: str, *names: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(names)}"), table, list(names))


def unique_where(name: str, table: str, condition: str, *names: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, list(names), unique=True, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    create(
        "datasets",
        *columns(sa.Integer, "id"),
        *columns(sa.Text, "name source created_at"),
        primary("id"),
        unique("name"),
    )
    create(
        "images",
        *columns(sa.Integer, "id"),
        *columns(sa.Text, "sha256"),
        *columns(sa.Integer, "height width"),
        *columns(sa.LargeBinary, "png"),
        check("sha256", "length(sha256) = 64"),
        check("size", "height > 0 AND width > 0"),
        primary("id"),
        unique("sha256"),
    )
    create(
        "classes",
        *columns(sa.Integer, "dataset_id class"),
        *columns(sa.Text, "name"),
        unique("dataset_id", "name"),
        check("class", "class >= 0"),
        primary("dataset_id", "class"),
        foreign("dataset_id", "datasets", owned=True),
        sqlite_with_rowid=False,
    )
    create(
        "networks",
        *columns(sa.Integer, "id"),
        *columns(sa.Text, "name sha256"),
        *columns(sa.Integer, "dataset_id"),
        *columns(sa.JSON(none_as_null=True), "description"),
        *columns(sa.Double, "test_accuracy", nullable=True),
        *columns(sa.Text, "created_at"),
        check("sha256", "length(sha256) = 64"),
        check("test_accuracy", "test_accuracy BETWEEN 0 AND 1"),
        primary("id"),
        unique("sha256", "dataset_id"),
        foreign("dataset_id", "datasets"),
    )
    create(
        "samples",
        *columns(sa.Integer, "id dataset_id"),
        *columns(sa.Text, "split"),
        *columns(sa.Integer, "position label image_id"),
        unique("dataset_id", "split", "position"),
        check("split", "split IN ('train', 'test')"),
        check("position", "position >= 0"),
        check("label", "label >= 0"),
        primary("id"),
        foreign("dataset_id", "datasets"),
        foreign("image_id", "images"),
    )
    index("samples", "image_id")
    create(
        "layers",
        *columns(sa.Integer, "id network_id"),
        *columns(sa.Text, "name kind"),
        *columns(sa.Integer, "position"),
        *columns(sa.JSON(none_as_null=True), "shape"),
        *columns(boolean("layers", "compared"), "compared"),
        unique("network_id", "name"),
        unique("network_id", "position"),
        check("position", "position >= 0"),
        primary("id"),
        foreign("network_id", "networks", owned=True),
    )
    create(
        "reference_samples",
        *columns(sa.Integer, "id network_id sample_id"),
        unique("network_id", "sample_id"),
        primary("id"),
        foreign("network_id", "networks"),
        foreign("sample_id", "samples"),
    )
    index("reference_samples", "sample_id")
    create(
        "runs",
        *columns(sa.Integer, "id"),
        *columns(sa.Integer, "network_id", nullable=True),
        *columns(sa.Text, "stage status"),
        *columns(sa.JSON(none_as_null=True), "parameters"),
        *columns(sa.Integer, "seed", nullable=True),
        *columns(sa.Text, "code_version"),
        *columns(sa.Text, "process", nullable=True),
        *columns(sa.Text, "started_at"),
        *columns(sa.Text, "finished_at", nullable=True),
        *columns(sa.Double, "seconds", nullable=True),
        *columns(sa.Text, "message", nullable=True),
        check("status", "status IN ('running', 'done', 'failed', 'interrupted')"),
        check("finished", "(status = 'running') = (finished_at IS NULL)"),
        primary("id"),
        foreign("network_id", "networks"),
    )
    index("runs", "network_id")
    index("runs", "status")
    create(
        "attacks",
        *columns(sa.Integer, "id run_id network_id sample_id"),
        *columns(sa.Text, "method"),
        *columns(sa.Integer, "target_class", nullable=True),
        *columns(sa.Integer, "pixel_count population budget seed"),
        *columns(boolean("attacks", "succeeded"), "succeeded"),
        *columns(sa.Integer, "queries generations"),
        *columns(sa.Double, "seconds"),
        *columns(sa.Integer, "predicted_class"),
        check("target_class", "target_class >= 0"),
        check("pixel_count", "pixel_count >= 1"),
        check("queries", "queries >= 0 AND generations >= 0 AND seconds >= 0"),
        check("target_reached", "target_class IS NULL OR succeeded = (predicted_class = target_class)"),
        primary("id"),
        foreign("run_id", "runs"),
        foreign("network_id", "networks"),
        foreign("sample_id", "samples"),
    )
    index("attacks", "run_id")
    index("attacks", "sample_id")
    unique_where(
        "uq_attacks_targeted",
        "attacks",
        "target_class IS NOT NULL",
        "network_id",
        "sample_id",
        "method",
        "target_class",
        "pixel_count",
        "population",
        "budget",
        "seed",
    )
    unique_where(
        "uq_attacks_untargeted",
        "attacks",
        "target_class IS NULL",
        "network_id",
        "sample_id",
        "method",
        "pixel_count",
        "population",
        "budget",
        "seed",
    )
    create(
        "operating_points",
        *columns(sa.Integer, "layer_id"),
        *columns(sa.Text, "metric rule how_chosen partition"),
        *columns(sa.Integer, "k threshold tp fp tn fn"),
        *columns(sa.Double, "accuracy tpr fpr eer auc", nullable=True),
        check("metric", "metric IN ('euclidean', 'cosine', 'manhattan', 'chebyshev')"),
        check("rule", "rule IN ('total', 'max-class')"),
        check("how_chosen", "how_chosen IN ('tuning', 'validation')"),
        check("partition", "partition IN ('tuning', 'validation')"),
        check("k", "k >= 1"),
        check("threshold", "threshold BETWEEN -1 AND k"),
        check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        primary("layer_id", "metric", "rule", "how_chosen", "partition"),
        foreign("layer_id", "layers", owned=True),
        sqlite_with_rowid=False,
    )
    create(
        "reference_activations",
        *columns(sa.Integer, "reference_sample_id layer_id"),
        *columns(sa.JSON(none_as_null=True), "shape"),
        *columns(sa.LargeBinary, "data"),
        primary("reference_sample_id", "layer_id"),
        foreign("reference_sample_id", "reference_samples", owned=True),
        foreign("layer_id", "layers"),
    )
    index("reference_activations", "layer_id")
    create(
        "tuning_points",
        *columns(sa.Integer, "layer_id"),
        *columns(sa.Text, "metric rule partition"),
        *columns(sa.Integer, "k threshold tp fp tn fn"),
        check("metric", "metric IN ('euclidean', 'cosine', 'manhattan', 'chebyshev')"),
        check("rule", "rule IN ('total', 'max-class')"),
        check("partition", "partition IN ('tuning', 'validation')"),
        check("k", "k >= 1"),
        check("threshold", "threshold BETWEEN -1 AND k"),
        check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
        primary("layer_id", "metric", "rule", "partition", "k", "threshold"),
        foreign("layer_id", "layers", owned=True),
        sqlite_with_rowid=False,
    )
    create(
        "attack_pixels",
        *columns(
            sa.Integer, "attack_id pixel row column red green blue original_red original_green original_blue"
        ),
        check("pixel", "pixel >= 0"),
        check("position", '"row" >= 0 AND "column" >= 0'),
        check("red", "red BETWEEN 0 AND 255"),
        check("green", "green BETWEEN 0 AND 255"),
        check("blue", "blue BETWEEN 0 AND 255"),
        check("original_red", "original_red BETWEEN 0 AND 255"),
        check("original_green", "original_green BETWEEN 0 AND 255"),
        check("original_blue", "original_blue BETWEEN 0 AND 255"),
        primary("attack_id", "pixel"),
        foreign("attack_id", "attacks", owned=True),
        sqlite_with_rowid=False,
    )
    create(
        "cases",
        *columns(sa.Integer, "id network_id run_id"),
        *columns(sa.Text, "kind partition"),
        *columns(sa.Integer, "sample_id"),
        *columns(sa.Integer, "attack_id", nullable=True),
        *columns(sa.Integer, "image_id true_class predicted_class"),
        *columns(sa.Double, "confidence"),
        unique("network_id", "sample_id"),
        check("kind", "kind IN ('clean', 'adversarial')"),
        check("partition", "partition IN ('tuning', 'validation')"),
        check("attack", "(kind = 'adversarial') = (attack_id IS NOT NULL)"),
        check("classes", "true_class >= 0 AND predicted_class >= 0"),
        check("confidence", "confidence BETWEEN 0 AND 1"),
        primary("id"),
        foreign("network_id", "networks"),
        foreign("run_id", "runs"),
        foreign("sample_id", "samples"),
        unique("attack_id"),
        foreign("attack_id", "attacks"),
        foreign("image_id", "images"),
        sqlite_autoincrement=True,
    )
    index("cases", "image_id")
    index("cases", "network_id", "partition", "kind")
    index("cases", "network_id", "predicted_class")
    index("cases", "network_id", "true_class", "predicted_class")
    index("cases", "run_id")
    index("cases", "sample_id")
    create(
        "annotations",
        *columns(sa.Integer, "id case_id"),
        *columns(sa.Text, "kind body created_at"),
        check("kind", "length(kind) > 0"),
        primary("id"),
        foreign("case_id", "cases", owned=True),
    )
    index("annotations", "case_id")
    create(
        "case_activations",
        *columns(sa.Integer, "case_id layer_id"),
        *columns(sa.JSON(none_as_null=True), "shape"),
        *columns(sa.Text, "encoding"),
        *columns(sa.LargeBinary, "data"),
        check("encoding", "encoding IN ('raw', 'zlib')"),
        primary("case_id", "layer_id"),
        foreign("case_id", "cases", owned=True),
        foreign("layer_id", "layers"),
    )
    index("case_activations", "layer_id")
    create(
        "class_scores",
        *columns(sa.Integer, "case_id class"),
        *columns(sa.Double, "logit probability"),
        check("class", "class >= 0"),
        check("probability", "probability BETWEEN 0 AND 1"),
        primary("case_id", "class"),
        foreign("case_id", "cases", owned=True),
        sqlite_with_rowid=False,
    )
    create(
        "decisions",
        *columns(sa.Integer, "case_id layer_id"),
        *columns(sa.Text, "metric rule"),
        *columns(sa.Integer, "k threshold unexpected_count"),
        *columns(boolean("decisions", "alarm"), "alarm"),
        *columns(sa.Integer, "majority_class recovered_class", nullable=True),
        *columns(sa.Text, "outcome"),
        check("metric", "metric IN ('euclidean', 'cosine', 'manhattan', 'chebyshev')"),
        check("rule", "rule IN ('total', 'max-class')"),
        check("outcome", "outcome IN ('TP', 'FP', 'TN', 'FN')"),
        check("threshold", "threshold BETWEEN -1 AND k"),
        check("unexpected_count", "unexpected_count BETWEEN 0 AND k"),
        check("alarm_strict", "alarm = (unexpected_count > threshold)"),
        check("outcome_of_alarm", "alarm = (outcome IN ('TP', 'FP'))"),
        check(
            "recovered_class",
            "recovered_class IS NULL OR (alarm AND majority_class IS NOT NULL"
            " AND recovered_class = majority_class)",
        ),
        primary("case_id", "layer_id", "metric", "rule"),
        foreign("case_id", "cases", owned=True),
        foreign("layer_id", "layers"),
        sqlite_with_rowid=False,
    )
    index("decisions", "layer_id", "metric", "rule", "outcome")
    create(
        "neighbors",
        *columns(sa.Integer, "case_id layer_id"),
        *columns(sa.Text, "metric"),
        *columns(sa.Integer, "rank reference_sample_id"),
        *columns(sa.Double, "distance"),
        check("metric", "metric IN ('euclidean', 'cosine', 'manhattan', 'chebyshev')"),
        check("rank", '"rank" >= 1'),
        primary("case_id", "layer_id", "metric", "rank"),
        foreign("case_id", "cases", owned=True),
        foreign("layer_id", "layers"),
        foreign("reference_sample_id", "reference_samples"),
        sqlite_with_rowid=False,
    )
    index("neighbors", "reference_sample_id")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
