"""What the columns of `case_facets` hold, as SQL over one case: `cases` and what belongs to it.

Each expression is for a SELECT from `cases` joined to its run and, where they exist, its batch, its attack
and the attack's first pixel (see `db.facets`). A value from another table is a subquery for one case.
"""

from sqlalchemy import ColumnElement, and_, case, func, literal, select

from db.query_types import AnySelect
from db.tables.cases import attacks, cases
from db.tables.defense import decisions
from db.tables.samples import layers
from db.vocabulary import METRIC, RULE

COMPOSED = "composed"  # the kind of a layer that joins others


def listed_decisions() -> ColumnElement[bool]:
    """Whether lists are filtered by this row of `decisions`."""
    return and_(decisions.c.metric == METRIC, decisions.c.rule == RULE)


def attack_goal() -> ColumnElement[str]:
    """Targeted or untargeted; NULL: no attack."""
    goal = case((attacks.c.target_class.is_(None), literal("untargeted")), else_=literal("targeted"))
    return case((attacks.c.id.is_not(None), goal))


def alarm_count() -> ColumnElement[int]:
    """How many layers alarm; NULL: nothing is decided."""
    return (
        select(func.sum(case((decisions.c.alarm, 1), else_=0)))
        .where(decisions.c.case_id == cases.c.id, listed_decisions())
        .correlate(cases)
        .scalar_subquery()
    )


def alarming_layers() -> ColumnElement[str]:
    """The layers that alarm, in order: dense+logits; none; NULL: nothing is decided."""
    alarming = _deciding_layers().where(decisions.c.alarm).subquery()
    names = select(func.aggregate_strings(alarming.c.name, "+")).correlate(cases).scalar_subquery()
    return case((alarm_count().is_not(None), func.coalesce(names, "none")))


def first_divergence() -> ColumnElement[str]:
    """The first layer where the majority of neighbors leaves the true class; none; NULL: undecided."""
    left = _deciding_layers().with_only_columns(layers.c.name)
    left = left.where(layers.c.kind != COMPOSED, decisions.c.majority_class != cases.c.true_class)
    known = and_(alarm_count().is_not(None), cases.c.true_class.is_not(None))
    return case((known, func.coalesce(left.limit(1).scalar_subquery(), "none")))


def _deciding_layers() -> AnySelect:
    """The layers with a decision about the case, in order from the input."""
    return (
        select(layers.c.name, layers.c.position)
        .join(decisions, decisions.c.layer_id == layers.c.id)
        .where(decisions.c.case_id == cases.c.id, listed_decisions())
        .order_by(layers.c.position)
        .correlate(cases)
    )
