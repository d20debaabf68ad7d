"""The stage `repair`: repair the image of every case, and its original, pixel by pixel.

Of images above 64 x 64 pixels only the most promising pixels are repaired, as `xpixels check` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from db.engine import writing
from db.read.for_ingest.images import image_files, images_without_repair
from ingest import record
from ingest.runs import stage
from ingest.task import Done, Task
from model.attacks.step import most_stored
from model.data.png import decode_png
from model.detectors.repair_screen import positions_of, repairs_whole, usual_stream
from model.network.incremental_pass import Incremental
from model.progress import progress

IN_MEMORY = 512  # images
CHUNK = 64  # images that a worker repairs together: whole blocks
TOGETHER = 16  # images per block, also in a resumed stage: see `sweep.arguments`


def repair_cases(task: Task) -> int:
    """Repair the images that were not repaired yet, one transaction per block; returns how many those were.

    Without the incremental pass it does nothing: an image would take a full pass for each pixel.
    """
    if not isinstance(task.function, Incremental):
        return 0
    with task.engine.connect() as connection:
        lacking = images_without_repair(connection, task.scope)
    if not lacking:
        return 0
    with (
        stage(task.engine, "repair", task.scope, {"images": "cases"}) as run_id,
        progress("repair sweeps", len(lacking), "images") as bar,
    ):
        shape = task.test.images.shape[1:]
        if not repairs_whole(shape):
            tried = f"{positions_of(shape):,} most promising of {shape[0]} x {shape[1]} pixels"
            print(f"repair sweeps of the {tried}", file=sys.stderr)
        together = most_stored(task.function, shape, TOGETHER)
        for done in task.crew.share("repair", task, run_id, lacking, CHUNK, together=together):
            bar.to(bar.done + done.items)
    return len(lacking)


def repair_images(task: Task, run_id: int, items: list[int], *, together: int) -> Iterator[Done]:
    """Repair images, by id, pixel by pixel, one transaction per block of `together` images."""
    for first in range(0, len(items), IN_MEMORY):
        ids = items[first : first + IN_MEMORY]
        with task.engine.connect() as connection:
            pictures = np.stack([decode_png(png) for png in image_files(connection, ids)])
        for places, found in usual_stream(task.function, pictures, together=together):
            image_ids = [ids[place] for place in places]
            with writing(task.engine) as connection:
                record.write_repairs(connection, task.scope, run_id, image_ids, found)
            yield Done(len(places))
