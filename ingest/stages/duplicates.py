"""The stage `near-duplicates`: test images and reference images that look like a reference image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.engine import writing
from db.read.for_ingest import batches, stored_activations
from db.read.for_ingest.likeness import reference_places
from ingest import record, rows
from ingest.runs import stage
from ingest.task import Task
from model.data.dataset import Dataset
from model.detectors.duplicates import Likeness, alike
from model.network.architecture import Architecture
from model.network.cnn import activate
from model.progress import Progress, progress

STAGE = "near-duplicates"
# Generous limits: in a visual check, about four in ten of the pairs at the far end by activation, and one in
# seven by pixels, were near-duplicates. For limits that match human judgment see db.read.for_ingest.likeness.
ACTIVATION = 0.06  # cosine distance
PIXELS = 22.0  # root of the mean squared difference, 0..255
WRITTEN_TOGETHER = 500  # pairs per transaction


def find_duplicates(task: Task, training: Dataset) -> int:
    """Write the pairs, once per network and data set; returns how many, 0 if the stage was done before.

    All test images are compared with the reference set, and the reference set with itself; training images
    that the network misclassifies are never neighbors and are left out. Nothing is done before the reference
    set is complete. Raises ValueError if `training` lacks images of the reference set.
    """
    with task.engine.connect() as connection:
        wanting = not batches.stage_done(connection, task.scope, "reference")
        if wanting or batches.stage_done(connection, task.scope, STAGE):
            return 0
        sample_ids, chosen = _place_reference(reference_places(connection, task.scope), training)
        if not len(chosen):
            return 0
        layer = find_last_hidden(task.checkpoint.network.architecture)
        layer_ids = {row.name: row.id for row in batches.layer_rows(connection, task.network_id)}
        blobs = stored_activations.reference_blobs(connection, task.scope, layer_ids[layer])
    parameters = {"dataset": training.name, "layer": layer, "activation": ACTIVATION, "pixels": PIXELS}
    total = 3 * len(task.test) + 2 * len(chosen)  # activations of the tests, then two searches each
    with (
        stage(task.engine, STAGE, task.scope, parameters) as run_id,
        progress("near-duplicates", total, "images") as bar,
    ):
        vectors, pictures = rows.decode_activations(blobs), training.images[chosen]
        tests = _compute_activations(task, layer, bar)
        across = _find_alike(bar, tests, vectors, task.test.images, pictures)
        within = _find_alike(bar, vectors, None, pictures, None)
        test_ids = _write_test_samples(task, across.first)
        first = [test_ids[index] for index in across.first]
        _write_pairs(task, run_id, first, sample_ids[across.second], across)
        _write_pairs(task, run_id, sample_ids[within.first], sample_ids[within.second], within)
    return len(across.first) + len(within.first)


def find_last_hidden(architecture: Architecture) -> str:
    """The compared layer before the logits, or the logits where there is none."""
    return architecture.compared[-2:][0]


def _place_reference(places: list[tuple[int, int]], training: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The reference set's sample ids (M,) and its indices (M,) into the training images."""
    sample_ids, positions = np.array(places, np.int64).reshape(-1, 2).T
    indices = np.searchsorted(training.positions, positions)
    held = indices < len(training)
    held[held] = training.positions[indices[held]] == positions[held]
    if not held.all():
        raise ValueError(
            f"{training.name}: {np.count_nonzero(~held)} of {len(held)} images of the reference set are not "
            "among its training images; give the data set that the reference set was built from"
        )
    return sample_ids, indices


def _compute_activations(task: Task, layer: str, bar: Progress) -> np.ndarray:
    """The test images' activations (N, D), rounded like those of the reference set in the database."""
    parts = []
    for outputs in activate(task.checkpoint.network, task.test.images, (layer,)):
        parts.append(outputs[layer].astype(rows.STORED).astype(np.float32))
        bar.to(bar.done + len(parts[-1]))
    return np.concatenate(parts)


def _find_alike(
    bar: Progress,
    vectors: np.ndarray,
    others: np.ndarray | None,
    images: np.ndarray,
    other_images: np.ndarray | None,
) -> Likeness:
    """Run `model.detectors.duplicates.alike` with a progress bar."""
    begun = bar.done
    return alike(
        vectors,
        others,
        images,
        other_images,
        activation=ACTIVATION,
        pixels=PIXELS,
        tick=lambda done: bar.to(begun + done),
    )


def _write_test_samples(task: Task, indices: np.ndarray) -> dict[int, int]:
    """Write test images as samples where they are missing; returns their ids by index."""
    wanted = np.unique(indices).tolist()
    with writing(task.engine) as connection:
        return dict(zip(wanted, task.write_samples(connection, wanted), strict=True))


def _write_pairs(
    task: Task, run_id: int, first: Sequence[int], second: Sequence[int], found: Likeness
) -> None:
    """Write pairs of samples that look alike, one transaction per part."""
    for start in range(0, len(first), WRITTEN_TOGETHER):
        part = slice(start, start + WRITTEN_TOGETHER)
        likeness = Likeness(*(values[part] for values in found))
        with writing(task.engine) as connection:
            ids = (first[part], second[part])
            record.write_near_duplicates(connection, task.scope, run_id, *ids, likeness)
