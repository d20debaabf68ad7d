"""What results belong to: a network together with the data set whose images it meets.

One network may meet several data sets. Its layers are of the network alone; its reference set, cases, tuning,
detectors and evaluations are of the pair.
"""

from typing import NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, select

from db.tables.cases import cases


class Scope(NamedTuple):
    """A network and a data set, by their ids; `_asdict` gives the two columns of a row."""

    network_id: int
    dataset_id: int

    def of(self, table: FromClause) -> ColumnElement[bool]:
        """Whether a row of the table belongs to this pair; the table has both columns."""
        return and_(table.c.network_id == self.network_id, table.c.dataset_id == self.dataset_id)


def same_scope(table: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether rows of two tables that have both columns belong to the same pair."""
    same = (table.c[name] == other.c[name] for name in Scope._fields)
    return and_(*same)


def judged_on(table: FromClause, scope: Scope) -> ColumnElement[bool]:
    """Whether a row of a layer's tuning or decisions is of the scope's data set: itself, or by its case."""
    if "dataset_id" in table.c:
        return table.c.dataset_id == scope.dataset_id
    return table.c.case_id.in_(select(cases.c.id).where(scope.of(cases)))
