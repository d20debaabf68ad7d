"""Activations, neighbors, tuning and decisions: the k-NN defense in rows."""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from db.tables.columns import (
    boolean,
    check,
    identity,
    integer,
    json,
    key,
    metadata,
    number,
    one_of,
    reference,
    scope,
    words,
    written_by,
)
from db.vocabulary import CHOICES, ENCODINGS, METRICS, OUTCOMES, PARTITIONS, RULES, SEARCHED

reference_samples = Table(
    "reference_samples",
    metadata,
    identity(),
    *scope(),
    reference("sample_id", "samples.id", index=True),  # of the training split, classified correctly
    written_by(),
    UniqueConstraint("network_id", "dataset_id", "sample_id"),
)

case_activations = Table(
    "case_activations",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True, index=True),
    json("shape"),
    words("encoding"),  # raw: the float16 bytes themselves; zlib: the same, compressed
    Column("data", LargeBinary, nullable=False),
    one_of("encoding", ENCODINGS),
)

reference_activations = Table(
    "reference_activations",
    metadata,
    reference("reference_sample_id", "reference_samples.id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True, index=True),
    json("shape"),
    Column("data", LargeBinary, nullable=False),
)

# A search of all neighbors of a case, or of its original, in a layer under a metric: so its run is stored
# once. In each row of `neighbors`, and with an index, it would make that table 44 % larger.
searches = Table(
    "searches",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True),
    key("metric", Text),
    key("searched", Text),
    written_by(),
    one_of("metric", METRICS),
    one_of("searched", SEARCHED),
    sqlite_with_rowid=False,
)

neighbors = Table(
    "neighbors",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True),
    key("metric", Text),
    key("rank"),  # 1 is the nearest
    reference("reference_sample_id", "reference_samples.id", index=True),
    number("distance"),  # between the stored float16 activations, in the metric's own unit
    one_of("metric", METRICS),
    check("rank", '"rank" >= 1'),
    sqlite_with_rowid=False,
)

COUNTS = ("tp", "fp", "tn", "fn")  # cases of a partition by outcome

tuning_points = Table(
    "tuning_points",
    metadata,
    reference("layer_id", "layers.id", owned=True, primary_key=True),
    reference("dataset_id", "datasets.id", primary_key=True),  # whose cases were counted
    key("metric", Text),
    key("rule", Text),
    key("partition", Text),
    key("k"),
    key("threshold"),  # alarm when the unexpected count is greater: -1 .. k
    *[integer(count) for count in COUNTS],
    one_of("metric", METRICS),
    one_of("rule", RULES),
    one_of("partition", PARTITIONS),
    check("k", "k >= 1"),
    check("threshold", "threshold BETWEEN -1 AND k"),
    check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
    sqlite_with_rowid=False,
)

operating_points = Table(
    "operating_points",
    metadata,
    reference("layer_id", "layers.id", owned=True, primary_key=True),
    reference("dataset_id", "datasets.id", primary_key=True),  # whose tuning cases it was chosen on
    key("metric", Text),
    key("rule", Text),
    key("how_chosen", Text),  # tuning: used for decisions; validation: k as the paper's appendix picks it
    key("partition", Text),  # of the counts and rates
    integer("k"),
    integer("threshold"),
    *[integer(count) for count in COUNTS],
    # Shares in [0, 1]; NULL where the partition has no case to take a share of.
    *[Column(rate, Double) for rate in ("accuracy", "tpr", "fpr", "eer", "auc")],
    written_by(),
    one_of("metric", METRICS),
    one_of("rule", RULES),
    one_of("how_chosen", CHOICES),
    one_of("partition", PARTITIONS),
    check("k", "k >= 1"),
    check("threshold", "threshold BETWEEN -1 AND k"),
    check("counts", "tp >= 0 AND fp >= 0 AND tn >= 0 AND fn >= 0"),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True),
    reference("layer_id", "layers.id", primary_key=True),
    key("metric", Text),
    key("rule", Text),
    integer("k"),
    integer("threshold"),
    integer("unexpected_count"),
    boolean("alarm"),
    Column("majority_class", Integer),  # most frequent among the first k; NULL: a tie
    Column("recovered_class", Integer),  # the majority class, on alarm, when it is not the predicted one
    Column("outcome", Text),  # NULL: of an unknown case
    written_by(),
    Index(None, "layer_id", "metric", "rule", "outcome"),
    one_of("metric", METRICS),
    one_of("rule", RULES),
    one_of("outcome", OUTCOMES),
    check("threshold", "threshold BETWEEN -1 AND k"),
    check("unexpected_count", "unexpected_count BETWEEN 0 AND k"),
    check("alarm_strict", "alarm = (unexpected_count > threshold)"),
    check("outcome_of_alarm", "alarm = (outcome IN ('TP', 'FP'))"),
    check(
        "recovered_class",
        "recovered_class IS NULL OR (alarm AND majority_class IS NOT NULL"
        " AND recovered_class = majority_class)",
    ),
    sqlite_with_rowid=False,
)
