"""Map addresses to pages.

A page is a package (or anything else) with these names; `dashapp.app.PAGES` lists them:

    PATH               '/detectors', or with a number in it: '/case/<case_id>'
    TITLE              in the menu, and in the browser's tab
    layout(app, engine, visit) -> Component
    register(app, engine, writer)
    validation_layout() -> Component    optional: every id that its callbacks name, without data
    title(engine, numbers) -> str       optional: the tab's title; LookupError if the numbers name nothing
    FOLLOWS_ADDRESS = True              optional: its own callback follows the query string

A page without a number in its path is in the menu.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from dash import Dash
from dash.development.base_component import Component
from sqlalchemy import Engine

from dashapp.pages import not_found
from dashapp.theme import Theme
from db.scope import Scope

NUMBER = re.compile(r"<(\w+)>")


class Visit(NamedTuple):
    """A browser's request for a page."""

    search: str = ""  # query string, '?...' or ''
    numbers: Mapping[str, int] = MappingProxyType({})  # those in the path: {'case_id': 17}
    theme: Theme = "light"
    writable: bool = False  # annotations and saved views can be changed


class Page(Protocol):
    """The names that every page exports."""

    PATH: str
    TITLE: str

    def layout(self, app: Dash, engine: Engine, visit: Visit) -> Component:
        """Draw the page."""

    def register(self, app: Dash, engine: Engine, writer: Engine | None) -> None:
        """Connect its callbacks."""


class Place(NamedTuple):
    """A page, and the numbers in the path that leads to it."""

    page: Page
    numbers: Mapping[str, int]

    def title(self, engine: Engine) -> str:
        """The title of the browser's tab. Raises LookupError if the numbers name nothing."""
        make_title = getattr(self.page, "title", None)
        return self.page.TITLE if make_title is None else make_title(engine, self.numbers)


class Answer(NamedTuple):
    """A drawn page and its title."""

    title: str
    body: Component
    follows_address: bool = False

    @property
    def scope(self) -> Scope | None:
        """The network and the data set that the page is about, from its outermost component; None: any."""
        network, dataset = (getattr(self.body, f"data-{name}", None) for name in ("network", "dataset"))
        return None if network is None or dataset is None else Scope(network, dataset)


def find_place(app: Dash, pages: Sequence[Page], pathname: str) -> Place | None:
    """Find the page at a path (with the base path); None: there is no such page."""
    path = "/" + (app.strip_relative_path(pathname) or "")
    for page in pages:
        pattern = NUMBER.sub(r"(?P<\1>[1-9][0-9]{0,8})", re.escape(page.PATH))
        match = re.fullmatch(pattern, path, re.ASCII)
        if match:
            return Place(page, {name: int(number) for name, number in match.groupdict().items()})
    return None


def leads_somewhere(app: Dash, engine: Engine, pages: Sequence[Page], pathname: str) -> bool:
    """Whether there is a page at a path, and its numbers name something in the database."""
    place = find_place(app, pages, pathname)
    try:
        return place is not None and bool(place.title(engine))
    except LookupError:
        return False


def draw_page(app: Dash, engine: Engine, pages: Sequence[Page], pathname: str, visit: Visit) -> Answer:
    """Draw the page at a path (with the base path), or a notice that there is none."""
    place = find_place(app, pages, pathname)
    if place is None:
        return Answer("Not found", not_found.layout(app, pathname, "is no page of this dashboard."))
    try:
        title = place.title(engine)
    except LookupError as error:
        problem = str(error)
        reason = f"leads nowhere. {problem[:1].upper()}{problem[1:]}."
        return Answer("Not found", not_found.layout(app, pathname, reason))
    body = place.page.layout(app, engine, visit._replace(numbers=place.numbers))
    return Answer(title, body, getattr(place.page, "FOLLOWS_ADDRESS", False))
