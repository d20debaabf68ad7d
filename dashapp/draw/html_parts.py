"""Parts of a page that no callback touches, sent as HTML in one component.

Dash keeps a place in its store for every component, and when a page is replaced it tells every one of them
about each other one: a list of 1,500 components took seconds to draw (plotly/dash issue 3846). `drawn` sends
such a part as the text of its HTML; `assets/drawn.js` puts it in place and follows its links.
"""

from html import escape
from typing import Any, NamedTuple

from dash import html
from dash._utils import stringify_id
from dash.development.base_component import Component

VOID = ("img", "input", "br", "hr")
NAMES = {"className": "class", "htmlFor": "for", "tabIndex": "tabindex", "colSpan": "colspan"}
SKIPPED = ("children", "key", "n_clicks", "disable_n_clicks", "refresh")


class Element(NamedTuple):
    """An element that only a drawn part can hold: one of dash.html takes thirty times as long to make."""

    tag: str
    inside: Any
    attributes: dict[str, Any]


def element(tag: str, inside: Any = None, **attributes: Any) -> Element:
    """An element; attributes are named as those of dash.html are (`className`, ...)."""
    return Element(tag, inside, attributes)


def drawn(part: Component | list[Any], **attributes: Any) -> html.Div:
    """The part, as one component; `attributes` are of the element around it.

    It may hold components of dash.html, links, texts and fields, with ids or without.
    """
    return html.Div(**attributes, **{"data-html": to_html(part)})


def link(inside: Any, href: str, **attributes: Any) -> Element:
    """A link to a page of this app, followed without loading it anew."""
    return Element("a", inside, {"href": href, "data-link": "", **attributes})


def to_html(part: Any) -> str:
    """A component and what is in it as HTML; texts and values escaped.

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
    given = part.to_plotly_json()
    if given["namespace"] == "dash_html_components":
        tag = given["type"].lower()
    elif given["type"] == "Link":
        tag = "a"
    else:
        raise TypeError(f"{given['type']} is more than an element: it cannot be drawn as HTML.")
    props = {name: value for name, value in given["props"].items() if name not in SKIPPED}
    if given["type"] == "Link":
        props["data-link"] = ""  # followed without loading the page anew
    return _element(tag, props, to_html(given["props"].get("children")))


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
    """A style's name as CSS has it: backgroundColor is background-color."""
    if name.startswith("--"):
        return name
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
