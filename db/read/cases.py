"""The case list: one page of rows, the count of every filter's options, the neighbours in the list."""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, Select, and_, func, select

from db import schema
from db.read.listed import METRIC, RULE, ListedCase, listed_cases
from db.read.query import PAGE_SIZE, CaseOptions, CaseQuery, QueryError, case_query

FACETS = ("partition", "kind", "outcome", "true", "predicted", "method")


class Overview(NamedTuple):
    """What the database is about, for the header."""

    network: str | None
    test_accuracy: float | None  # share, [0, 1]
    dataset: str | None
    case_count: int


class CaseList(NamedTuple):
    """One page of the list and what is around it."""

    rows: tuple[ListedCase, ...]
    total: int  # cases that the filters let through
    pages: int  # at least 1
    stored: int  # cases of this network, whatever the filters
    facets: dict[str, dict[str, int]]  # filter -> value -> cases, under all the *other* filters


class CasePlace(NamedTuple):
    """The cases before and after one, in the order of the list; None at its ends or when it is not in it."""

    previous: int | None
    next: int | None
    position: int | None  # from 1
    total: int


def overview(engine: Engine) -> Overview:
    """Network (of the newest case), its accuracy and data set, and the number of its cases."""
    _, options = case_query(engine, "")
    networks, datasets, cases = schema.networks, schema.datasets, schema.cases
    if options.network_id is None:
        return Overview(None, None, None, 0)
    with engine.connect() as connection:
        name, accuracy, dataset = connection.execute(
            select(networks.c.name, networks.c.test_accuracy, datasets.c.name)
            .join(datasets)
            .where(networks.c.id == options.network_id)
        ).one()
        of_network = select(func.count()).where(cases.c.network_id == options.network_id)
        return Overview(name, accuracy, dataset, connection.scalar(of_network))


def case_exists(engine: Engine, case_id: int) -> bool:
    """Whether the database has a case of this id."""
    with engine.connect() as connection:
        return connection.scalar(select(schema.cases.c.id).where(schema.cases.c.id == case_id)) is not None


