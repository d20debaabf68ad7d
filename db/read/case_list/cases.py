"""The case list: one page of rows, the count of every filter's options, the neighbors in the list."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from db import schema
from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind
from db.query_types import AnySelect
from db.read.case_list.filtered import (
    ANNOTATIONS,
    CELL_COLUMNS,
    COLUMNS,
    COUNTED,
    FACET_ROWS,
    OF_DETECTOR,
    Condition,
    cell_counts,
    comes_after,
    comes_before,
    conditions,
    counted_in_cells,
    order_keys,
    ordered,
    population,
    sorts_by_decision,
)
from db.read.case_list.options import CaseOptions, default_network
from db.read.case_list.query import PAGE_SIZE, CaseQuery, case_query
from db.read.case_list.rows import ListedCase, listed_cases
from db.read.case_list.values import address_value
from db.read.refusal import QueryError
from db.read.written import written

ANNOTATED = [facet for facet in FACETS if facet.is_written]
EXTENTS = [facet.name for facet in FACETS if facet.is_range and not facet.of_detector]  # whose ends are told


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
    extents: dict[str, tuple[float, float] | None]  # range -> smallest and largest value in the partition


class CasePlace(NamedTuple):
    """The cases before and after one, in the order of the list; None at its ends or when it is not in it."""

    previous: int | None
    next: int | None
    position: int | None  # from 1
    total: int


def overview(engine: Engine, network_id: int | None = None) -> Overview:
    """A network (by default the newest case's), its accuracy and data set, and how many cases it has."""
    networks, datasets = schema.networks, schema.datasets
    with engine.connect() as connection:
        network_id = network_id or default_network(connection)
        if network_id is None:
            return Overview(None, None, None, 0)
        name, accuracy, dataset = connection.execute(
            select(networks.c.name, networks.c.test_accuracy, datasets.c.name)
            .join(datasets)
            .where(networks.c.id == network_id)
        ).one()
        return Overview(name, accuracy, dataset, _stored(connection, network_id))


def case_exists(engine: Engine, case_id: int) -> bool:
    """Whether the database has a case of this id."""
    with engine.connect() as connection:
        return connection.scalar(select(schema.cases.c.id).where(schema.cases.c.id == case_id)) is not None


def case_file_name(engine: Engine, case_id: int) -> str | None:
    """The name of the file that a case came from; None: it came from none."""
    query = select(schema.samples.c.name).join(schema.cases, schema.cases.c.sample_id == schema.samples.c.id)
    with engine.connect() as connection:
        return connection.scalar(query.where(schema.cases.c.id == case_id))


def list_cases(engine: Engine, query: CaseQuery, options: CaseOptions) -> CaseList:
    """The page of cases that `query` asks for; both arguments come from `case_query`.

    Raises `QueryError` for a page after the last.
    """
    held = conditions(query, options)
    with engine.connect() as connection:
        facets = _facets(connection, query, options, held)
        of_partitions = facets["partition"]  # under all the other filters
        total = sum(of_partitions.values()) if query.partition == "all" else of_partitions[query.partition]
        pages = max(1, -(-total // PAGE_SIZE))
        if query.page > pages:
            expected = f"1 to {pages}" if pages > 1 else "1"
            raise QueryError(f"The address asks for page '{query.page}', which does not exist", expected)
        chosen = filtered(query, options).limit(PAGE_SIZE).offset((query.page - 1) * PAGE_SIZE)
        rows = listed_cases(connection, list(connection.scalars(chosen)), query.detector)
        extents = {name: _extent(connection, query, options, name) for name in EXTENTS}
        stored = _stored(connection, options.network_id)
        return CaseList(rows, total, pages, stored, facets, extents)


def filtered(query: CaseQuery, options: CaseOptions) -> AnySelect:
    """SELECT of the ids of the filtered cases in order."""
    chosen = population(
        query,
        options,
        conditions(query, options),
        FACET_ROWS.c.case_id,
        with_decision=sorts_by_decision(query),
    )
    return chosen.order_by(*ordered(order_keys(query)))


def list_sql(engine: Engine, query: CaseQuery, options: CaseOptions) -> str:
    """The query behind a list as text, for `xpixels sql`: every column of `case_overview`, in its order.

    query, options: of `case_query`.
    """
    overview_ = schema.case_overview
    chosen = filtered(query, options).with_only_columns(literal_column("case_overview.*"))
    joined = chosen.get_final_froms()[0].join(overview_, overview_.c.case_id == FACET_ROWS.c.case_id)
    return written(chosen.select_from(joined), engine.dialect)


def random_case(engine: Engine, search: str) -> int | None:
    """A case under the filters of a query string, each as likely as the others; None: there is none."""
    query, options = case_query(engine, search, others=True)
    chosen = population(query, options, conditions(query, options), FACET_ROWS.c.case_id)
    with engine.connect() as connection:
        case_id: int | None = connection.scalar(chosen.order_by(func.random()).limit(1))
        return case_id


def neighbor_cases(engine: Engine, search: str, case_id: int) -> CasePlace:
    """The cases before and after `case_id` in the list that the query string `search` describes.

    Names in `search` that are not the list's are passed over. Raises `QueryError` for a wrong value.
    """
    query, options = case_query(engine, search, others=True)
    held, keys, decided = conditions(query, options), order_keys(query), sorts_by_decision(query)

    def of(*columns: ColumnElement[Any]) -> AnySelect:
        return population(query, options, held, *columns, with_decision=decided)

    with engine.connect() as connection:
        total = connection.scalar(population(query, options, held, func.count()))
        own = of(*(column for column, _ in keys)).where(FACET_ROWS.c.case_id == case_id)
        values = connection.execute(own).one_or_none()
        if values is None:
            return CasePlace(None, None, None, total)
        before, after = comes_before(keys, values), comes_after(keys, values)
        ids = of(FACET_ROWS.c.case_id)
        previous = ids.where(before).order_by(*ordered(keys, backwards=True)).limit(1)
        following = ids.where(after).order_by(*ordered(keys)).limit(1)
        position = 1 + connection.execute(of(func.count()).where(before)).scalar_one()
        return CasePlace(connection.scalar(previous), connection.scalar(following), position, total)


def _stored(connection: Connection, network_id: int | None) -> int:
    """How many cases a network has."""
    cells = schema.facet_cells.c
    one = select(func.min(cells.detector)).where(cells.network_id == network_id).scalar_subquery()
    of_one = select(func.sum(cells.cases)).where(cells.network_id == network_id, cells.detector == one)
    return int(connection.scalar(of_one) or 0)


def _facets(
    connection: Connection, query: CaseQuery, options: CaseOptions, held: Sequence[Condition]
) -> dict[str, dict[str, int]]:
    """Filter -> value -> cases under the other filters, for every value that could be chosen."""
    names = list(COUNTED)
    counts = {}
    if counted_in_cells(query):
        counts = _counts_in_cells(connection, query, options)
        names = [name for name in COUNTED if name not in counts]
    if names:
        counts |= _counts_of_cases(connection, query, options, held, names)
    known = options.choices | {PARTITION.name: PARTITION.choices}
    facets = {}
    for name, facet in COUNTED.items():
        found = {
            address_value(facet, stored, options): number
            for stored, number in counts[name].items()
            if stored is not None
        }
        values = dict.fromkeys((*known[name], *query.filters.get(name, ())))
        facets[name] = {value: found.get(value, 0) for value in values}
    for facet in ANNOTATED:
        facets[facet.name] = _annotated(connection, query, options, held, facet)
    return facets


def _counts_in_cells(
    connection: Connection, query: CaseQuery, options: CaseOptions
) -> dict[str, dict[Any, int]]:
    """The counts where nothing is asked that the cells do not tell."""
    held = conditions(query, options, CELL_COLUMNS)
    counts = {}
    for name in CELL_COLUMNS:
        others = [condition for condition in held if condition.filter != name]
        found = connection.execute(cell_counts(query, options, others, name))
        counts[name] = {value: int(number) for value, number in found}
    return counts


def _counts_of_cases(
    connection: Connection,
    query: CaseQuery,
    options: CaseOptions,
    held: Sequence[Condition],
    names: Sequence[str],
) -> dict[str, dict]:
    """The counts where each case has to be looked at: those of filters that are off are of the same cases."""
    on = [name for name in names if any(condition.filter == name for condition in held)]
    counts = _counts_together(connection, query, options, held, [name for name in names if name not in on])
    for name in on:
        others = [condition for condition in held if condition.filter != name]
        counts |= _counts_together(connection, query, options, others, [name])
    return counts


def _counts_together(
    connection: Connection,
    query: CaseQuery,
    options: CaseOptions,
    held: Sequence[Condition],
    names: Sequence[str],
) -> dict[str, dict[Any, int]]:
    """Filter -> value -> cases: filtered once, then counted by each column in turn, in one statement."""
    matched = population(
        query,
        options,
        held,
        *(COLUMNS[name].label(f"{name}_value") for name in names),
        with_decision=any(name in OF_DETECTOR for name in names),
    ).cte("matched")
    counted = []
    for name in names:
        column = matched.c[f"{name}_value"]  # as text: some are numbers, and a union has one type a column
        counted.append(select(literal(name), cast(column, Text), func.count()).group_by(column))
    found: dict[str, dict[Any, int]] = {name: {} for name in names}
    for name, text, number in connection.execute(union_all(*counted)):
        found[name][text] = number
    return found


def _annotated(
    connection: Connection, query: CaseQuery, options: CaseOptions, held: Sequence[Condition], facet: Facet
) -> dict[str, int]:
    """Tag (or verdict, or `yes` for notes) -> cases under the other filters; the most frequent first."""
    others = [condition for condition in held if condition.filter != facet.name]
    whether = facet.kind is Kind.ANNOTATED
    value = ANNOTATIONS.c.kind if whether else ANNOTATIONS.c.body
    number = func.count(FACET_ROWS.c.case_id.distinct())
    chosen = population(query, options, others, value, number)
    joined = chosen.get_final_froms()[0].join(ANNOTATIONS, ANNOTATIONS.c.case_id == FACET_ROWS.c.case_id)
    chosen = chosen.select_from(joined).where(ANNOTATIONS.c.kind == facet.name)
    counted = map(tuple, connection.execute(chosen.group_by(value)))
    found = dict(sorted(counted, key=lambda pair: (-pair[1], pair[0])))  # alike on every database
    if whether:
        found = {"yes": sum(found.values())} if found else {}
    return found | {chosen: 0 for chosen in query.filters.get(facet.name, ()) if chosen not in found}


def _extent(
    connection: Connection, query: CaseQuery, options: CaseOptions, name: str
) -> tuple[float, float] | None:
    """Smallest and largest value of a range in the partition, each from its index; None: no case has one."""
    column = COLUMNS[name]
    of_partition = [c for c in conditions(query, options) if c.filter == "partition"]
    values = population(query, options, of_partition, column).where(column.is_not(None)).limit(1)
    low, high = (connection.scalar(values.order_by(end)) for end in (column.asc(), column.desc()))
    return None if low is None or high is None else (low, high)
