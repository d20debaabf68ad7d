"""The maps that can lie over a case's images, by name: menu, address and legend derive from this register.

To add a map, add a row here with a function that reads it (CONTRIBUTING.md).
"""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine

import db.read
from dashapp.words import maps as words


class MapContent(NamedTuple):
    """A map of a case: over its image, over the original of an attacked one, or over both."""

    over: db.read.PixelMap | None
    original: db.read.PixelMap | None
    sentences: list[str]  # what the map means, then what it shows for this image


class CaseMap(NamedTuple):
    """A map that the reader can choose."""

    name: str  # in the address
    title: str
    note: str  # what it shows, in one sentence
    what: str = ""  # name of what the database lacks if `read` returns None
    read: Callable[[Engine, db.read.CaseDetail], MapContent | None] | None = None  # None: no map


def read_vulnerability(engine: Engine, case: db.read.CaseDetail) -> MapContent | None:
    """Read how vulnerable each position was, in the image before any attack."""
    stored = db.read.vulnerability_map(engine, case.case_id)
    if stored is None:
        return None
    attacked = case.attack is not None
    sentences = words.vulnerability_sentences(
        margins=stored.margins,
        classes=stored.classes,
        levels=stored.levels,
        channels=stored.channels,
        stride=stored.stride,
        true=case.true_name or case.class_names[case.predicted_class],
        names=case.class_names,
        attacked=attacked,
    )
    return MapContent(None if attacked else stored, stored if attacked else None, sentences)


def read_repair(engine: Engine, case: db.read.CaseDetail) -> MapContent | None:
    """Read what repairing each pixel does, in the image and in the original."""
    over, original = db.read.repair_maps(engine, case.case_id)
    if over is None:
        return None
    sentences = words.repair_sentences(
        margins=over.margins,
        classes=over.classes,
        predicted=case.class_names[case.predicted_class],
        names=case.class_names,
        before=None if original is None else original.margins,
    )
    return MapContent(over, original, sentences)


MAPS: dict[str, CaseMap] = {
    one.name: one
    for one in (
        CaseMap("plain", "Plain", "The images as they are"),
        CaseMap(
            "vulnerability",
            "Vulnerability",
            "What the best color at each position would do to the image before any attack",
            "vulnerability map",
            read_vulnerability,
        ),
        CaseMap(
            "repair",
            "Repair",
            "What replacing each pixel by the median of its neighbors does",
            "repair sweep",
            read_repair,
        ),
    )
}
PLAIN = next(iter(MAPS))
