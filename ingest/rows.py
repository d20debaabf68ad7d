"""Arrays to rows, and bytes back to arrays: pure functions, nothing is read or written here.

Axis letters: N items, H rows, W columns, C channels, K classes, P pixels of an attack.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from model.attacks.one_pixel import AttackResult
from model.attacks.sweep import Sweep
from model.data.cifar10 import encode_png, pixel_digest
from model.detectors import tuning
from model.detectors.repair import Repair
from model.network.layers import COMPOSED, SCALED, Architecture, Conv, Dense, Flatten

STORED = "<f2"  # activations as they lie in the database: little-endian float16


def image_row(image: np.ndarray) -> dict:
    """A row of `images` for (H, W, 3) uint8."""
    height, width = image.shape[:2]
    png = encode_png(np.ascontiguousarray(image))
    return {"sha256": pixel_digest(image), "height": height, "width": width, "png": png}


def layer_rows(network_id: int, architecture: Architecture) -> list[dict]:
    """Rows of `layers`, from the input to the output, `composed` last."""
    kinds = {layer.name: layer for layer in architecture.layers}
    rows, notes = [], architecture.notes()
    for position, (name, shape) in enumerate(architecture.activation_shapes().items()):
        kind = type(kinds[name]).__name__.lower() if name in kinds else COMPOSED
        compared = name == COMPOSED or isinstance(kinds[name], Flatten | Dense)
        assert compared or isinstance(kinds[name], Conv)
        rows.append(
            {
                "network_id": network_id,
                "name": name,
                "kind": kind,
                "position": position,
                "shape": list(shape),
                "compared": compared,
                "title": name,
                "note": notes[name],
            }
        )
    return rows


def scaled_row(network_id: int, architecture: Architecture) -> dict:
    """The row of `layers` for `composed-scaled`, which comes after all others."""
    last = layer_rows(network_id, architecture)[-1]
    named = {"name": SCALED, "title": SCALED, "note": architecture.notes()[SCALED]}
    return {**last, **named, "position": last["position"] + 1}


def attack_rows(result: AttackResult, keys: Sequence[Mapping], labels: np.ndarray) -> list[dict]:
    """Rows of `attacks`: each row's key (run, network, sample, method, ...) and what came of it.

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
            "margin": _margin(result.logits[i], int(labels[i]), key["target_class"]),
        }
        for i, key in enumerate(keys)
    ]


def _margin(logits: np.ndarray, label: int, target: int | None) -> float:
    """The lead in logits (K,) of the target, or of the best wrong class; below 0 where there is none."""
    goal = label if target is None else target
    others = np.delete(logits, goal).max()
    return float(others - logits[goal] if target is None else logits[goal] - others)


def class_bytes(classes: np.ndarray) -> bytes:
    """Classes (H, W) as a map has them: a byte each, or two (little-endian) where one is above 255."""
    return classes.astype("u1" if classes.max() <= 255 else "<u2").tobytes()


def map_rows(found: Sweep, labels: np.ndarray, keys: Sequence[Mapping]) -> list[dict]:
    """Rows of `vulnerability_maps` for a sweep of N images with labels (N,)."""
    height, width = found.margins.shape[1:]
    return [
        {
            **key,
            "height": height,
            "width": width,
            "margins": found.margins[i].astype(STORED).tobytes(),
            "classes": class_bytes(found.classes[i]),
            "colors": found.colors[i].astype("<u2").tobytes(),
            "best_margin": float(found.margins[i].max()),
            "vulnerable_positions": int((found.margins[i] > 0).sum()),
            "reached_classes": int((np.delete(found.reach[i], labels[i]) > 0).sum()),
        }
        for i, key in enumerate(keys)
    ]


def repair_rows(found: Repair, keys: Sequence[Mapping]) -> list[dict]:
    """Rows of `repairs` for a repair sweep of N images."""
    scores, recovered, positions = found.scores, found.recovered, found.positions
    return [
        {
            **key,
            "predicted_class": int(found.predicted[i]),
            "margins": found.margins[i].astype(STORED).tobytes(),
            "classes": class_bytes(found.classes[i]),
            "score": float(scores[i]),
            "row": int(positions[i, 0]),
            "column": int(positions[i, 1]),
            "recovered_class": int(recovered[i]),
        }
        for i, key in enumerate(keys)
    ]


