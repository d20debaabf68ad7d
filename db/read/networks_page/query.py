"""The state of the networks' page as the query string: words to find, the order, a marked row."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from db.read.chosen_scope import NAMES as SCOPE_NAMES
from db.read.chosen_scope import choose, network_options, scope_fields
from db.read.query_string import read_once, write_search
from db.read.refusal import QueryError
from db.scope import Scope

NETWORK_SORTS = (
    *("network", "dataset", "accuracy", "sweep", "evolution", "positions"),
    *("neighbors", "repair", "baseline", "recovered", "rate", "run"),
)
DEFAULT_SORT = "sweep"
NAMES = (*SCOPE_NAMES, "find", "sort")
LONGEST = 200


@dataclass(frozen=True)
class NetworksQuery:
    """Words to find in the names, the order, the chosen row. Made by `networks_query`, which checks it."""

    find: str = ""
    sort: str = DEFAULT_SORT
    descending: bool = False
    scope: Scope | None = None  # of the row that is marked: what the other pages are about

    def search(self) -> str:
        """The query string, '?...' in a fixed order and without defaults, or ''."""
        sort = "-" * self.descending + self.sort
        fields = scope_fields(self.scope, None) + ([("find", self.find)] if self.find else [])
        return write_search([*fields, *([("sort", sort)] if sort != DEFAULT_SORT else [])])

    def but(self, **changes: Any) -> "NetworksQuery":
        """A copy with `changes`."""
        return replace(self, **changes)


def networks_query(connection: Connection, search: str) -> NetworksQuery:
    """Read a query string ('?sort=-accuracy' or ''). Raises `QueryError` for what it cannot mean."""
    fields = read_once(search, NAMES)
    find, sort = fields.get("find", "").strip(), fields.get("sort", DEFAULT_SORT)
    if len(find) > LONGEST:
        raise QueryError(f"The address looks for a text of {len(find)} characters", f"{LONGEST} at most")
    if sort.removeprefix("-") not in NETWORK_SORTS:
        hint = (*NETWORK_SORTS, "each also with '-' before it, descending")
        raise QueryError(f"The address asks for sort '{sort}', which does not exist", hint)
    scope = choose(network_options(connection), None, *(fields.get(name) for name in SCOPE_NAMES))
    return NetworksQuery(find, sort.removeprefix("-"), sort.startswith("-"), scope)
