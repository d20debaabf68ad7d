"""The filters of the case list: every value with the number of cases that choosing it would leave."""

import json

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.theme import class_color
from db.facet_register import FACETS, PARTITION
from db.facet_type import Facet, Kind, on_page

AT_MOST = 12  # values shown of a filter that may have many, such as combinations or tags
MANY = 15  # of more values than this the most frequent are shown, and a field finds the others
SECTIONS = [facet for facet in on_page(FACETS) if facet.on_page and facet.kind is not Kind.PLACE]


def facets(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> list[Element]:
    """One section per filter; filters that could exclude no case are left out."""
    shown = []
    for facet in SECTIONS:
        if facet.is_range:
            shown.append(_range(facet, query, listed.extents.get(facet.name)))
        elif _is_useful(facet, listed.facets[facet.name], query):
            shown.append(_facet(facet, listed.facets[facet.name], query, options, home))
    return shown


def chosen_values(facet: Facet, query: db.read.CaseQuery) -> tuple[str, ...]:
    """The chosen values of a filter; (): any."""
    return (query.partition,) if facet is PARTITION else query.filters.get(facet.name, ())


def _is_useful(facet: Facet, counts: dict[str, int], query: db.read.CaseQuery) -> bool:
    return facet.name in query.filters or sum(n > 0 for n in counts.values()) >= facet.at_least


def _shown_counts(facet: Facet, counts: dict[str, int], query: db.read.CaseQuery) -> dict[str, int]:
    """The values that the page shows, in its order."""
    counts = {value: n for value, n in counts.items() if n or value not in facet.seldom}
    if facet is PARTITION:
        return counts | {"all": sum(counts.values())}
    return _most(facet, counts, query) if facet.frequent_first or len(counts) > MANY else counts


def _most(facet: Facet, counts: dict[str, int], query: db.read.CaseQuery) -> dict[str, int]:
    """The most frequent values, and those that are chosen."""
    there = sorted((value for value in counts if counts[value]), key=lambda value: -counts[value])
    return {value: counts[value] for value in dict.fromkeys((*there[:AT_MOST], *chosen_values(facet, query)))}


def _facet(
    facet: Facet,
    counts: dict[str, int],
    query: db.read.CaseQuery,
    options: db.read.CaseOptions,
    home: str,
) -> Element:
    """One filter: its values with their counts, in a fixed order; a click on a chosen one removes it."""
    stored, counts = counts, _shown_counts(facet, counts, query)
    chosen = chosen_values(facet, query)
    most = max(counts.values(), default=0)
    is_class, is_alone = facet.kind is Kind.CLASS, facet is PARTITION
    colors = {label: class_color(number) for number, label in options.class_names.items()}
    rows = []
    for value, number in counts.items():
        selected = value in chosen
        shown = options.label(facet, value)
        label = element(
            "span",
            shown,
            className="class-name" if is_class else "facet-name",
            style={"--class-color": colors[value]} if is_class else None,
        )
        bar = element("span", className="facet-bar", style={"--share": f"{number / most if most else 0:.4f}"})
        inside = [bar, label, element("span", f"{number:,}", className="facet-count muted small")]
        if not number and not selected:
            rows.append(element("li", element("span", inside, className="facet-option facet-none")))
            continue
        changed = query.but(partition=value) if is_alone else query.toggled(facet.name, value)
        rows.append(
            element(
                "li",
                link(
                    inside,
                    id=ids.list_link(facet.name, value),
                    href=home + changed.search(),
                    className="facet-option" + " facet-on" * selected,
                    title=_hint(shown, selected=selected, alone=is_alone, several=bool(chosen)),
                ),
                **({"aria-current": "true"} if selected else {}),
            )
        )
    is_open = facet.is_open or bool(query.filters.get(facet.name))
    body = [element("ul", rows), _finder(facet, stored, counts, query, options, home)]
    return _section(facet.name, facet.title, facet.hint, body, is_open=is_open)


def _finder(
    facet: Facet,
    stored: dict[str, int],
    shown: dict[str, int],
    query: db.read.CaseQuery,
    options: db.read.CaseOptions,
    home: str,
) -> Element | None:
    """A field that finds the values without a row, and the list that assets/cases/find.js fills."""
    rest = [
        [value, options.label(facet, value), number]
        for value, number in sorted(stored.items(), key=lambda item: (-item[1], item[0]))
        if number and value not in shown
    ]
    if not rest or facet is PARTITION:
        return None
    fields = {
        "type": "search",
        "className": "field small",
        "autocomplete": "off",
        "placeholder": f"Find among {len(rest)} more …",
        "aria-label": f"Find a value of {facet.title} by its name",
        "data-finds": facet.name,
        "data-rest": json.dumps(rest, ensure_ascii=False, separators=(",", ":")),
        "data-href": home + query.but(page=1).search(),
    }
    found = element("ul", [], **{"aria-live": "polite"})
    return element("div", [element("input", **fields), found], className="facet-find")


def _hint(label: str, *, selected: bool, alone: bool, several: bool) -> str:
    if alone:
        return ""
    if selected:
        return "Remove this filter"
    return f"Show {label} too" if several else ""


def _section(name: str, title: str, hint: str, body: list[Element | None], *, is_open: bool) -> Element:
    return element(
        "details",
        [element("summary", element("h2", title, className="muted small"), title=hint), *body],
        className=f"facet facet-{name}",
        open=is_open,
        **{"data-facet": name},
    )


def _range(facet: Facet, query: db.read.CaseQuery, extent: tuple[float, float] | None) -> Element:
    """Two fields, from and to; while empty they show the cases' lowest and highest value."""
    name, title = facet.name, facet.title
    bounds = query.ranges.get(name)
    ends = []
    for end, place, word in (("low", 0, "from"), ("high", 1, "to")):
        field = element(
            "input",
            **{
                "id": f"range-{name}-{end}",
                "class": "field range-end",
                "inputmode": "decimal",
                "autocomplete": "off",
                "value": "" if bounds is None else bounds.ends[place],
                "placeholder": word if extent is None else _format(extent[place]),
                "data-range": name,
                "data-end": end,
            },
        )
        label = element("span", f"{title}, {word}", className="visually-hidden")
        ends.append(element("label", [label, field], className="range-label"))
    fields = [ends[0], element("span", "to", className="muted"), ends[1]]
    body = element("div", fields, className="range-ends row small")
    return _section(name, title, facet.hint, [body], is_open=bounds is not None)


def _format(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"