def pixel_rows(attack_id: int, pixels: np.ndarray, original: np.ndarray) -> list[dict]:
    """Rows of `attack_pixels` for pixels (P, 5) as row, column, red, green, blue, on (H, W, 3) uint8."""
    rows = []
    for index, (row, column, *color) in enumerate(pixels.tolist()):
        before = original[row, column].tolist()
        new = dict(zip(("red", "green", "blue"), color, strict=True))
        old = dict(zip(("original_red", "original_green", "original_blue"), before, strict=True))
        rows.append({"attack_id": attack_id, "pixel": index, "row": row, "column": column, **new, **old})
    return rows


def score_rows(case_id: int, logits: np.ndarray) -> list[dict]:
    """Rows of `class_scores` for logits (K,)."""
    scores = zip(logits.tolist(), probabilities(logits).tolist(), strict=True)
    return [
        {"case_id": case_id, "class": index, "logit": logit, "probability": probability}
        for index, (logit, probability) in enumerate(scores)
    ]


def prediction_rows(
    shared: Mapping, positions: np.ndarray, labels: np.ndarray, logits: np.ndarray
) -> list[dict]:
    """Rows of `predictions` for images at positions (N,) with labels (N,) and logits (N, K) float32."""
    predicted = logits.argmax(1)
    confidence = probabilities(logits)[np.arange(len(logits)), predicted]
    columns = (positions, labels, predicted, confidence)
    return [
        {
            **shared,
            "position": position,
            "label": label,
            "predicted_class": predicted_class,
            "confidence": sure,
            "logits": values.astype("<f4").tobytes(),
        }
        for position, label, predicted_class, sure, values in zip(
            *(column.tolist() for column in columns), logits, strict=True
        )
    ]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def certainty(logits: np.ndarray) -> dict:
    """The columns of `originals` that logits (K,) give: the prediction and how sure of it the network is."""
    second, first = np.sort(logits.astype(np.float64))[-2:]
    return {
        "predicted_class": int(logits.argmax()),
        "confidence": float(probabilities(logits).max()),
        "margin": float(first - second),
    }


def activation_blob(activation: np.ndarray) -> dict:
    """Shape and float16 bytes of one activation; conv maps, (H, W, C), compressed."""
    data = activation.astype(STORED).tobytes()
    if activation.ndim == 1:
        return {"shape": list(activation.shape), "encoding": "raw", "data": data}
    return {"shape": list(activation.shape), "encoding": "zlib", "data": zlib.compress(data, 6)}


def activation_vectors(blobs: Iterable[bytes], encoding: str = "raw") -> np.ndarray:
    """Float16 BLOBs of equal length back as (N, D) float32; conv maps row by row."""
    joined = list(blobs) if encoding == "raw" else [zlib.decompress(blob) for blob in blobs]
    return np.frombuffer(b"".join(joined), STORED).reshape(len(joined), -1).astype(np.float32)


def neighbor_rows(
    case_ids: Sequence[int],
    layer_id: int,
    metric: str,
    reference_ids: np.ndarray,
    distances: np.ndarray,
    indices: np.ndarray,
) -> list[dict]:
    """Rows of `neighbors` for distances and indices (N, k) into reference_ids (M,), nearest first."""
    chosen = reference_ids[indices]
    return [
        {
            "case_id": case_id,
            "layer_id": layer_id,
            "metric": metric,
            "rank": rank,
            "reference_sample_id": reference_id,
            "distance": distance,
        }
        for case_id, ids, lengths in zip(case_ids, chosen.tolist(), distances.tolist(), strict=True)
        for rank, (reference_id, distance) in enumerate(zip(ids, lengths, strict=True), start=1)
    ]


def tuning_rows(sweep: tuning.Sweep) -> list[dict]:
    """k, threshold and confusion counts of every valid point of a sweep."""
    row, column = np.nonzero(sweep.valid)
    names = ("k", "threshold", "tp", "fp", "tn", "fn")
    counts = [getattr(sweep, name)[row, column] for name in names[2:]]
    columns = (sweep.ks[row], sweep.thresholds[column], *counts)
    return [dict(zip(names, values, strict=True)) for values in np.stack(columns, axis=1).tolist()]


def operating_row(report: tuning.Report) -> dict:
    """The columns of `operating_points` that a report on one partition gives."""
    names = ("k", "threshold", "tp", "fp", "tn", "fn", "accuracy", "tpr", "fpr", "eer", "auc")
    return {name: getattr(report, name) for name in names}
