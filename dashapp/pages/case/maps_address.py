"""The maps' part of the case view's address: `?map=repair&activations=conv2&difference=original`."""

from collections.abc import Sequence
from typing import NamedTuple

from dashapp.pages.case.map_register import MAPS, PLAIN
from db.read.query_string import read_fields

NAMES = ("map", "activations", "difference")  # of the case view alone: the list has none of them
ORIGINAL = "original"


class MapsView(NamedTuple):
    """The maps that the address asks for."""

    over: str  # one of MAPS: the map over the images
    layer: str | None  # whose maps are open
    difference: bool  # to the maps of the image before the attack
    complaints: dict[str, str]  # by name: one line for a value that is not understood


def maps_view(search: str, layers: Sequence[str]) -> MapsView:
    """Read a query string ('?...' or ''); `layers` are the names of the conv layers."""
    fields = dict(read_fields(search))
    allowed = {
        "map": tuple(name for name in MAPS if name != PLAIN),
        "activations": tuple(layers),
        "difference": (ORIGINAL,),
    }
    complaints = {
        name: f"The address asks for {name} “{fields[name]}”; it can be {' or '.join(values)}."
        for name, values in allowed.items()
        if name in fields and fields[name] not in values
    }
    known = {name: value for name, value in fields.items() if name in NAMES and name not in complaints}
    return MapsView(known.get("map", PLAIN), known.get("activations"), "difference" in known, complaints)
