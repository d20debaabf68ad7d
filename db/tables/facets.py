"""Tables to filter, sort and count lists by, derived from cases, attacks and decisions by `db.facets`.

A list of 100,000 cases is counted under every filter while the user waits: that takes one narrow row a case,
with indexes that are enough for a count. `db.facet_register` defines what is counted: a facet's columns are
made here from its row.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.types import TypeEngine

from db.facet_register import FACETS, FIRST, PARTITION
from db.facet_type import Facet, Kind
from db.tables.cases import cases
from db.tables.columns import check, identity, integer, key, metadata, number, one_of, reference, scope, words
from db.vocabulary import CASE_KINDS, CASE_PARTITIONS, OUTCOMES

TYPES: dict[Kind, type[TypeEngine[Any]]] = {  # others: whole numbers
    Kind.TEXT: Text,
    Kind.LAYER: Text,
    Kind.LAYERS: Text,
    Kind.RANGE: Double,
}


def facet_columns(facet: Facet) -> list[Column[Any]]:
    """A facet's columns of `case_facets`; what is never NULL in `cases` is not NULL there either."""
    columns = []
    for name, value in facet.columns.items():
        of_case = isinstance(value, Column) and value.table is cases
        columns.append(Column(name, _type(facet, name), *_key(value), nullable=not of_case or value.nullable))
    return columns


def cell_columns(facets: Iterable[Facet]) -> list[Column[Any]]:
    """The columns of `facet_cells` for those of the facets that are counted there."""
    columns = []
    for facet in facets:
        if facet.counted and facet.of_detector:
            columns.append(Column(facet.column, _type(facet, facet.column)))
        elif facet.counted:
            columns += [column for column in facet_columns(facet) if column.name == facet.column]
    for column in columns:
        column.index = bool(column.foreign_keys) or None
    return columns


def _type(facet: Facet, name: str) -> TypeEngine[Any]:
    if name != facet.column:  # beside it, to sort by
        return Integer()
    if facet.kind is Kind.YES_NO:
        return Boolean(create_constraint=True, name=name)
    return TYPES.get(facet.kind, Integer)()


def _key(value: object) -> list[ForeignKey]:
    """The foreign keys of the column that a value is taken from."""
    return [ForeignKey(key.target_fullname) for key in getattr(value, "foreign_keys", ())]


# One row a case, written with it. Decisions here are those of metric euclidean and rule total.
case_facets = Table(
    "case_facets",
    metadata,
    reference("case_id", "cases.id", owned=True, primary_key=True, autoincrement=False),
    *scope(),
    *(column for facet in FACETS for column in facet_columns(facet)),
    *(
        Index(None, "network_id", "dataset_id", "partition", facet.column)
        for facet in FACETS
        if facet.value is not None and facet is not PARTITION
    ),
    one_of("kind", CASE_KINDS),
    one_of("partition", CASE_PARTITIONS),
    one_of("goal", ("targeted", "untargeted")),
    check("alarms", "(alarms IS NULL) = (alarm_count IS NULL) AND (alarms = 'none') = (alarm_count = 0)"),
)

# One row a case and detector: the layers of the k-NN defense by their names, `repair`, and the baselines.
detector_decisions = Table(
    "detector_decisions",
    metadata,
    *scope(key=True, owned=True),
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

# The number of cases with the same values in all of these columns: the counts of lists, computed in advance.
# Counts are sums over rows: new cases add rows of their own, a refresh merges rows with equal values.
facet_cells = Table(
    "facet_cells",
    metadata,
    identity(),
    *scope(owned=True),
    words("detector"),
    *cell_columns(FIRST),
    integer("cases"),
    *cell_columns(facet for facet in FACETS if facet not in FIRST),
    Index(None, "network_id", "dataset_id", "detector", "partition"),
    check("cases", "cases > 0"),
)

# A list that a user wants to come back to: filters, sort and view as the query string of its address.
saved_views = Table(
    "saved_views",
    metadata,
    identity(),
    words("name", unique=True),
    words("search"),
    words("created_at"),
    check("name", "length(name) > 0"),
)
