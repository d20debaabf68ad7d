"""Convert arrays to rows, and bytes back to arrays. Pure functions: nothing is read or written here.

Axis letters: N items, H rows, W columns, C channels, K classes, P pixels of an attack.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from model.detectors import tuning

STORED = "<f2"  # data type of activations in the database: little-endian float16


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def encode_activation(activation: np.ndarray) -> dict[str, Any]:
    """Shape and float16 bytes of one activation; conv maps, (H, W, C), compressed."""
    data = activation.astype(STORED).tobytes()
    if activation.ndim == 1:
        return {"shape": list(activation.shape), "encoding": "raw", "data": data}
    return {"shape": list(activation.shape), "encoding": "zlib", "data": zlib.compress(data, 6)}


def decode_activations(blobs: Iterable[bytes], encoding: str = "raw") -> np.ndarray:
    """Decode float16 BLOBs of equal length to (N, D) float32; conv maps are flattened row by row."""
    joined = list(blobs) if encoding == "raw" else [zlib.decompress(blob) for blob in blobs]
    return np.frombuffer(b"".join(joined), STORED).reshape(len(joined), -1).astype(np.float32)


def make_neighbor_rows(
    case_ids: Sequence[int],
    layer_id: int,
    metric: str,
    reference_ids: np.ndarray,
    distances: np.ndarray,
    indices: np.ndarray,
) -> list[dict[str, Any]]:
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


def make_tuning_rows(sweep: tuning.Sweep) -> list[dict[str, Any]]:
    """k, threshold and confusion counts of every valid point of a sweep."""
    row, column = np.nonzero(sweep.valid)
    names = ("k", "threshold", "tp", "fp", "tn", "fn")
    counts = [getattr(sweep, name)[row, column] for name in names[2:]]
    columns = (sweep.ks[row], sweep.thresholds[column], *counts)
    return [dict(zip(names, values, strict=True)) for values in np.stack(columns, axis=1).tolist()]


def make_operating_row(report: tuning.Report) -> dict[str, Any]:
    """The columns of `operating_points` for a report on one partition."""
    names = ("k", "threshold", "tp", "fp", "tn", "fn", "accuracy", "tpr", "fpr", "eer", "auc")
    return {name: getattr(report, name) for name in names}
