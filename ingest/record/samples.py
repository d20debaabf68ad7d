"""Images and samples: the only module that makes and writes their rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, update

from db import write
from db.engine import lock_row
from db.read.for_ingest.kept import kept_samples
from db.schema import datasets, images, samples
from model.data.dataset import Dataset
from model.data.png import encode_png, pixel_digest

Row = dict[str, Any]


def make_image_rows(pictures: Iterable[np.ndarray]) -> list[Row]:
    """Rows of `images` for pictures (H, W, C) uint8. This is slow: best done before a transaction begins."""
    return [
        {
            "sha256": pixel_digest(picture),
            "height": picture.shape[0],
            "width": picture.shape[1],
            "png": encode_png(np.ascontiguousarray(picture)),
        }
        for picture in pictures
    ]


def write_images(connection: Connection, image_rows: Sequence[Row]) -> list[int]:
    """Write missing images; returns the id of each. Equal pixels share one row.

    They are written in the order of their digests, so that two workers with the same images do not deadlock.
    """
    write.insert_missing(connection, images, sorted(image_rows, key=itemgetter("sha256")))
    return write.ids_by_key(connection, images, ("sha256",), [(row["sha256"],) for row in image_rows])


def write_samples(
    connection: Connection,
    dataset_id: int,
    part: Dataset,
    indices: np.ndarray,
    image_rows: Sequence[Row] | None = None,
) -> list[int]:
    """Write samples of one split, at `indices` (N,) into it, with their images; returns the id of each.

    image_rows: of their pictures, if they were made before the transaction began.
    """
    if image_rows is None:
        image_rows = make_image_rows(part.images[indices])
    image_ids = write_images(connection, image_rows)
    places = [(dataset_id, part.split, int(part.positions[index])) for index in indices]
    new = [
        _make_sample_row(place, int(label), image_id)
        for place, label, image_id in zip(places, part.labels[indices], image_ids, strict=True)
    ]
    write.insert_missing(connection, samples, sorted(new, key=itemgetter("position")))
    return write.ids_by_key(connection, samples, ("dataset_id", "split", "position"), places)


def write_kept_samples(
    connection: Connection,
    dataset_id: int,
    split: str,
    pictures: np.ndarray,
    labels: Sequence[int],
    names: Sequence[str | None],
) -> list[tuple[int, int]]:
    """Write samples of a data set that grows, each image at the next free position of the split.

    Equal pixels are one sample, which gets a name if it has none yet.

    pictures: (N, H, W, C) uint8. names: of their files; None: a picture has none.
    Returns the ids of each picture's sample and image.
    """
    image_ids = write_images(connection, make_image_rows(pictures))
    lock_row(connection, datasets, dataset_id)  # so that concurrent writers do not take the same positions
    known, following = kept_samples(connection, dataset_id)
    new = [image_id for image_id in dict.fromkeys(image_ids) if image_id not in known]
    label_of = dict(zip(image_ids, labels, strict=True))
    name_of: dict[int, str] = {}
    for image_id, name in zip(image_ids, names, strict=True):
        if name is not None:
            name_of.setdefault(image_id, name)
    places = [(dataset_id, split, following + i) for i in range(len(new))]
    fresh = [
        _make_sample_row(place, label_of[image_id], image_id) | {"name": name_of.get(image_id)}
        for place, image_id in zip(places, new, strict=True)
    ]
    write.insert_missing(connection, samples, fresh)
    ids = write.ids_by_key(connection, samples, ("dataset_id", "split", "position"), places)
    for image_id in name_of.keys() & known.keys():
        nameless = (samples.c.id == known[image_id]) & samples.c.name.is_(None)
        connection.execute(update(samples).where(nameless).values(name=name_of[image_id]))
    sample_of = known | dict(zip(new, ids, strict=True))
    return [(sample_of[image_id], image_id) for image_id in image_ids]


def _make_sample_row(place: tuple[int, str, int], label: int, image_id: int) -> Row:
    """A row of `samples`; place: data set, split and position."""
    columns = ("dataset_id", "split", "position")
    return dict(zip(columns, place, strict=True)) | {"label": label, "image_id": image_id}