def list_cases(engine: Engine, query: CaseQuery, options: CaseOptions) -> CaseList:
    """The page of cases that `query` asks for; both arguments come from `case_query`.

    Raises `QueryError` for a page after the last.
    """
    with engine.connect() as connection:
        counts = _crosstab(connection, query, options)
        facets = {facet: _facet(counts, query, options, facet) for facet in FACETS}
        wanted = _wanted(query, options)
        total = sum(number for values, number in counts if _passes(values, wanted))
        pages = max(1, -(-total // PAGE_SIZE))
        if query.page > pages:
            expected = f"1 to {pages}" if pages > 1 else "1"
            raise QueryError(f"The address asks for page '{query.page}', which does not exist", expected)
        selected = _selected(query, options).limit(PAGE_SIZE).offset((query.page - 1) * PAGE_SIZE)
        ids = list(connection.scalars(selected))
        rows = listed_cases(connection, ids)
        return CaseList(rows, total, pages, sum(number for _, number in counts), facets)


def neighbor_cases(engine: Engine, search: str, case_id: int) -> CasePlace:
    """The cases before and after `case_id` in the list that the query string `search` describes.

    Names in `search` that are not the list's are passed over. Raises `QueryError` for a wrong value.
    """
    query, options = case_query(engine, search, others=True)
    numbered = _selected(query, options, around=True).subquery()
    with engine.connect() as connection:
        row = connection.execute(select(numbered).where(numbered.c.id == case_id)).one_or_none()
        if row is None:
            counts, wanted = _crosstab(connection, query, options), _wanted(query, options)
            return CasePlace(None, None, None, sum(n for values, n in counts if _passes(values, wanted)))
        return CasePlace(row.previous, row.next, row.position, row.total)


def _decision_of(query: CaseQuery, options: CaseOptions):
    """The decision table, and the condition that joins a case to its decision in the query's layer."""
    decision = schema.decisions.alias("shown_decision")
    layer_id = next((layer.id for layer in options.layers if layer.name == query.layer), None)
    return decision, and_(
        decision.c.case_id == schema.cases.c.id,
        decision.c.layer_id == layer_id,
        decision.c.metric == METRIC,
        decision.c.rule == RULE,
    )


def _crosstab(connection: Connection, query: CaseQuery, options: CaseOptions) -> list[tuple[tuple, int]]:
    """How many cases the network has of each combination of the facets' values: all counts from one query."""
    cases, attacks = schema.cases, schema.attacks
    decision, of_case = _decision_of(query, options)
    columns = (
        cases.c.partition,
        cases.c.kind,
        decision.c.outcome,
        cases.c.true_class,
        cases.c.predicted_class,
        attacks.c.method,
    )
    rows = connection.execute(
        select(*columns, func.count())
        .select_from(cases)
        .outerjoin(decision, of_case)
        .outerjoin(attacks, attacks.c.id == cases.c.attack_id)
        .where(cases.c.network_id == options.network_id)
        .group_by(*columns)
    )
    return [(tuple(values), number) for *values, number in rows]


def _wanted(query: CaseQuery, options: CaseOptions) -> tuple:
    """The query's filters as values in the order of FACETS; None lets everything through."""
    classes = {name: number for number, name in options.class_names.items()}
    return (
        None if query.partition == "all" else query.partition,
        query.kind,
        query.outcome,
        classes.get(query.true),
        classes.get(query.predicted),
        query.method,
    )


def _passes(values: tuple, wanted: tuple) -> bool:
    return all(want is None or want == value for value, want in zip(values, wanted, strict=True))


def _facet(counts: list, query: CaseQuery, options: CaseOptions, facet: str) -> dict[str, int]:
    """Value -> number of cases under the other filters, for every value that could be chosen."""
    place = FACETS.index(facet)
    others = tuple(None if i == place else want for i, want in enumerate(_wanted(query, options)))
    numbers: dict = {}
    for values, number in counts:
        if _passes(values, others):
            numbers[values[place]] = numbers.get(values[place], 0) + number
    if facet in ("true", "predicted"):
        return {name: numbers.get(number, 0) for number, name in options.class_names.items()}
    known = {
        "partition": ("validation", "tuning", "checked"),
        "kind": schema.CASE_KINDS,
        "outcome": ("TP", "FN", "TN", "FP"),
        "method": options.methods,
    }
    return {value: numbers.get(value, 0) for value in known[facet]}


def _dataset(options: CaseOptions):
    networks = schema.networks
    return select(networks.c.dataset_id).where(networks.c.id == options.network_id).scalar_subquery()


def _selected(query: CaseQuery, options: CaseOptions, *, around: bool = False) -> Select:
    """The ids of the filtered cases in order; `around`: with place, count and the ids before and after."""
    cases, attacks, pixels = schema.cases, schema.attacks, schema.attack_pixels
    decision, of_case = _decision_of(query, options)
    true, predicted = schema.classes.alias("true_name"), schema.classes.alias("predicted_name")
    alarms = (
        select(func.count())
        .where(
            schema.decisions.c.case_id == cases.c.id,
            schema.decisions.c.metric == METRIC,
            schema.decisions.c.rule == RULE,
            schema.decisions.c.alarm,
        )
        .correlate(cases)
        .scalar_subquery()
    )
    sorts = {
        "case": (),
        "kind": (cases.c.kind,),
        "true": (true.c.name,),
        "predicted": (predicted.c.name,),
        "confidence": (cases.c.confidence,),
        "alarms": (alarms,),
        "outcome": (decision.c.outcome,),
        "pixel": (pixels.c.row, pixels.c.column),
    }
    # What has no value comes last either way; the id makes the order of equals the same on every page.
    way = "desc" if query.descending else "asc"
    order = [getattr(key, way)().nulls_last() for key in sorts[query.sort]]
    order.append(getattr(cases.c.id, way if query.sort == "case" else "asc")())
    source = cases
    for name, table, column in (("true", true, "true_class"), ("predicted", predicted, "predicted_class")):
        if query.sort == name:
            named = and_(table.c.dataset_id == _dataset(options), table.c["class"] == cases.c[column])
            source = source.outerjoin(table, named)
    if query.sort == "pixel":
        source = source.outerjoin(pixels, and_(pixels.c.attack_id == cases.c.attack_id, pixels.c.pixel == 0))
    if query.sort == "outcome" or query.outcome is not None:
        source = source.outerjoin(decision, of_case)
    if query.method is not None:
        source = source.outerjoin(attacks, attacks.c.id == cases.c.attack_id)
    filtered = (
        cases.c.partition,
        cases.c.kind,
        decision.c.outcome,
        cases.c.true_class,
        cases.c.predicted_class,
        attacks.c.method,
    )
    conditions = [
        column == want
        for column, want in zip(filtered, _wanted(query, options), strict=True)
        if want is not None
    ]
    columns = [cases.c.id]
    if around:
        columns += [
            func.lag(cases.c.id).over(order_by=order).label("previous"),
            func.lead(cases.c.id).over(order_by=order).label("next"),
            func.row_number().over(order_by=order).label("position"),
            func.count().over().label("total"),
        ]
    chosen = select(*columns).select_from(source)
    chosen = chosen.where(cases.c.network_id == options.network_id, *conditions)
    return chosen if around else chosen.order_by(*order)
