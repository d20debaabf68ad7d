"""The filters of the case list: every value with the number of cases that choosing it would leave."""

from urllib.parse import quote

import db.read
from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.theme import class_color
from dashapp.words.decisions import OUTCOME_NAMES

TITLES = {
    "partition": "Partition",
    "network": "Network",
    "kind": "Kind",
    "true": "True class",
    "predicted": "Predicted class",
    "alarms": "Layers that alarm",
    "divergence": "First divergence",
    "recovered": "Recovered class",
    "target": "Target class",
    "goal": "Goal of the attack",
    "method": "Attack",
    "batch": "Batch",
    "seed": "Seed",
    "pixels": "Pixels",
    "verdict": "Verdict",
    "tag": "Tags",
    "note": "Notes",
}
HINTS = {
    "alarms": "Exactly these layers alarm, and no other",
    "divergence": "First layer where most of the nearest neighbors are not of the true class",
    "recovered": "Class that the shown detector takes for the true one when it alarms",
    "target": "Class that a targeted attack aimed at",
    "batch": "What one `xpixels ingest` asked for; --name gives it its name",
    "seed": "Of the chance that a batch had: another seed is another batch",
    "pixels": "How many pixels the attack changed",
    "verdict": "What people judged",
    "partition": "k and threshold are chosen on the tuning cases and judged on the validation cases",
}
CLASSES = ("true", "predicted", "target", "recovered")
OPEN = ("partition", "network", "kind", "true", "predicted")  # the others open when they are in use
AT_MOST = 12  # values of a filter that has as many as there are combinations or tags
NAMES = {"all": "both", "yes": "with a note"}
RANGES = {
    "confidence": ("Confidence", "Softmax probability of the predicted class, 0 to 1"),
    "unexpected": ("Unexpected neighbors", "Of the shown detector: its score, in a layer the count"),
    "queries": ("Queries of the attack", "Candidates that the network was asked about"),
}


def facets(
    query: db.read.CaseQuery, options: db.read.CaseOptions, listed: db.read.CaseList, home: str
) -> list[Element]:
    """One section a filter; those that could leave out nothing are not shown."""
    counts = listed.facets
    partitions = {name: n for name, n in counts["partition"].items() if n or name != "checked"}
    shown = [_facet("partition", partitions | {"all": sum(partitions.values())}, query, options, home)]
    if len(options.networks) > 1:
        shown.append(_networks(options, home))
    kinds = {name: n for name, n in counts["kind"].items() if n or name != "unknown"}
    shown.append(_facet("kind", kinds, query, options, home))
    shown += [_facet(name, counts[name], query, options, home) for name in ("true", "predicted")]
    shown.append(_range("confidence", query, listed.extents["confidence"]))
    for name in ("alarms", "divergence", "recovered"):
        values = _most(counts[name], query, name) if name == "alarms" else counts[name]
        shown.append(_facet(name, values, query, options, home))
    shown.append(_range("unexpected", query, None))
    for name in ("goal", "target", "method", "pixels", "batch", "seed"):
        if _tells(counts[name], query, name):
            values = _most(counts[name], query, name) if name in ("batch", "seed") else counts[name]
            shown.append(_facet(name, values, query, options, home))
    shown.append(_range("queries", query, listed.extents["queries"]))
    for name in ("verdict", "tag", "note"):
        if counts[name]:
            shown.append(_facet(name, _most(counts[name], query, name), query, options, home))
    return shown


def _most(counts: dict[str, int], query: db.read.CaseQuery, name: str) -> dict[str, int]:
    """The most frequent values, and those that are chosen."""
    there = sorted((value for value in counts if counts[value]), key=lambda value: -counts[value])
    return {value: counts[value] for value in dict.fromkeys((*there[:AT_MOST], *query.filters.get(name, ())))}


def _tells(counts: dict[str, int], query: db.read.CaseQuery, name: str) -> bool:
    return name in query.filters or sum(n > 0 for n in counts.values()) > (name != "target")


