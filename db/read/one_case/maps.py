"""Maps over a case's images: the vulnerability of each position, and the effect of a repair there; and conv
maps before the attack.

Axis letters: H rows, W columns; of a map with a stride, only those that were tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Engine, select

from db.query_types import AnyRow
from db.read.one_case.rows import CaseActivation
from db.schema import cases, images, layers, original_activations, repairs, samples, vulnerability_maps
from db.scope import Scope

if TYPE_CHECKING:
    import numpy as np

# The sets of colors of a sweep: 2, or N, levels per channel, and N grays. A stride may follow.
CORNERS, GRID, GRAYS, STRIDE = "corners", "grid-", "grays-", ", stride "


class PixelMap(NamedTuple):
    """The effect of changing each pixel alone; a margin above 0 means that the prediction changes."""

    margins: np.ndarray  # (H, W) float32, logits: the best other class's lead over the present one
    classes: np.ndarray  # (H, W) int64, that other class
    colors: np.ndarray | None  # (H, W, 3) uint8, the color with that effect; None: the pixel is repaired
    levels: int | None  # colors tried: levels^channels; None as above
    channels: int = 3  # 1: grays were tried
    stride: int = 1  # of the positions: row i of the map is row i x stride of the image; so are columns


class Tried(NamedTuple):
    """What a sweep tried."""

    levels: int
    channels: int
    stride: int


def tried_in(variant: str) -> Tried:
    """The set of colors and the stride that the variant of a sweep names."""
    colors, _, stride = variant.partition(STRIDE)
    gray = colors.startswith(GRAYS)
    levels = 2 if colors == CORNERS else int(colors.removeprefix(GRAYS if gray else GRID))
    return Tried(levels, 1 if gray else 3, int(stride or 1))


class RepairMaps(NamedTuple):
    """The repair sweeps of the image that the network saw, and of its original; None: not stored."""

    image: PixelMap | None
    original: PixelMap | None  # None also for an image that was not attacked


def vulnerability_map(engine: Engine, case_id: int) -> PixelMap | None:
    """Read the map of a case's sample before any attack; of several, that of most positions and colors.

    Raises:
        LookupError: there is no such case.
    """
    import numpy as np

    columns = vulnerability_maps.c
    with engine.connect() as connection:
        case = _case(connection, case_id)
        query = select(vulnerability_maps).where(
            columns.network_id == case.network_id, columns.sample_id == case.sample_id
        )
        rows = connection.execute(query).all()
    if not rows:
        return None
    tried, best = max(
        ((tried_in(row.variant), row) for row in rows), key=lambda pair: (-pair[0].stride, pair[0].levels)
    )
    shape, levels = (best.height, best.width), tried.levels
    indices = np.frombuffer(best.colors, "<u2").reshape(shape).astype(int)
    steps = np.rint(np.linspace(0, 255, levels)).astype(np.uint8)
    digits = [indices // levels**place % levels for place in reversed(range(tried.channels))]
    colors = np.stack([steps[digit] for digit in digits] * (3 // tried.channels), axis=-1)
    return PixelMap(*_margins(best, shape), colors, *tried)


def repair_maps(engine: Engine, case_id: int) -> RepairMaps:
    """Read the repair sweeps of a case.

    Raises:
        LookupError: there is no such case.
    """
    with engine.connect() as connection:
        case = _case(connection, case_id)
        attacked = case.image_id != case.original_id
        scope = Scope(case.network_id, case.dataset_id)
        return RepairMaps(
            _repair(connection, scope, case.image_id),
            _repair(connection, scope, case.original_id) if attacked else None,
        )


def original_activation(engine: Engine, case_id: int, layer: str) -> CaseActivation | None:
    """Read a layer's activation for an attacked case's image before the attack, or None."""
    columns = original_activations.c
    query = (
        select(layers.c.name, columns.shape, columns.encoding, columns.data)
        .join(layers, layers.c.id == columns.layer_id)
        .where(columns.case_id == case_id, layers.c.name == layer)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else CaseActivation(row.name, tuple(row.shape), row.encoding, row.data)


def _case(connection: Connection, case_id: int) -> AnyRow:
    columns = cases.c
    query = (
        select(
            *(columns.network_id, columns.dataset_id, columns.sample_id, columns.image_id),
            samples.c.image_id.label("original_id"),
        )
        .join(samples, samples.c.id == columns.sample_id)
        .where(columns.id == case_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LookupError(f"case {case_id} is not in this database")
    return row


def _repair(connection: Connection, scope: Scope, image: int) -> PixelMap | None:
    query = (
        select(repairs.c.margins, repairs.c.classes, images.c.height, images.c.width)
        .join(images, images.c.id == repairs.c.image_id)
        .where(scope.of(repairs), repairs.c.image_id == image)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else PixelMap(*_margins(row, (row.height, row.width)), None, None)


def _margins(row: AnyRow, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    margins = np.frombuffer(row.margins, "<f2").reshape(shape).astype(np.float32)
    width = "u1" if len(row.classes) == shape[0] * shape[1] else "<u2"
    return margins, np.frombuffer(row.classes, width).reshape(shape).astype(np.int64)
