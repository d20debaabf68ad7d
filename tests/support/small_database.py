"""Four cases by hand, with every number known: two attacks that fooled the network, two clean images."""

from sqlalchemy import Connection, column, insert, inspect, table

from db import schema
from db.bulk import go_on_after, last_id
from db.scope import Scope

CAT, DOG, SHIP = range(3)
PETS = Scope(1, 1)  # the one network on the one data set
SCOPE = PETS._asdict()
KINDS = {"conv1": "conv", "flatten": "flatten", "composed": "composed"}  # of layers; the others are dense
LAYERS = {"conv1": 1, "flatten": 2, "dense": 3, "logits": 4, "composed": 5}
TIME = "2026-01-31T12:00:00Z"


def fill(connection: Connection, made: dict[str, list[dict]] | None = None) -> None:
    """Case 1: adversarial, validation; 2: clean, validation; 3 and 4: tuning, without decisions.

    made: other rows by table, in place of `ROWS`.
    """
    there = inspect(connection)
    for name, rows in (ROWS if made is None else made).items():
        if not there.has_table(name):  # in a database of an older revision, as some columns
            continue
        today = schema.metadata.tables[name]
        types = {one["name"]: one["type"] for one in there.get_columns(name)}
        types |= {one.name: one.type for one in today.c if one.name in types}
        target = table(name, *(column(*one) for one in types.items()))
        for row in rows:
            known = {key: value for key, value in (OLD.get(name, {}) | row).items() if key in types}
            connection.execute(insert(target).values(known))
        if "id" in today.c:
            go_on_after(connection, today, last_id(connection, today))


def sha(character: str) -> str:
    return character * 64


def attack(id: int, sample: int, target: int | None, succeeded: bool, predicted: int) -> dict:
    return {
        "id": id,
        "run_id": 1,
        "network_id": 1,
        "sample_id": sample,
        "method": "differential-evolution",
        "target_class": target,
        "pixel_count": 1,
        "population": 100,
        "budget": 1000,
        "seed": 0,
        "succeeded": succeeded,
        "queries": 400,
        "generations": 3,
        "seconds": 0.5,
        "predicted_class": predicted,
        "variant": "rand/1",
        "margin": 0.5 if succeeded else -0.5,
        "screened": None,
    }


def sweep(id: int, sample: int, margin: float, positions: int) -> dict:
    return {
        "id": id,
        "run_id": 1,
        "network_id": 1,
        "sample_id": sample,
        "variant": "corners",
        "height": 2,
        "width": 2,
        "margins": b"12" * 4,
        "classes": b"1" * 4,
        "colors": b"12" * 4,
        "best_margin": margin,
        "vulnerable_positions": positions,
        "reached_classes": 1 if positions else 0,
        "queries": 32,
        "seconds": 0.25,
    }


def repair(id: int, image: int, predicted: int, score: float, row: int, recovered: int) -> dict:
    return {
        "id": id,
        "run_id": 1,
        **SCOPE,
        "image_id": image,
        "predicted_class": predicted,
        "margins": b"12" * 4,
        "classes": b"1" * 4,
        "score": score,
        "row": row,
        "column": 30,
        "recovered_class": recovered,
    }


def pixel(attack: int, row: int, column: int) -> dict:
    new = {"red": 255, "green": 0, "blue": 7}
    old = {"original_red": 10, "original_green": 20, "original_blue": 30}
    return {"attack_id": attack, "pixel": 0, "row": row, "column": column, **new, **old}


def case(id: int, partition: str, sample: int, attack: int | None, image: int, true: int, seen: int) -> dict:
    return {
        "id": id,
        **SCOPE,
        "run_id": 1,
        "kind": "clean" if attack is None else "adversarial",
        "partition": partition,
        "sample_id": sample,
        "attack_id": attack,
        "image_id": image,
        "true_class": true,
        "predicted_class": seen,
        "confidence": 0.75,
    }


def decision(case: int, layer: str, count: int, majority: int | None, recovered: int | None, outcome: str):
    return {
        "case_id": case,
        "layer_id": LAYERS[layer],
        "metric": "euclidean",
        "rule": "total",
        "k": 4,
        "threshold": 1,
        "unexpected_count": count,
        "alarm": count > 1,
        "majority_class": majority,
        "recovered_class": recovered,
        "outcome": outcome,
    }


def neighbor(case: int, layer: str, rank: int, reference: int, distance: float) -> dict:
    key = {"case_id": case, "layer_id": LAYERS[layer], "metric": "euclidean", "rank": rank}
    return {**key, "reference_sample_id": reference, "distance": distance}


