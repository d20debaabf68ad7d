"""What the header of every page shows: a network on a data set, and all others that can be chosen."""

from typing import NamedTuple

from sqlalchemy import Engine

from db.read.case_list.cases import Overview, overview
from db.read.case_list.options import default_scope
from db.read.chosen_scope import NAMES, NetworkOption, choose, network_options, scope_fields
from db.read.query_string import read_fields, write_search
from db.read.refusal import QueryError
from db.scope import Scope


class Header(NamedTuple):
    """The choice of a page."""

    overview: Overview
    scope: Scope | None  # None: the database has no network with a data set yet
    options: tuple[NetworkOption, ...]

    @property
    def search(self) -> str:
        """The query string of other pages about the same; '' where there is nothing to choose."""
        return write_search(scope_fields(self.scope, None)) if len(self.options) > 1 else ""


def header(engine: Engine, scope: Scope | None = None, search: str = "") -> Header:
    """Read the header of a page.

    Args:
        engine: the database.
        scope: what the page is about; None: what its address chooses.
        search: query string of its address; a choice that does not exist counts as none.
    """
    with engine.connect() as connection:
        options, default = network_options(connection), default_scope(connection)
    if scope is None:
        scope = _asked(options, default, search)
    return Header(overview(engine, scope), scope, options)


def _asked(options: tuple[NetworkOption, ...], default: Scope | None, search: str) -> Scope | None:
    fields = dict(read_fields(search))
    try:
        return choose(options, default, *(fields.get(name) for name in NAMES))
    except QueryError:
        return default
