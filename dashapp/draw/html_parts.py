"""Parts of a page that no callback touches, sent as HTML in one component.

Dash keeps a store entry for every component, and when a page is replaced it notifies each of them about every
other one: a list of 1,500 components took seconds to draw (plotly/dash issue 3846). `drawn` sends such a part
as HTML text; `assets/drawn.js` inserts it and follows its links.
"""

from html import escape
from typing import Any, NamedTuple

from dash import html
from dash._utils import stringify_id
from dash.development.base_component import Component

from db.scope import Scope

VOID = ("img", "input", "br", "hr")
NAMES = {"className": "class", "htmlFor": "for", "tabIndex": "tabindex", "colSpan": "colspan"}
SKIPPED = ("children", "key", "n_clicks", "disable_n_clicks", "refresh")


def scope_attributes(scope: Scope | None) -> dict[str, int]:
    """The attributes of a page's outermost component that tell the header which network it is about."""
    return {} if scope is None else {"data-network": scope.network_id, "data-dataset": scope.dataset_id}


def notice(title: str, *parts: Component) -> html.Div:
    """A card in place of a page: why there is nothing to see, and what to do."""
    return html.Div(className="notice card", children=[html.H1(title), *parts])


class Element(NamedTuple):
    """An element for drawn parts only: a component of dash.html takes thirty times as long to create."""

    tag: str
    inside: Any
    attributes: dict[str, Any]


def element(tag: str, inside: Any = None, **attributes: Any) -> Element:
    """An element; its attributes have the names that dash.html uses (`className`, ...)."""
    return Element(tag, inside, attributes)


def drawn(part: Component | list[Any], **attributes: Any) -> html.Div:
    """Wrap a part in one component; `attributes` belong to the element around it.

    The part may contain components of dash.html, links, texts and fields, with ids or without.
    """
    return html.Div(**attributes, **{"data-html": to_html(part)})


def link(inside: Any, href: str, **attributes: Any) -> Element:
    """A link to a page of this app, followed without a reload."""
    return Element("a", inside, {"href": href, "data-link": "", **attributes})


def to_html(part: Any) -> str:
    """Convert a component and its children to HTML; texts and values are escaped.

    Raises:
        TypeError: a component that is more than an element, such as a graph.
    """
    if part is None:
        return ""
    if isinstance(part, str):
        return escape(part, quote=False)
    if isinstance(part, Element):
        return _element(part.tag, part.attributes, to_html(part.inside))
    if isinstance(part, list | tuple):
        return "".join(map(to_html, part))
    if not isinstance(part, Component):
        return escape(str(part), quote=False)
    entry = part.to_plotly_json()
    if entry["namespace"] == "dash_html_components":
        tag = entry["type"].lower()
    elif entry["type"] == "Link":
        tag = "a"
    else:
        raise TypeError(f"{entry['type']} is more than an element: it cannot be drawn as HTML.")
    props = {name: value for name, value in entry["props"].items() if name not in SKIPPED}
    if entry["type"] == "Link":
        props["data-link"] = ""  # followed without a reload
    return _element(tag, props, to_html(entry["props"].get("children")))


def _element(tag: str, props: dict[str, Any], inside: str) -> str:
    written = "".join(_attribute(name, value) for name, value in props.items())
    return f"<{tag}{written}>" if tag in VOID else f"<{tag}{written}>{inside}</{tag}>"


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = NAMES.get(name, name)
    if value is True:
        return f" {name}"
    if name == "style":
        value = ";".join(f"{_css(key)}:{each}" for key, each in value.items())
    if name == "id":
        value = stringify_id(value)
    return f' {name}="{escape(str(value))}"'


def _css(name: str) -> str:
    """A style's name in CSS: backgroundColor becomes background-color."""
    if name.startswith("--"):
        return name
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