def operating_point(layer: str, partition: str) -> dict:
    key = {"layer_id": LAYERS[layer], "dataset_id": 1, "metric": "euclidean", "rule": "total"}
    key |= {"how_chosen": "tuning"}
    counts = {"tp": 1, "fp": 0, "tn": 1, "fn": 0}
    rates = {"accuracy": 1.0, "tpr": 1.0, "fpr": 0.0, "eer": 0.0, "auc": 1.0}
    return {**key, "partition": partition, "k": 4, "threshold": 1, **counts, **rates}


def detector(id: int, name: str, kind: str, layer: str | None = None) -> dict:
    found = {"layer": layer, "metric": "euclidean", "rule": "total", "reference": "all"}
    columns = found if layer else dict.fromkeys(found)
    return {"id": id, **SCOPE, "name": name, "kind": kind, **columns}


def evaluation(detector: int, k: int, threshold: float, partition: str) -> dict:
    key = {"detector_id": detector, "case_set": "all", "how_chosen": "tuning", "partition": partition}
    counts = {"run_id": 1, "tp": 1, "fp": 0, "tn": 1, "fn": 0, "tpr": 1.0, "fpr": 0.0, "eer": 0.0}
    measures = ("accuracy", "auc", "paired_auc", "recovered")
    shares = {name + end: 1.0 for name in measures for end in ("", "_low", "_high")}
    paired = {"pairs": 1, "paired_fpr": 0.0, "paired_wins": 1.0, "recovered_on_alarm": 1.0, "located": None}
    return {**key, "k": k, "threshold": threshold, **counts, **shares, **paired}


