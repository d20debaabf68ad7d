"""The defense's part of the synthetic database: activations, neighbors, tuning and decisions, computed."""

import zlib

import numpy as np
from sqlalchemy import Connection

from db import schema, vocabulary
from db.bulk import insert_all

LAYERS = (  # name, kind, shape, compared
    ("conv1", "conv", (32, 32, 32), False),
    ("conv2", "conv", (30, 30, 32), False),
    ("conv3", "conv", (15, 15, 64), False),
    ("conv4", "conv", (13, 13, 64), False),
    ("flatten", "flatten", (2304,), True),
    ("dense", "dense", (512,), True),
    ("logits", "dense", (10,), True),
    ("composed", "composed", (2826,), True),
)
STORED = ("flatten", "dense", "logits")  # of the reference set; composed is their concatenation
K_MAX = 50
METRIC, RULE = "euclidean", "total"


def store(connection: Connection, table: str, rows: list[dict]) -> None:
    target = schema.metadata.tables[table]
    chunk = [[row.get(column.name) for column in target.c] for row in rows]
    insert_all(connection, target, [chunk] if chunk else [], lambda _rows: None)


def activations(
    random: np.random.Generator, cases: list[dict], reference_labels: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Layer -> (N, D) float16 of the cases and of the reference set; composed included."""
    true = np.array([case["true_class"] for case in cases])
    predicted = np.array([case["predicted_class"] for case in cases])
    attacked = np.array([case["kind"] == "adversarial" for case in cases])
    of_cases, of_references = {}, {}
    for name, share in zip(STORED, (0.35, 0.6, 0.75), strict=True):
        (width,) = next(shape for layer, _, shape, _ in LAYERS if layer == name)
        centers = random.normal(0, 1, (10, width))
        noise = 0.5 if width == 10 else 1.2
        # Attacked images lie between their class and the predicted one, some clean images do so too.
        mix = np.where(
            attacked, share + random.normal(0, 0.22, len(cases)), 1 - random.gamma(1.0, 0.16, len(cases))
        )
        other = np.where(true == predicted, (true + 3) % 10, true)
        point = mix[:, None] * centers[predicted] + (1 - mix[:, None]) * centers[other]
        of_cases[name] = (point + random.normal(0, noise, point.shape)).astype("<f2")
        spread = random.normal(0, noise, (len(reference_labels), width))
        of_references[name] = (centers[reference_labels] + spread).astype("<f2")
    for layer in (of_cases, of_references):
        layer["composed"] = np.concatenate([layer[name] for name in STORED], axis=1)
    return of_cases, of_references


def store_activations(
    connection: Connection,
    cases: list[dict],
    of_cases: dict[str, np.ndarray],
    of_references: dict[str, np.ndarray],
) -> None:
    rows, reference_rows = [], []
    for layer_id, (name, kind, shape, _) in enumerate(LAYERS, start=1):
        if kind == "conv":
            ramp = np.linspace(0, 3, shape[0], dtype="<f2")[:, None, None] * np.ones(shape, "<f2")
            data = zlib.compress(ramp.tobytes())
            rows += [_activation(case["id"], layer_id, shape, "zlib", data) for case in cases]
        elif name in STORED:
            rows += [
                _activation(case["id"], layer_id, shape, "raw", of_cases[name][i].tobytes())
                for i, case in enumerate(cases)
            ]
            reference_rows += [
                {"reference_sample_id": i, "layer_id": layer_id, "shape": shape, "data": vector.tobytes()}
                for i, vector in enumerate(of_references[name], start=1)
            ]
    store(connection, "case_activations", rows)
    store(connection, "reference_activations", reference_rows)


def _activation(case_id: int, layer_id: int, shape: tuple, encoding: str, data: bytes) -> dict:
    return {"case_id": case_id, "layer_id": layer_id, "shape": shape, "encoding": encoding, "data": data}


def store_defense(
    connection: Connection,
    cases: list[dict],
    of_cases: dict[str, np.ndarray],
    of_references: dict[str, np.ndarray],
    reference_labels: np.ndarray,
    layers: tuple = LAYERS,
) -> None:
    """Neighbors by distance, counts at every k, operating points chosen on tuning, decisions."""
    predicted = np.array([case["predicted_class"] for case in cases])
    attacked = np.array([case["kind"] == "adversarial" for case in cases])
    partitions = np.array([case["partition"] for case in cases])
    for layer_id, (name, _, _, compared) in enumerate(layers, start=1):
        if not compared:
            continue
        a, b = of_cases[name].astype(np.float64), of_references[name].astype(np.float64)
        distances = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :K_MAX]
        labels = reference_labels[nearest]
        unexpected = (labels != predicted[:, None]).cumsum(1)  # [case, k - 1]
        store(
            connection,
            "neighbors",
            [
                {
                    "case_id": case["id"],
                    "layer_id": layer_id,
                    "metric": METRIC,
                    "rank": rank + 1,
                    "reference_sample_id": int(nearest[i, rank]) + 1,
                    "distance": float(distances[i, nearest[i, rank]]),
                }
                for i, case in enumerate(cases)
                for rank in range(K_MAX)
            ],
        )
        key = {"layer_id": layer_id, "dataset_id": 1, "metric": METRIC, "rule": RULE}
        points = [
            key
            | {"partition": p, "k": k, "threshold": t}
            | _counts(unexpected[partitions == p, k - 1] > t, attacked[partitions == p])
            for p in vocabulary.PARTITIONS
            for k in range(1, K_MAX + 1)
            for t in range(-1, k + 1)
        ]
        store(connection, "tuning_points", points)
        for how in vocabulary.CHOICES:
            _operate(connection, points, how)
        best = _best([point for point in points if point["partition"] == "tuning"])
        store(
            connection,
            "decisions",
            [
                key | _decision(case, labels[i, : best["k"]], best["k"], best["threshold"])
                for i, case in enumerate(cases)
            ],
        )


def _counts(alarm: np.ndarray, attacked: np.ndarray) -> dict[str, int]:
    pairs = {
        "tp": alarm & attacked,
        "fp": alarm & ~attacked,
        "tn": ~alarm & ~attacked,
        "fn": ~alarm & attacked,
    }
    return {name: int(values.sum()) for name, values in pairs.items()}


def _best(points: list[dict]) -> dict:
    return max(points, key=lambda point: (point["tp"] + point["tn"], point["k"] <= 25, -point["k"]))


def _operate(connection: Connection, points: list[dict], how: str) -> None:
    chosen = _best([point for point in points if point["partition"] == how])
    place = {"k": chosen["k"], "threshold": chosen["threshold"]}
    rows = []
    for point in points:
        if point | place != point:
            continue
        curve = [p for p in points if p["partition"] == point["partition"] and p["k"] == point["k"]]
        rates = np.array([(p["fp"] / (p["fp"] + p["tn"]), p["tp"] / (p["tp"] + p["fn"])) for p in curve])[
            ::-1
        ]
        fpr, tpr = rates.T
        equal = np.abs(fpr - (1 - tpr)).argmin()
        rows.append(
            point
            | {
                "how_chosen": how,
                "accuracy": (point["tp"] + point["tn"]) / sum(point[c] for c in ("tp", "fp", "tn", "fn")),
                "tpr": point["tp"] / (point["tp"] + point["fn"]),
                "fpr": point["fp"] / (point["fp"] + point["tn"]),
                "eer": float((fpr[equal] + 1 - tpr[equal]) / 2),
                "auc": float(np.trapezoid(tpr, fpr)),
            }
        )
    store(connection, "operating_points", rows)


def _decision(case: dict, labels: np.ndarray, k: int, threshold: int) -> dict:
    """The decision about a case from the labels (k,) of its neighbors."""
    count = int((labels != case["predicted_class"]).sum())
    votes = np.bincount(labels, minlength=10)
    majority = int(votes.argmax()) if (votes == votes.max()).sum() == 1 else None
    alarm = count > threshold
    recovered = majority if alarm and majority != case["predicted_class"] else None
    outcome = {("adversarial", True): "TP", ("clean", True): "FP", ("clean", False): "TN"}
    return {
        "case_id": case["id"],
        "k": k,
        "threshold": threshold,
        "unexpected_count": count,
        "alarm": alarm,
        "majority_class": majority,
        "recovered_class": recovered,
        "outcome": outcome.get((case["kind"], alarm), "FN"),
    }
