"""Attacks, failed ones too, with the pixels that they set and the images that they made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection

from db import write
from db.schema import attack_images, attack_pixels, attacks
from ingest.record.samples import Row, write_images, write_samples
from model.attacks.images import as_rgb
from model.attacks.loop import AttackResult
from model.data.dataset import Dataset

ATTACK = ("method", "variant", "pixel_count", "population", "budget", "seed")
KEY = ("network_id", "sample_id", "target_class", *ATTACK)  # of an attack


class WrittenAttacks(NamedTuple):
    """The ids of attacks and of the attacked samples, both in the order of writing."""

    attack_ids: list[int]
    sample_ids: list[int]


def write_attacks(
    connection: Connection,
    dataset_id: int,
    part: Dataset,
    columns: Mapping[str, Any],
    pairs: Sequence[tuple[int, int | None]],
    result: AttackResult,
) -> WrittenAttacks:
    """Write N attacks with their pixels and samples; existing ones stay as they are.

    part: the split whose images are attacked. columns: what all these rows of `attacks` share.
    pairs: for each attack, the image's index into the split and the class to reach; None: any wrong one.
    result: as from `model.attacks.one_pixel.one_pixel_attack`, its first axis N.
    """
    indices = [index for index, _ in pairs]
    once = list(dict.fromkeys(indices))  # so that one PNG is made for each image
    known = dict(zip(once, write_samples(connection, dataset_id, part, np.asarray(once, int)), strict=True))
    sample_ids = [known[index] for index in indices]
    keys = [
        {**columns, "sample_id": sample_id, "target_class": target}
        for sample_id, (_, target) in zip(sample_ids, pairs, strict=True)
    ]
    write.insert_missing(connection, attacks, _make_attack_rows(result, keys, part.labels[indices]))
    ids = write.ids_by_key(connection, attacks, KEY, [[key[name] for name in KEY] for key in keys])
    pixels = [
        row
        for attack_id, painted, index in zip(ids, result.pixels, indices, strict=True)
        for row in _make_pixel_rows(attack_id, painted, part.images[index])
    ]
    write.insert_missing(connection, attack_pixels, pixels)
    return WrittenAttacks(ids, sample_ids)


def write_attack_images(
    connection: Connection, attack_ids: Sequence[int], image_rows: Sequence[Row]
) -> list[int]:
    """Write the images that attacks made, one for each attack; returns the ids of the images."""
    image_ids = write_images(connection, image_rows)
    new = [
        {"attack_id": attack_id, "image_id": image_id}
        for attack_id, image_id in zip(attack_ids, image_ids, strict=True)
    ]
    write.insert_missing(connection, attack_images, new)
    return image_ids


def _make_attack_rows(result: AttackResult, keys: Sequence[Row], labels: np.ndarray) -> list[Row]:
    """Rows of `attacks`: each row's key (run, network, sample, method, ...) and the attack's result.

    `labels` (N,) are the true classes; a key's `target_class` is the class to reach, or None.
    """
    predicted = result.logits.argmax(-1)
    return [
        {
            **key,
            "succeeded": bool(result.success[i]),
            "queries": int(result.queries[i]),
            "generations": int(result.generations[i]),
            "seconds": float(result.seconds[i]),
            "predicted_class": int(predicted[i]),
            "margin": _find_margin(result.logits[i], int(labels[i]), key["target_class"]),
        }
        for i, key in enumerate(keys)
    ]


def _find_margin(logits: np.ndarray, label: int, target: int | None) -> float:
    """The lead in logits (K,) of the target, or of the best wrong class; below 0 if it does not lead."""
    goal = label if target is None else target
    others = np.delete(logits, goal).max()
    return float(others - logits[goal] if target is None else logits[goal] - others)


def _make_pixel_rows(attack_id: int, pixels: np.ndarray, original: np.ndarray) -> list[Row]:
    """Rows of `attack_pixels` for pixels (P, 5) as row, column, red, green, blue, on (H, W, C) uint8."""
    rows = []
    for index, (row, column, *color) in enumerate(pixels.tolist()):
        before = as_rgb(original[row, column]).tolist()
        new = dict(zip(("red", "green", "blue"), color, strict=True))
        old = dict(zip(("original_red", "original_green", "original_blue"), before, strict=True))
        rows.append({"attack_id": attack_id, "pixel": index, "row": row, "column": column, **new, **old})
    return rows