OLD = {"networks": {"dataset_id": 1, "test_accuracy": 0.8}}  # columns until revision 0011
# Test samples 1..4 have images 1..4; training samples 5..8 images 5..7 and, once more, image 2.
ROWS = {
    "datasets": [{"id": 1, "name": "pets", "source": "by hand", "created_at": TIME}],
    "classes": [{"dataset_id": 1, "class": c, "name": n} for c, n in enumerate(("cat", "dog", "ship"))],
    "images": [
        {"id": i, "sha256": sha("0123456789ab"[i]), "height": 32, "width": 32, "png": b"png"}
        for i in range(1, 10)
    ],
    "samples": [
        {"id": id, "dataset_id": 1, "split": split, "position": position, "label": label, "image_id": image}
        for id, split, position, label, image in (
            (1, "test", 0, CAT, 1),
            (2, "test", 1, SHIP, 2),
            (3, "test", 2, DOG, 3),
            (4, "test", 3, CAT, 4),
            (5, "train", 0, CAT, 5),
            (6, "train", 1, DOG, 6),
            (7, "train", 2, SHIP, 7),
            (8, "train", 3, SHIP, 2),
        )
    ],
    "networks": [
        {
            "id": 1,
            "name": "small",
            "sha256": sha("f"),
            "description": {"layers": list(LAYERS)},
            "created_at": TIME,
        }
    ],
    "network_datasets": [{**SCOPE, "test_accuracy": 0.8, "created_at": TIME}],
    "layers": [
        {
            "id": id,
            "network_id": 1,
            "name": name,
            "kind": KINDS.get(name, "dense"),
            "position": id - 1,
            "shape": [4],
            "compared": name != "conv1",
            "title": name,
            "note": "",
        }
        for name, id in LAYERS.items()
    ],
    "batches": [
        {
            "id": 1,
            **SCOPE,
            "name": "first try",
            "parameters": {"attack": "differential-evolution", "seed": 7},
            "method": "differential-evolution",
            "pixel_count": 1,
            "seed": 7,
            "created_at": TIME,
        }
    ],
    "runs": [
        {
            "id": 1,
            **SCOPE,
            "stage": "cases",
            "status": "done",
            "parameters": {"cases": 4},
            "seed": 0,
            "code_version": "test",
            "started_at": TIME,
            "finished_at": TIME,
            "seconds": 1.5,
            "batch_id": 1,
        }
    ],
    "predictions": [
        {
            **SCOPE,
            "split": "test",
            "position": position,
            "label": label,
            "predicted_class": predicted,
            "confidence": 0.5,
            "logits": b"123412341234",
            "run_id": 1,
        }
        for position, (label, predicted) in enumerate(
            ((CAT, CAT), (SHIP, SHIP), (DOG, DOG), (CAT, CAT), (CAT, DOG))
        )
    ],
    "attacks": [
        attack(1, 1, None, True, DOG),
        attack(2, 4, None, False, CAT),
        attack(3, 3, SHIP, True, SHIP),
        attack(4, 3, CAT, False, DOG),
        attack(5, 2, None, True, CAT) | {"method": "near-median", "variant": "within 32"},
    ],
    "attack_pixels": [pixel(1, 3, 30), pixel(2, 3, 30), pixel(3, 0, 1)],
    "vulnerability_maps": [sweep(1, 1, 0.5, 3), sweep(2, 2, -0.25, 0)],
    "repairs": [
        repair(1, 1, CAT, -1.5, 0, DOG),
        repair(2, 2, SHIP, 0.5, 1, CAT),
        repair(3, 8, DOG, 2.5, 3, CAT),
        repair(4, 9, SHIP, -0.5, 2, CAT),
    ],
    "cases": [
        case(1, "validation", 1, 1, 8, CAT, DOG),
        case(2, "validation", 2, None, 2, SHIP, SHIP),
        case(3, "tuning", 3, 3, 9, DOG, SHIP),
        case(4, "tuning", 4, None, 4, CAT, CAT),
    ],
    "class_scores": [
        {"case_id": case, "class": c, "logit": 1.0, "probability": 0.25}
        for case in range(1, 5)
        for c in range(3)
    ],
    "reference_samples": [{"id": i, **SCOPE, "sample_id": i + 4} for i in range(1, 5)],
    "neighbors": [
        *(
            neighbor(1, "flatten", rank, rank, distance)
            for rank, distance in enumerate((1, 4, 6, 8), start=1)
        ),
        *(
            neighbor(2, "flatten", rank, rank, distance)
            for rank, distance in enumerate((5, 6, 7, 8), start=1)
        ),
        *(neighbor(case, "dense", 1, 1, 2.5) for case in range(1, 5)),
    ],
    "tuning_points": [
        {
            "layer_id": LAYERS["dense"],
            "dataset_id": 1,
            "metric": "euclidean",
            "rule": "total",
            "partition": partition,
            "k": 4,
            "threshold": 1,
            **counts,
        }
        for partition, counts in (
            ("tuning", {"tp": 3, "fp": 1, "tn": 1, "fn": 1}),
            ("validation", {"tp": 0, "fp": 1, "tn": 4, "fn": 0}),
        )
    ],
    "decisions": [
        decision(1, "flatten", 3, CAT, CAT, "TP"),
        decision(1, "dense", 1, DOG, None, "FN"),
        decision(1, "logits", 0, DOG, None, "FN"),
        decision(1, "composed", 0, DOG, None, "FN"),
        decision(2, "flatten", 2, None, None, "FP"),
        decision(2, "dense", 1, None, None, "TN"),
        decision(2, "logits", 1, SHIP, None, "TN"),
        decision(2, "composed", 2, CAT, CAT, "FP"),
    ],
    "originals": [
        {"case_id": id, "image_id": image, "predicted_class": true, "confidence": 0.9, "margin": 2.0}
        for id, image, true in ((1, 1, CAT), (3, 3, DOG))
    ],
    "original_activations": [
        {"case_id": 1, "layer_id": LAYERS["dense"], "shape": [4], "encoding": "raw", "data": b"12345678"}
    ],
    # Of the network itself, as there is no other.
    "transfers": [{"case_id": 1, "network_id": 1, "run_id": 1, "predicted_class": DOG, "confidence": 0.75}],
    "original_neighbors": [neighbor(case, "dense", 1, 2, 1.5) for case in (1, 3)],
    "attack_images": [{"attack_id": 5, "image_id": 9}],
    "near_duplicate_pairs": [
        {
            **SCOPE,
            "sample_id": sample,
            "other_sample_id": other,
            "activation_distance": 0.25,
            "pixel_distance": pixels,
        }
        for sample, other, pixels in ((1, 5, 12.5), (2, 8, 0.0))
    ],
    "detectors": [
        detector(1, "dense euclidean total", "neighbors", "dense"),
        detector(2, "repair", "repair"),
        detector(3, "confidence", "baseline"),
    ],
    "detector_points": [
        {
            "detector_id": id,
            "case_set": "all",
            "partition": "validation",
            "k": 0,
            "threshold": 0.5,
            "tp": 1,
            "fp": 0,
            "tn": 3,
            "fn": 1,
        }
        for id in (2, 3)
    ],
    "k_points": [
        {
            "detector_id": 1,
            "case_set": "all",
            "partition": "validation",
            "k": 4,
            "threshold": 1,
            "accuracy": 0.75,
            "eer": 0.25,
            "auc": 0.8,
        }
    ],
    "evaluations": [
        evaluation(1, 4, 1.0, "validation"),
        evaluation(2, 0, 0.5, "tuning"),
        evaluation(2, 0, 0.5, "validation"),
        evaluation(3, 0, 0.5, "validation"),
    ],
}
