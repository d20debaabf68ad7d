"""What lists are filtered, sorted and counted by: derived from cases, attacks and decisions by `db.facets`.

A list of 100,000 cases is counted under every filter while somebody waits for it: that takes one narrow row
a case, with indexes that a count needs nothing else than.
"""

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Text

from db.tables.columns import check, identity, integer, key, metadata, number, one_of, reference, words
from db.vocabulary import CASE_KINDS, CASE_PARTITIONS, OUTCOMES

COUNTED = (
    "kind",
    "method",
    "goal",
    "target_class",
    "true_class",
    "predicted_class",
    "alarms",
    "divergence",
    "confidence",
    "queries",
    "batch_id",
    "seed",
    "pixel_count",
)

# One row a case, written with it. Decisions here are those of metric euclidean and rule total.
case_facets = Table(
    "case_facets",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True, autoincrement=False),
    reference("network_id", "networks.id"),
    words("partition"),
    words("kind"),
    Column("method", Text),  # of the attack, as the two below; NULL: none
    Column("goal", Text),  # targeted or untargeted
    Column("target_class", Integer),
    Column("true_class", Integer),
    integer("predicted_class"),
    number("confidence"),
    Column("queries", Integer),
    Column("row", Integer),  # the first attacked pixel
    Column("column", Integer),
    Column("alarms", Text),  # the layers that alarm, in order: dense+logits; none; NULL: nothing is decided
    Column("alarm_count", Integer),
    Column("divergence", Text),  # first layer where the majority of neighbors leaves the true class; none
    reference("batch_id", "batches.id", nullable=True),  # NULL: of none, as of an unknown case
    Column("seed", Integer),  # of the batch
    Column("pixel_count", Integer),  # that the attack changed; NULL: no attack
    *(Index(None, "network_id", "partition", name) for name in COUNTED),
    one_of("kind", CASE_KINDS),
    one_of("partition", CASE_PARTITIONS),
    one_of("goal", ("targeted", "untargeted")),
    check("alarms", "(alarms IS NULL) = (alarm_count IS NULL) AND (alarms = 'none') = (alarm_count = 0)"),
)

# One row a case and detector: the layers of the k-NN defense by their names, `repair`, and the baselines.
detector_decisions = Table(
    "detector_decisions",
    metadata,
    reference("network_id", "networks.id", owned=True, primary_key=True),
    key("detector", Text),
    key("partition", Text),
    reference("case_id", "cases.id", owned=True, primary_key=True, autoincrement=False, index=True),
    Column("score", Double, nullable=False),  # of a layer the unexpected count
    number("threshold"),  # alarm when the score is greater
    Column("alarm", Boolean(create_constraint=True, name="alarm"), nullable=False),
    Column("outcome", Text),  # NULL: of an unknown case
    Column("recovered_class", Integer),  # on alarm, the class taken for the true one; NULL: none
    one_of("partition", CASE_PARTITIONS),
    one_of("outcome", OUTCOMES),
    check("alarm_strict", "alarm = (score > threshold)"),
    check("outcome_of_alarm", "alarm = (outcome IN ('TP', 'FP'))"),
    sqlite_with_rowid=False,
)

# The cases that have all of these values alike, and how many they are: what a list counts, counted before.
# Counts are sums over rows: new cases add rows of their own, a refresh makes one row of those that are alike.
facet_cells = Table(
    "facet_cells",
    metadata,
    identity(),
    reference("network_id", "networks.id", owned=True),
    words("detector"),
    words("partition"),
    words("kind"),
    Column("method", Text),
    Column("goal", Text),
    Column("target_class", Integer),
    Column("true_class", Integer),
    integer("predicted_class"),
    Column("alarms", Text),
    Column("divergence", Text),
    Column("outcome", Text),  # of this detector, as the next one
    Column("recovered_class", Integer),
    integer("cases"),
    reference("batch_id", "batches.id", nullable=True, index=True),
    Column("seed", Integer),
    Column("pixel_count", Integer),
    Index(None, "network_id", "detector", "partition"),
    check("cases", "cases > 0"),
)

# A list that somebody wants to come back to: filters, sort and view as the query string of its address.
saved_views = Table(
    "saved_views",
    metadata,
    identity(),
    words("name", unique=True),
    words("search"),
    words("created_at"),
    check("name", "length(name) > 0"),
)
