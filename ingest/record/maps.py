"""Results of sweeps over all pixels of an image: vulnerability maps and repairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from db import write
from db.schema import repairs, vulnerability_maps
from db.scope import Scope
from ingest import rows
from model.attacks.sweep import Sweep
from model.detectors.repair import Repair

Row = dict[str, Any]


def write_maps(
    connection: Connection,
    columns: Mapping[str, Any],
    sample_ids: Sequence[int],
    found: Sweep,
    labels: np.ndarray,
) -> None:
    """Write the vulnerability maps of N samples with labels (N,), where they are missing.

    columns: what all these rows share: run, network, variant, queries, seconds.
    """
    keys = [{**columns, "sample_id": sample_id} for sample_id in sample_ids]
    write.insert_missing(connection, vulnerability_maps, make_map_rows(found, labels, keys))


def write_repairs(
    connection: Connection, scope: Scope, run_id: int, image_ids: Sequence[int], found: Repair
) -> None:
    """Write the repair sweeps of N images, where they are missing."""
    keys = [{"run_id": run_id, **scope._asdict(), "image_id": image_id} for image_id in image_ids]
    write.insert_missing(connection, repairs, make_repair_rows(found, keys))


def make_map_rows(found: Sweep, labels: np.ndarray, keys: Sequence[Row]) -> list[Row]:
    """Rows of `vulnerability_maps` for a sweep of N images with labels (N,)."""
    height, width = found.margins.shape[1:]
    return [
        {
            **key,
            "height": height,
            "width": width,
            "margins": found.margins[i].astype(rows.STORED).tobytes(),
            "classes": pack_classes(found.classes[i]),
            "colors": found.colors[i].astype("<u2").tobytes(),
            "best_margin": float(found.margins[i].max()),
            "vulnerable_positions": int((found.margins[i] > 0).sum()),
            "reached_classes": int((np.delete(found.reach[i], labels[i]) > 0).sum()),
        }
        for i, key in enumerate(keys)
    ]


def make_repair_rows(found: Repair, keys: Sequence[Row]) -> list[Row]:
    """Rows of `repairs` for a repair sweep of N images."""
    scores, recovered, positions = found.scores, found.recovered, found.positions
    return [
        {
            **key,
            "predicted_class": int(found.predicted[i]),
            "margins": found.margins[i].astype(rows.STORED).tobytes(),
            "classes": pack_classes(found.classes[i]),
            "score": float(scores[i]),
            "row": int(positions[i, 0]),
            "column": int(positions[i, 1]),
            "recovered_class": int(recovered[i]),
        }
        for i, key in enumerate(keys)
    ]


def pack_classes(classes: np.ndarray) -> bytes:
    """Encode the classes (H, W) of a map: one byte each, or two (little-endian) if one is above 255."""
    return classes.astype("u1" if classes.max() <= 255 else "<u2").tobytes()
