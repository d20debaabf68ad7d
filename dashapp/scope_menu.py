"""In the header: the network and the data set that a page is about, and a menu of all others."""

from dash import html

from dashapp.draw.html_parts import Element, drawn, element, link
from dashapp.words.decisions import percent
from db.read import Header, NetworkOption
from db.read.chosen_scope import scope_fields
from db.read.query_string import write_search

SEARCHED = 8  # from this many options, a field finds them by name
ROLE, CHOOSE = "Network and data set", "Choose another network or data set"


def scope_menu(header: Header, path: str) -> html.Div:
    """The facts about what is chosen; as a menu where there is something to choose from.

    Args:
        header: of the page.
        path: where the choices lead, with the base path; each adds its ids.
    """
    facts = header.overview
    cases = element("span", _fact("Cases", f"{facts.case_count:,}"), className="app-cases")
    if facts.network is None:
        return drawn([cases], className="row")
    accuracy = None
    if facts.test_accuracy is not None:
        text = f" · {percent(facts.test_accuracy)} test accuracy"
        accuracy = element("span", text, className="app-accuracy")
    chosen = [_fact("Network", facts.network, accuracy), _fact("Dataset", facts.dataset or "")]
    if len(header.options) < 2:
        return drawn([*chosen, cases], className="app-scope row")
    several = len(header.options) >= SEARCHED
    menu = element(
        "details",
        [
            element(
                "summary",
                [
                    *chosen,
                    element("span", ". Choose another network or data set", className="visually-hidden"),
                ],
                className="app-scope row",
                title=f"{ROLE}: {facts.network} on {facts.dataset}. {CHOOSE}",
            ),
            element(
                "div",
                [
                    _search(len(header.options)) if several else None,
                    element(
                        "ul",
                        [_option(one, header, path) for one in header.options],
                        className="scopes",
                        **{"data-narrowed": ""},
                    ),
                    element("p", "None has this name.", className="muted small", hidden=True, role="status"),
                ],
                className="menu card floating scope-options",
            ),
        ],
        className="menu-of scope-menu",
    )
    return drawn([menu, cases], className="row")


def _fact(name: str, value: str, more: Element | None = None) -> Element:
    title, said = element("span", name, className="muted"), element("span", value, className="ellipsis")
    return element("span", [title, " ", said, more], className="app-fact")


def _search(number: int) -> Element:
    return element(
        "input",
        **{
            "className": "field",
            "type": "search",
            "autocomplete": "off",
            "placeholder": f"Find among {number} …",
            "aria-label": "Find a network or a data set by name",
            "data-narrows": "",
        },
    )


def _option(option: NetworkOption, header: Header, path: str) -> Element:
    current = option.scope == header.scope
    accuracy = "" if option.test_accuracy is None else percent(option.test_accuracy)
    inside = [
        element(
            "span",
            [
                element("span", option.name, className="scope-name"),
                element("span", f" #{option.id} on ", className="muted"),
                option.dataset,
            ],
            className="ellipsis",
        ),
        element("span", accuracy, className="muted small at-end"),
    ]
    return element(
        "li",
        link(
            inside,
            href=path + write_search(scope_fields(option.scope, None)),
            className="scope row",
            title=option.title + (f", {accuracy} test accuracy" if accuracy else ""),
            **({"aria-current": "true"} if current else {}),
        ),
    )
