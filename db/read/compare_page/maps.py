"""Vulnerability maps of two networks of the same images: how far they agree, and where not.

Axis letters: H rows, W columns of a map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, and_, select

from db.query_types import AnyRow, AnySelect
from db.read.compare_page.answers import Table
from db.read.compare_page.query import DIFFER, PAGE_IMAGES, CompareQuery
from db.read.refusal import QueryError
from db.schema import cases, classes, images, samples, vulnerability_maps
from db.scope import Scope

if TYPE_CHECKING:
    import numpy as np

MOST_MAPS = 1000  # pairs of maps that are compared position by position


class SweptPair(NamedTuple):
    """An image that was swept for both networks with the same colors and positions."""

    sample_id: int
    position: int  # in its split
    first_map: int  # ids
    second_map: int
    first_positions: int  # vulnerable ones
    second_positions: int

    @property
    def kind(self) -> str:
        """Which networks one pixel fools: both, first, second or neither."""
        if self.first_positions:
            return "both" if self.second_positions else "first"
        return "second" if self.second_positions else "neither"


class Agreement(NamedTuple):
    """How alike the maps of the two networks are; None: nothing to compare."""

    compared: int  # images
    correlation: float | None  # of the margins, mean over images, -1 to 1
    overlap: float | None  # of the vulnerable positions: of both / of either, where both have some
    overlapped: int  # images that this is the mean of


class SidePicture(NamedTuple):
    """What one network makes of an image."""

    margins: np.ndarray  # (H, W) float32, logits; above 0: one pixel there fools it
    positions: int  # such positions
    case_id: int | None  # its case of this image


class ComparedImage(NamedTuple):
    """An image with the maps of both networks."""

    sha256: str
    height: int  # pixels of the image
    width: int
    position: int
    true_class: str
    first: SidePicture
    second: SidePicture


def read_swept_pairs(connection: Connection, first: Scope, second: Scope) -> list[SweptPair]:
    """The images that were swept alike for both, in the order of the data set; one row an image."""
    one, two = vulnerability_maps.alias("one"), vulnerability_maps.alias("two")
    alike = and_(one.c.sample_id == two.c.sample_id, one.c.variant == two.c.variant)
    query = (
        select(
            *(samples.c.id, samples.c.position, one.c.id, two.c.id),
            *(one.c.vulnerable_positions, two.c.vulnerable_positions),
        )
        .select_from(one.join(two, alike).join(samples, samples.c.id == one.c.sample_id))
        .where(one.c.network_id == first.network_id, two.c.network_id == second.network_id)
        .where(samples.c.dataset_id == first.dataset_id)
        .order_by(samples.c.split, samples.c.position, one.c.id)
    )
    found: dict[int, SweptPair] = {}
    for row in connection.execute(query):
        found.setdefault(row[0], SweptPair(*row))  # of several sets of colors the first
    return list(found.values())


def count_fallen(pairs: list[SweptPair]) -> Table:
    """The images by which networks one pixel fools."""
    kinds = [pair.kind for pair in pairs]
    return Table(*(kinds.count(kind) for kind in ("both", "first", "second", "neither")))


def read_agreement(connection: Connection, pairs: list[SweptPair]) -> Agreement:
    """Compare the maps of the first `MOST_MAPS` images position by position."""
    import numpy as np

    correlations, overlaps = [], []
    compared = pairs[:MOST_MAPS]
    for first in range(0, len(compared), 100):
        part = compared[first : first + 100]
        margins = _margins(connection, [id_ for pair in part for id_ in (pair.first_map, pair.second_map)])
        for pair in part:
            one, two = margins[pair.first_map].ravel(), margins[pair.second_map].ravel()
            if one.std() > 0 and two.std() > 0:
                correlations.append(float(np.corrcoef(one, two)[0, 1]))
            if pair.kind == "both":
                overlaps.append(float(((one > 0) & (two > 0)).sum() / ((one > 0) | (two > 0)).sum()))
    return Agreement(
        len(compared),
        float(np.mean(correlations)) if correlations else None,
        float(np.mean(overlaps)) if overlaps else None,
        len(overlaps),
    )


def chosen_pairs(pairs: list[SweptPair], show: str) -> list[SweptPair]:
    """The images to show, those first where the numbers of vulnerable positions differ most."""
    wanted = {DIFFER: ("first", "second"), "all": ("both", "first", "second", "neither")}.get(show, (show,))
    chosen = [pair for pair in pairs if pair.kind in wanted]
    return sorted(chosen, key=lambda pair: -abs(pair.first_positions - pair.second_positions))


def read_images(connection: Connection, query: CompareQuery, chosen: list[SweptPair]) -> list[ComparedImage]:
    """The images on the query's page, with both maps. Raises `QueryError` for a page after the last."""
    pages = max(1, -(-len(chosen) // PAGE_IMAGES))
    if query.page > pages:
        raise QueryError(f"The address asks for page {query.page}", f"1 to {pages}" if pages > 1 else "1")
    part = chosen[(query.page - 1) * PAGE_IMAGES : query.page * PAGE_IMAGES]
    if not part:
        return []
    margins = _margins(connection, [id_ for pair in part for id_ in (pair.first_map, pair.second_map)])
    ids = [pair.sample_id for pair in part]
    known = {row.id: row for row in connection.execute(_samples(ids))}
    case_ids = [_case_ids(connection, scope, ids) for scope in query.scopes]
    return [_image(pair, known[pair.sample_id], margins, case_ids) for pair in part]


def _image(
    pair: SweptPair, row: AnyRow, margins: dict[int, np.ndarray], case_ids: list[dict[int, int]]
) -> ComparedImage:
    sides = [
        SidePicture(margins[map_id], count, of_cases.get(pair.sample_id))
        for map_id, count, of_cases in zip(
            (pair.first_map, pair.second_map),
            (pair.first_positions, pair.second_positions),
            case_ids,
            strict=True,
        )
    ]
    name = str(row.label) if row.name is None else row.name
    return ComparedImage(row.sha256, row.height, row.width, pair.position, name, *sides)


def _samples(ids: list[int]) -> AnySelect:
    named = and_(classes.c.dataset_id == samples.c.dataset_id, classes.c["class"] == samples.c.label)
    return (
        select(samples.c.id, samples.c.label, classes.c.name)
        .add_columns(images.c.sha256, images.c.height, images.c.width)
        .join(images, images.c.id == samples.c.image_id)
        .join(classes, named, isouter=True)
        .where(samples.c.id.in_(ids))
    )


def _case_ids(connection: Connection, scope: Scope, sample_ids: list[int]) -> dict[int, int]:
    query = select(cases.c.sample_id, cases.c.id).where(scope.of(cases), cases.c.sample_id.in_(sample_ids))
    return {row.sample_id: row.id for row in connection.execute(query)}


def _margins(connection: Connection, map_ids: list[int]) -> dict[int, np.ndarray]:
    """The margins (H, W) of maps by their ids."""
    import numpy as np

    of = vulnerability_maps.c
    query = select(of.id, of.height, of.width, of.margins).where(of.id.in_(map_ids))
    return {
        row.id: np.frombuffer(row.margins, "<f2").reshape(row.height, row.width).astype(np.float32)
        for row in connection.execute(query)
    }
