"""The state of the case view, which lives in its address: `/case/17?layer=dense&neighbors=all&...`.

The rest of the query string is the case list's, kept for the way back and for the previous and next case.
`layer` belongs to both: the list filters by the outcome in it. When the reader chooses another layer here
while such a filter is on, `list_layer` remembers the list's (assets/case.js writes it).
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from dashapp import words
from dashapp.pages.case_maps_address import NAMES as MAPS


class CaseView(NamedTuple):
    """What the address asks the page to show."""

    layer: str
    show_all: bool  # all stored neighbours instead of the first k
    complaints: tuple[str, ...]  # one line for each value that is not understood


def case_view(search: str, layers: Sequence[str]) -> CaseView:
    """Read a query string ('?...' or ''); without a layer the last compared one, as in the list.

    Args:
        search: the query string.
        layers: names of the compared layers in network order, at least one.
    """
    fields = dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))
    asked, layer = fields.get("layer"), layers[-1]
    complaints = []
    if asked in layers:
        layer = asked
    elif asked is not None:
        complaints.append(words.unknown_layer_sentence(asked, layers, layer))
    shown = fields.get("neighbors")
    if shown not in (None, "all"):
        complaints.append(words.unknown_range_sentence(shown))
    return CaseView(layer, shown == "all", tuple(complaints))


def list_search(search: str, layers: Sequence[str]) -> str:
    """The list's part of a case's query string: '?...' or ''."""
    fields = parse_qsl(search.removeprefix("?"), keep_blank_values=True)
    kept = next((value for name, value in fields if name == "list_layer"), None)
    result = []
    for name, value in fields:
        if name == "layer":
            value = value if kept is None else kept
            if value not in layers:
                continue
        elif name in ("list_layer", "neighbors", *MAPS):
            continue
        result.append((name, value))
    return f"?{urlencode(result)}" if result else ""
