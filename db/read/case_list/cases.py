"""The case list: one page of rows, the counts of every filter's options, the previous and the next case."""

from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    func,
    literal_column,
    select,
)

from db import schema
from db.query_types import AnySelect
from db.read.case_list.counts import EXTENTS, count_facets, extent
from db.read.case_list.filtered import (
    FACET_ROWS,
    comes_after,
    comes_before,
    conditions,
    order_keys,
    ordered,
    population,
    sorts_by_decision,
)
from db.read.case_list.options import CaseOptions, default_scope
from db.read.case_list.query import PAGE_SIZE, CaseQuery, case_query
from db.read.case_list.rows import ListedCase, listed_cases
from db.read.refusal import QueryError
from db.read.written import written
from db.scope import Scope


class Overview(NamedTuple):
    """The contents of the database, for the header."""

    network: str | None
    test_accuracy: float | None  # share, [0, 1]
    dataset: str | None
    case_count: int


class CaseList(NamedTuple):
    """One page of the list, with totals and counts for the filters."""

    rows: tuple[ListedCase, ...]
    total: int  # cases that pass the filters
    pages: int  # at least 1
    stored: int  # cases of this network and data set, whatever the filters
    facets: dict[str, dict[str, int]]  # filter -> value -> cases, under all the *other* filters
    extents: dict[str, tuple[float, float] | None]  # range -> smallest and largest value in the partition


class CasePlace(NamedTuple):
    """The cases before and after one in the list; None at the ends, or if the case is not in the list."""

    previous: int | None
    next: int | None
    position: int | None  # from 1
    total: int


def overview(engine: Engine, scope: Scope | None = None) -> Overview:
    """A network and a data set (by default the newest case's), the accuracy there, and how many cases."""
    networks, datasets, pairs = schema.networks, schema.datasets, schema.network_datasets
    with engine.connect() as connection:
        scope = scope or default_scope(connection)
        if scope is None:
            return Overview(None, None, None, 0)
        name, accuracy, dataset = connection.execute(
            select(networks.c.name, pairs.c.test_accuracy, datasets.c.name)
            .join_from(pairs, networks, networks.c.id == pairs.c.network_id)
            .join(datasets, datasets.c.id == pairs.c.dataset_id)
            .where(scope.of(pairs))
        ).one()
        return Overview(name, accuracy, dataset, _stored(connection, scope))


def case_exists(engine: Engine, case_id: int) -> bool:
    """Whether the database has a case with this id."""
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
        facets = count_facets(connection, query, options, held)
        of_partitions = facets["partition"]  # under all the other filters
        total = sum(of_partitions.values()) if query.partition == "all" else of_partitions[query.partition]
        pages = max(1, -(-total // PAGE_SIZE))
        if query.page > pages:
            expected = f"1 to {pages}" if pages > 1 else "1"
            raise QueryError(f"The address asks for page '{query.page}', which does not exist", expected)
        chosen = filtered(query, options).limit(PAGE_SIZE).offset((query.page - 1) * PAGE_SIZE)
        rows = listed_cases(connection, list(connection.scalars(chosen)), query.detector)
        extents = {name: extent(connection, query, options, name) for name in EXTENTS}
        stored = _stored(connection, options.scope)
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

    query, options: from `case_query`.
    """
    overview_ = schema.case_overview
    chosen: AnySelect = filtered(query, options).with_only_columns(literal_column("case_overview.*"))
    joined = chosen.get_final_froms()[0].join(overview_, overview_.c.case_id == FACET_ROWS.c.case_id)
    return written(chosen.select_from(joined), engine.dialect)


def random_case(engine: Engine, search: str) -> int | None:
    """A random case that passes the filters of a query string, all equally likely; None: there is none."""
    query, options = case_query(engine, search, others=True)
    chosen = population(query, options, conditions(query, options), FACET_ROWS.c.case_id)
    with engine.connect() as connection:
        case_id: int | None = connection.scalar(chosen.order_by(func.random()).limit(1))
        return case_id


def neighbor_cases(engine: Engine, search: str, case_id: int) -> CasePlace:
    """The cases before and after `case_id` in the list that the query string `search` describes.

    Names in `search` that the list does not have are ignored. Raises `QueryError` for a wrong value.
    """
    query, options = case_query(engine, search, others=True)
    held, keys, decided = conditions(query, options), order_keys(query), sorts_by_decision(query)

    def of(*columns: ColumnElement[Any]) -> AnySelect:
        return population(query, options, held, *columns, with_decision=decided)

    with engine.connect() as connection:
        total = connection.execute(population(query, options, held, func.count())).scalar_one()
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


def _stored(connection: Connection, scope: Scope | None) -> int:
    """How many cases a network has on a data set."""
    if scope is None:
        return 0
    cells = schema.facet_cells
    one = select(func.min(cells.c.detector)).where(scope.of(cells)).scalar_subquery()
    of_one = select(func.sum(cells.c.cases)).where(scope.of(cells), cells.c.detector == one)
    return int(connection.scalar(of_one) or 0)
