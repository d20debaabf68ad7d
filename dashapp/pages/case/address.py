"""The state of the case view, which is stored in its address: `/case/17?layer=dense&neighbors=all&...`.

The rest of the query string is the case list's, for the link back and for the previous and next case.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dashapp.pages.case.maps_address import NAMES as MAPS
from dashapp.words import decisions
from db.read.query_string import read_fields, write_search
from db.vocabulary import K_MAX, METRIC

PANELS = ("both", "graph", "list")  # how the neighbors are shown, the default first
ORDERS = ("difference", "stored")  # of a pair's units, the default first
MOST_FOUND = 8  # classes that are added to the charts
# Fields of a case's page only; the list has none of them.
OWN = (
    "layer",
    "neighbors",
    "metric",
    "rule",
    "k",
    "threshold",
    "panel",
    "pair",
    "order",
    "twin",
    "classes",
    *MAPS,
)


class CaseView(NamedTuple):
    """The view that the address asks for."""

    layer: str
    show_all: bool  # all stored neighbors instead of the first k
    metric: str
    rule: str
    k: int | None  # None: the tuned one
    threshold: int | None  # None: the tuned one
    panel: str  # one of PANELS
    pair: int | None  # reference sample whose activations are compared with the case's
    order: str  # one of ORDERS
    twin: bool  # the neighbors of the image before the attack, beside these
    classes: tuple[int, ...]  # that the reader wants in the charts, if they do not show all
    complaints: tuple[str, ...]  # one line for each value that is not understood


def case_view(
    search: str,
    layers: Sequence[str],
    metrics: Sequence[str] = (METRIC,),
    rules: Sequence[str] = ("total",),
    classes: int = 0,
) -> CaseView:
    """Read a query string ('?...' or ''); the default layer is the list's detector if a layer, else the last.

    Args:
        search: the query string.
        layers: names of the compared layers in network order, at least one.
        metrics: those that neighbors of this case are stored under; the first is the default.
        rules: those that are tuned; the first is the default.
        classes: how many there are.
    """
    fields = dict(read_fields(search))
    own_layer, list_detector = fields.get("layer"), fields.get("detector")
    layer = list_detector if list_detector in layers else layers[-1]
    complaints = []
    if own_layer in layers:
        layer = own_layer
    elif own_layer is not None:
        complaints.append(decisions.unknown_layer_sentence(own_layer, layers, layer))
    neighbors = fields.get("neighbors")
    if neighbors not in (None, "all"):
        complaints.append(decisions.unknown_range_sentence(neighbors))

    def read_choice(name: str, known: Sequence[str]) -> str:
        value = fields.get(name, known[0])
        if value in known:
            return value
        complaints.append(_complaint(name, value, f"it can be {', '.join(known)}. Shown instead: {known[0]}"))
        return known[0]

    def read_number(name: str, lowest: int, highest: int | None) -> int | None:
        value = fields.get(name)
        if value is None:
            return None
        try:
            parsed = int(value)
        except ValueError:
            parsed = None
        if parsed is None or len(value) > 9 or parsed < lowest or (highest is not None and parsed > highest):
            ends = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
            complaints.append(_complaint(name, value, f"it can be a whole number, {ends}"))
            return None
        return parsed

    def read_classes() -> tuple[int, ...]:
        value = fields.get("classes")
        parts = [] if value is None else value.split(",")
        if len(parts) > MOST_FOUND or any(not _is_below(part, classes) for part in parts):
            expected = (
                f"it can be up to {MOST_FOUND} numbers of classes from 0 to {classes - 1:,}, with commas"
            )
            complaints.append(_complaint("classes", value or "", expected))
            return ()
        return tuple(dict.fromkeys(map(int, parts)))

    view = CaseView(
        layer=layer,
        show_all=neighbors == "all",
        metric=read_choice("metric", metrics or (METRIC,)),
        rule=read_choice("rule", rules or ("total",)),
        k=read_number("k", 1, K_MAX),
        threshold=read_number("threshold", -1, K_MAX),
        panel=read_choice("panel", PANELS),
        pair=read_number("pair", 1, None),
        order=read_choice("order", ORDERS),
        twin=read_choice("twin", ("0", "1")) == "1",
        classes=read_classes(),
        complaints=(),
    )
    return view._replace(complaints=tuple(complaints))


def _is_below(text: str, end: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) < end


def _complaint(name: str, value: str, expected: str) -> str:
    return f"The address asks for {name} “{value}”; {expected}."


def chooses(field: str, value: str) -> dict[str, Any]:
    """Attributes of a button that writes a value into the address.

    "" is the field's default, which is left out. assets/case/insight.js handles the click; a click on an
    expanded button removes its value.
    """
    return {"data-field": field, "data-value": value}


def other_case_search(search: str) -> str:
    """The query string for the previous or the next case: this one without fields of this case alone."""
    return _without(search, ("pair",))


def list_search(search: str) -> str:
    """The list's part of a case's query string: '?...' or ''."""
    return _without(search, OWN)


def _without(search: str, names: Sequence[str]) -> str:
    return write_search((name, value) for name, value in read_fields(search) if name not in names)
