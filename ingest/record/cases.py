"""Cases with their scores and activations, and the network's results on their originals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from db import facets, write
from db.schema import case_activations, cases, class_scores, original_activations, originals
from db.scope import Scope
from ingest import rows
from ingest.record.activations import Activations, write_activations


class NewCase(NamedTuple):
    """A case to be written, without the network's results."""

    sample_id: int
    image_id: int
    kind: str  # adversarial, clean or unknown
    partition: str
    true_class: int | None = None  # None: unknown
    attack_id: int | None = None  # of an adversarial case


class Original(NamedTuple):
    """The image of an adversarial case as it was before the attack."""

    case_id: int
    image_id: int


def write_cases(
    connection: Connection,
    scope: Scope,
    run_id: int,
    new: Sequence[NewCase],
    logits: np.ndarray,
    activations: Activations,
) -> list[int]:
    """Write N cases with their scores, activations and facets; returns the id of each.

    If the network and data set already have a case of a sample, that case stays as it is.

    logits: (N, K) float32. activations: as of `encode_activations`.
    """
    predicted, shares = logits.argmax(1).tolist(), rows.probabilities(logits)
    case_rows: dict[int, dict[str, object]] = {}
    for i, case in enumerate(new):
        row = {**scope._asdict(), "run_id": run_id, **case._asdict()}
        row |= {"predicted_class": predicted[i], "confidence": float(shares[i, predicted[i]])}
        case_rows.setdefault(case.sample_id, row)
    write.insert_missing(connection, cases, case_rows.values())
    keys = [(*scope, case.sample_id) for case in new]
    ids = write.ids_by_key(connection, cases, (*Scope._fields, "sample_id"), keys)
    write_scores(connection, ids, logits)
    write_activations(connection, case_activations, [{"case_id": id_} for id_ in ids], activations)
    facets.add_cases(connection, scope)
    return ids


def write_scores(connection: Connection, case_ids: Sequence[int], logits: np.ndarray) -> None:
    """Write the logit (N, K) and the probability of every class for N cases, where they are missing."""
    values = zip(case_ids, logits.tolist(), rows.probabilities(logits).tolist(), strict=True)
    new = [
        {"case_id": case_id, "class": class_, "logit": logit, "probability": probability}
        for case_id, row, shares in values
        for class_, (logit, probability) in enumerate(zip(row, shares, strict=True))
    ]
    write.insert_missing(connection, class_scores, new)


def write_originals(
    connection: Connection,
    run_id: int,
    new: Sequence[Original],
    logits: np.ndarray,
    activations: Activations,
) -> None:
    """Write the missing predictions of N originals, with confidences and margins, and missing activations.

    logits: (N, K) float32. activations: as of `encode_activations`.
    """
    second, first = np.sort(logits.astype(np.float64))[:, -2:].T
    confidences = rows.probabilities(logits).max(1)
    columns = zip(*(part.tolist() for part in (logits.argmax(1), confidences, first - second)), strict=True)
    original_rows = [
        {
            **original._asdict(),
            "run_id": run_id,
            "predicted_class": predicted,
            "confidence": confidence,
            "margin": margin,
        }
        for original, (predicted, confidence, margin) in zip(new, columns, strict=True)
    ]
    owners = [{"case_id": original.case_id, "run_id": run_id} for original in new]
    write.insert_missing(connection, originals, original_rows)
    write_activations(connection, original_activations, owners, activations)
