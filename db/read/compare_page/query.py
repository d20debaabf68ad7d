"""The state of the page with two networks as the query string of an address."""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from db.read.chosen_scope import NetworkOption, network_options
from db.read.query_string import read_once, write_search
from db.read.refusal import QueryError
from db.scope import Scope

NAMES = ("network", "dataset", "other", "show", "page")
DIFFER = "differ"
SHOWN = (DIFFER, "both", "first", "second", "neither", "all")  # images by which networks one pixel fools
PAGE_IMAGES = 12


@dataclass(frozen=True)
class CompareQuery:
    """Two networks on a data set, and the images to show. Made by `compare_query`, which checks it."""

    first: NetworkOption
    second: NetworkOption
    show: str = DIFFER
    page: int = 1
    options: tuple[NetworkOption, ...] = field(
        default=(), compare=False
    )  # of data sets with several networks

    def search(self) -> str:
        """The query string, '?...' in a fixed order."""
        fields: list[tuple[str, object]] = [
            *(("network", self.first.id), ("dataset", self.first.dataset_id), ("other", self.second.id)),
            *([("show", self.show)] if self.show != DIFFER else []),
            *([("page", self.page)] if self.page != 1 else []),
        ]
        return write_search(fields)

    def but(self, **changes: Any) -> "CompareQuery":
        """A copy with `changes`, on the first page of images unless a page is given."""
        return replace(self, **{"page": 1} | changes)

    @property
    def scopes(self) -> tuple[Scope, Scope]:
        """Both networks, each with the data set."""
        return self.first.scope, self.second.scope


def compare_query(connection: Connection, search: str) -> CompareQuery | None:
    """Read a query string and check it against the database; without names, the first pair there is.

    None: there is no other network on the data set. Raises `QueryError` for an invalid name, value or
    repetition.
    """
    fields = read_once(search, NAMES)
    known = network_options(connection)
    options = comparable(known)
    of_dataset = _having(known, "dataset", "data set", fields.get("dataset"))
    named = _having(of_dataset, "id", "network", fields.get("network"))
    first = next((one for one in named if one in options), None)
    if first is None:
        return None
    others = [one for one in options if one.dataset_id == first.dataset_id and one.id != first.id]
    second = _having(others, "id", "other network", fields.get("other"))[0]
    show, page = fields.get("show", DIFFER), fields.get("page", "1")
    if show not in SHOWN:
        raise QueryError(f"The address asks for images '{show}', which does not exist", SHOWN)
    if not (page.isascii() and page.isdigit() and len(page) <= 9 and int(page) > 0):
        raise QueryError(f"The address asks for page '{page}', which does not exist", "a whole number from 1")
    return CompareQuery(first, second, show, int(page), options)


def comparable(options: tuple[NetworkOption, ...]) -> tuple[NetworkOption, ...]:
    """The networks on data sets that several networks have met."""
    counts: dict[int, int] = {}
    for one in options:
        counts[one.dataset_id] = counts.get(one.dataset_id, 0) + 1
    return tuple(one for one in options if counts[one.dataset_id] > 1)


def _having(
    options: tuple[NetworkOption, ...] | list[NetworkOption], name: str, title: str, text: str | None
) -> list[NetworkOption]:
    """The options with this id as text; None: all of them. Raises `QueryError` if there is none."""

    def number(one: NetworkOption) -> str:
        return str(one.dataset_id if name == "dataset" else one.id)

    fitting = [one for one in options if text is None or number(one) == text]
    if text is not None and not fitting:
        allowed = tuple(dict.fromkeys(number(one) for one in options))
        raise QueryError(f"The address asks for {title} '{text}', which is not there to compare", allowed)
    return fitting