def _facet(
    name: str,
    counts: dict[str, int],
    query: db.read.CaseQuery,
    options: db.read.CaseOptions,
    home: str,
) -> Element:
    """One filter: its values with their counts, in a fixed order; a chosen one takes itself off."""
    chosen = (query.partition,) if name == "partition" else query.filters.get(name, ())
    most = max(counts.values(), default=0)
    colors = {label: class_color(number) for number, label in options.class_names.items()}
    rows = []
    for value, number in counts.items():
        selected = value in chosen
        is_class = name in CLASSES
        label = element(
            "span",
            value_name(name, value, options),
            className="class-name" if is_class else "facet-name",
            style={"--class-color": colors[value]} if is_class else None,
        )
        bar = element("span", className="facet-bar", style={"--share": f"{number / most if most else 0:.4f}"})
        inside = [bar, label, element("span", f"{number:,}", className="facet-count")]
        if not number and not selected:
            rows.append(element("li", element("span", inside, className="facet-option facet-none")))
            continue
        changed = query.but(partition=value) if name == "partition" else query.toggled(name, value)
        rows.append(
            element(
                "li",
                link(
                    inside,
                    id=ids.list_link(name, value),
                    href=home + changed.search(),
                    className="facet-option" + " facet-on" * selected,
                    title=_hint(value, selected=selected, alone=name == "partition", several=bool(chosen)),
                ),
                **({"aria-current": "true"} if selected else {}),
            )
        )
    return _section(name, element("ul", rows), is_open=name in OPEN or bool(query.filters.get(name)))


def value_name(name: str, value: str, options: db.read.CaseOptions) -> str:
    """How a value of a filter is shown."""
    if name == "batch":
        return options.batches.get(int(value), f"#{value}")
    if name == "pixels":
        return f"{value} pixel{'' if value == '1' else 's'}"
    if name == "outcome":
        return OUTCOME_NAMES.get(value, value)
    return NAMES.get(value, value.replace("+", " + "))


def _hint(value: str, *, selected: bool, alone: bool, several: bool) -> str:
    if alone:
        return ""
    if selected:
        return "Take off this filter"
    return f"Show {OUTCOME_NAMES.get(value, value)} too" if several else ""


def _networks(options: db.read.CaseOptions, home: str) -> Element:
    """Classes, layers and attacks are each network's own, so choosing one takes off every filter."""
    rows = [
        element(
            "li",
            link(
                element("span", network.title, className="facet-name"),
                id=ids.list_link("network", str(network.id)),
                href=f"{home}?network={quote(str(network.id))}",
                className="facet-option" + " facet-on" * (network.id == options.network_id),
            ),
            **({"aria-current": "true"} if network.id == options.network_id else {}),
        )
        for network in options.networks
    ]
    return _section("network", element("ul", rows), is_open=True)


def _section(name: str, body: Element, *, is_open: bool) -> Element:
    return element(
        "details",
        [element("summary", element("h2", TITLES[name]), title=HINTS.get(name, "")), body],
        className=f"facet facet-{name}",
        open=is_open,
        **{"data-facet": name},
    )


def _range(name: str, query: db.read.CaseQuery, extent: tuple[float, float] | None) -> Element:
    """Two fields, from and to; what the cases have stands in them while they are empty."""
    title, hint = RANGES[name]
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
                "placeholder": word if extent is None else _told(extent[place]),
                "data-range": name,
                "data-end": end,
            },
        )
        label = element("span", f"{title}, {word}", className="visually-hidden")
        ends.append(element("label", [label, field], className="range-label"))
    return element(
        "details",
        [
            element("summary", element("h2", title), title=hint),
            element(
                "div", [ends[0], element("span", "to", className="muted"), ends[1]], className="range-ends"
            ),
        ],
        className=f"facet facet-{name}",
        open=bounds is not None,
        **{"data-facet": name},
    )


def _told(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"
