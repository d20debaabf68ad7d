"""The state of the networks' page as the query string of an address: a text to find, and the order."""

from dataclasses import dataclass, replace
from typing import Any

from db.read.query_string import read_fields, write_search
from db.read.refusal import QueryError

NETWORK_SORTS = (
    *("network", "dataset", "parameters", "accuracy", "sweep", "evolution", "positions"),
    *("neighbors", "repair", "baseline", "recovered", "rate", "run"),
)
DEFAULT_SORT = "sweep"
NAMES = ("find", "sort")
LONGEST = 200


@dataclass(frozen=True)
class NetworksQuery:
    """Words to find in the names, and the order of the rows. Made by `networks_query`, which checks it."""

    find: str = ""
    sort: str = DEFAULT_SORT
    descending: bool = False

    def search(self) -> str:
        """The query string, '?...' in a fixed order and without defaults, or ''."""
        sort = "-" * self.descending + self.sort
        fields = [("find", self.find)] if self.find else []
        return write_search([*fields, *([("sort", sort)] if sort != DEFAULT_SORT else [])])

    def but(self, **changes: Any) -> "NetworksQuery":
        """A copy with `changes`."""
        return replace(self, **changes)


def networks_query(search: str) -> NetworksQuery:
    """Read a query string ('?sort=-accuracy' or ''). Raises `QueryError` for what it cannot mean."""
    fields: dict[str, str] = {}
    for name, value in read_fields(search):
        if name not in NAMES:
            raise QueryError(f"There is no filter '{name}'", NAMES)
        if name in fields:
            raise QueryError(f"The address has two values of {name}, '{fields[name]}' and '{value}'", "one")
        fields[name] = value
    find, sort = fields.get("find", "").strip(), fields.get("sort", DEFAULT_SORT)
    if len(find) > LONGEST:
        raise QueryError(f"The address looks for a text of {len(find)} characters", f"{LONGEST} at most")
    if sort.removeprefix("-") not in NETWORK_SORTS:
        hint = (*NETWORK_SORTS, "each also with '-' before it, descending")
        raise QueryError(f"The address asks for sort '{sort}', which does not exist", hint)
    return NetworksQuery(find, sort.removeprefix("-"), sort.startswith("-"))
