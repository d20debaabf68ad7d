"""The evidence's part of the synthetic database: repairs, detectors, their curves and evaluations.

Curves and counts of the k-NN detectors are those of its tuning points; the other detectors have drawn
scores. Intervals are rough: what they are is the pipeline's affair, here they only have to be shown.
"""

import numpy as np
from sqlalchemy import Connection, select

from db import facets, schema, vocabulary
from db.paper import K as PAPER_K
from db.scope import Scope
from tests.support.database_defense import LAYERS, RULE, store

METRICS = ("euclidean", "cosine")
CASE_SETS = ("all", "untargeted")
COMPARED = [(i, name) for i, (name, _, _, compared) in enumerate(LAYERS, start=1) if compared]
COUNTS = ("tp", "fp", "tn", "fn")


def store_evidence(connection: Connection, random: np.random.Generator, cases: list[dict]) -> None:
    """Fill what schema 5 added, after `database_defense.store_defense`."""
    _repairs(connection, random, cases)
    _near_median(connection, [case for case in cases if case["kind"] == "clean"])
    store(connection, "near_duplicate_pairs", [_pair(case, i) for i, case in enumerate(cases[:3], start=1)])
    store(
        connection, "runs", [_run(2, "reference", 61.5), _run(3, "attacks", 402.0), _run(4, "evaluate", 7.25)]
    )
    points = _neighbor_points(connection)
    _cosine(connection, points)
    neighbors = [
        _detector(
            f"{name} {metric} {RULE}" + " distinct" * (reference == "distinct"), name, metric, reference
        )
        for reference in vocabulary.REFERENCES
        for metric in METRICS
        for _, name in COMPARED
    ]
    others = [_detector("repair"), _detector("confidence"), _detector("logit-margin")]
    detectors = [detector | {"id": i} for i, detector in enumerate(neighbors + others, start=1)]
    store(connection, "detectors", detectors)
    for detector in detectors:
        if detector["layer"] is not None:
            evaluate(connection, detector, points[detector["layer"]])
        else:
            scores = _scores(random, detector["name"], cases)
            evaluate(connection, detector, _score_points(scores, cases))
            _decide(connection, detector["name"], scores, cases)


def _repairs(connection: Connection, random: np.random.Generator, cases: list[dict]) -> None:
    pixels = schema.attack_pixels.c
    places = {
        row.attack_id: row for row in connection.execute(select(pixels.attack_id, pixels.row, pixels.column))
    }
    repairs, originals = [], []
    for i, case in enumerate(cases):
        attacked = case["kind"] == "adversarial"
        found = attacked and i % 11 != 5
        place = (places[case["attack_id"]].row, places[case["attack_id"]].column) if found else (3, 4)
        other = case["true_class"] if case["true_class"] != case["predicted_class"] else (i + 4) % 10
        if other == case["predicted_class"]:
            other = (other + 1) % 10
        score = float(random.normal(2.5, 1.2) if found else random.normal(-3, 1))
        repairs.append(_repair(case["image_id"], case["predicted_class"], score, place, other))
        if attacked:
            before, true = case["image_id"] - 1, case["true_class"]
            repairs.append(_repair(before, true, float(random.normal(-3, 1)), (3, 4), (true + 1) % 10))
            originals.append(
                {"case_id": case["id"], "image_id": before, "predicted_class": true}
                | {"confidence": 0.9, "margin": 2.0}
            )
    store(connection, "repairs", [repair | {"id": i} for i, repair in enumerate(repairs, start=1)])
    store(connection, "originals", originals)


def _repair(image: int, predicted: int, score: float, place: tuple[int, int], recovered: int) -> dict:
    maps = {"margins": b"\0\0" * 1024, "classes": b"\0" * 1024, "score": score}
    key = {"run_id": 1, "network_id": 1, "dataset_id": 1, "image_id": image, "predicted_class": predicted}
    return key | maps | {"row": place[0], "column": place[1], "recovered_class": recovered}


def _near_median(connection: Connection, clean: list[dict]) -> None:
    """Attacks of the one who knows the repair sweep: some succeed, none becomes a case."""
    first = connection.execute(select(schema.attacks.c.id).order_by(schema.attacks.c.id.desc())).scalar() + 1
    attacks, pixels, images = [], [], []
    for i, case in enumerate(clean):
        for j, variant in enumerate(("within 8", "within 32")):
            succeeded = (i + j) % 3 == 2
            predicted = (case["true_class"] + succeeded) % 10
            attack = {
                "id": first + len(attacks),
                "run_id": 1,
                "network_id": 1,
                "dataset_id": 1,
                "sample_id": case["sample_id"],
            }
            attack |= {"method": "near-median", "variant": variant, "target_class": None, "pixel_count": 1}
            attack |= {"population": 400, "budget": 8000, "seed": 0, "succeeded": succeeded, "queries": 8000}
            attack |= {"generations": 19, "seconds": 0.5, "predicted_class": predicted, "screened": None}
            attacks.append(attack | {"margin": 0.5 if succeeded else -0.5})
            color = dict.fromkeys(("red", "green", "blue"), 90)
            before = {f"original_{name}": value for name, value in color.items()}
            pixels.append({"attack_id": attack["id"], "pixel": 0, "row": 3, "column": 4, **color, **before})
            images.append({"attack_id": attack["id"], "image_id": case["image_id"]})
    for table, rows in (("attacks", attacks), ("attack_pixels", pixels), ("attack_images", images)):
        store(connection, table, rows)


def _pair(case: dict, other: int) -> dict:
    distances = {"activation_distance": 0.02 * other, "pixel_distance": 10.0 * other}
    return {
        "network_id": 1,
        "dataset_id": 1,
        "sample_id": case["sample_id"],
        "other_sample_id": other,
    } | distances


def _run(id_: int, stage: str, seconds: float) -> dict:
    times = {"started_at": schema.now(), "finished_at": schema.now(), "seconds": seconds}
    run = {
        "id": id_,
        "network_id": 1,
        "dataset_id": 1,
        "stage": stage,
        "status": "done",
        "parameters": {},
        "seed": 0,
    }
    return run | {"code_version": "test"} | times


def _detector(name: str, layer: str | None = None, metric: str | None = None, reference: str | None = None):
    kind = "neighbors" if layer else "repair" if name == "repair" else "baseline"
    columns = {"layer": layer, "metric": metric, "rule": RULE if layer else None, "reference": reference}
    return {"network_id": 1, "dataset_id": 1, "name": name, "kind": kind, **columns}


def _neighbor_points(connection: Connection) -> dict[str, list[dict]]:
    """Layer -> its tuning points as plain dicts."""
    table = schema.tuning_points
    return {
        name: [dict(row._mapping) for row in connection.execute(select(table).where(table.c.layer_id == i))]
        for i, name in COMPARED
    }


def _cosine(connection: Connection, points: dict[str, list[dict]]) -> None:
    """The same points under a second metric, so that there is something to choose."""
    for of_layer in points.values():
        store(connection, "tuning_points", [point | {"metric": "cosine"} for point in of_layer])


def _scores(random: np.random.Generator, name: str, cases: list[dict]) -> np.ndarray:
    attacked = np.array([case["kind"] == "adversarial" for case in cases])
    apart = {"repair": 5.0, "confidence": 1.2, "logit-margin": 1.1}[name]
    return np.round(random.normal(0, 1, len(cases)) + apart * attacked, 3)


def _score_points(scores: np.ndarray, cases: list[dict]) -> list[dict]:
    attacked = np.array([case["kind"] == "adversarial" for case in cases])
    of = np.array([case["partition"] for case in cases])
    points = []
    for partition in vocabulary.PARTITIONS:
        part, truth = scores[of == partition], attacked[of == partition]
        for threshold in np.concatenate([[part.min() - 1], np.unique(part)]):
            alarm = part > threshold
            masks = (alarm & truth, alarm & ~truth, ~alarm & ~truth, ~alarm & truth)
            counts = {name: int(mask.sum()) for name, mask in zip(COUNTS, masks, strict=True)}
            points.append({"partition": partition, "k": 0, "threshold": float(threshold)} | counts)
    return points


def evaluate(connection: Connection, detector: dict, points: list[dict]) -> None:
    """Curves, accuracy against k and evaluations from the points of every k, threshold and partition."""
    curves: dict[tuple[str, int], list[dict]] = {}
    for point in points:
        curves.setdefault((point["partition"], point["k"]), []).append(point)
    ks = sorted({k for _, k in curves})
    chosen = {k: _equal(curves["tuning", k]) for k in ks}  # of each k the point of the equal error rate
    best = {
        partition: max(ks, key=lambda k: _accuracy(_at(curves[partition, k], chosen[k]["threshold"])))
        for partition in vocabulary.PARTITIONS
    }
    ways = {"tuning": best["tuning"], "validation": best["validation"]}
    if detector["layer"] and detector["metric"] == "euclidean" and detector["reference"] == "all":
        ways |= {"paper": PAPER_K[detector["layer"]]} if detector["layer"] in PAPER_K else {}
    of_each_k = [_k_point(p, k, curves[p, k], chosen[k]) for p in vocabulary.PARTITIONS for k in ks]
    for case_set in CASE_SETS:
        key = {"detector_id": detector["id"], "case_set": case_set}
        if not (detector["reference"] == "all" and case_set == "all"):  # else: in tuning_points
            rows = [p for p in points if p["k"] in ways.values()]
            store(connection, "detector_points", [key | _plain(point) for point in rows])
        if detector["layer"]:
            store(connection, "k_points", [key | point for point in of_each_k])
        evaluations = [
            key | {"how_chosen": how} | _evaluation(detector, p, k, curves[p, k], chosen[k]["threshold"])
            for how, k in ways.items()
            for p in vocabulary.PARTITIONS
        ]
        store(connection, "evaluations", evaluations)


def _decide(connection: Connection, detector: str, scores: np.ndarray, cases: list[dict]) -> None:
    """What a detector without neighbors says of every case."""
    rows = []
    for case, score in zip(cases, scores.tolist(), strict=True):
        alarm = score > 1.0
        outcome = {(True, True): "TP", (True, False): "FP", (False, True): "FN", (False, False): "TN"}
        row = {"case_id": case["id"], "partition": case["partition"], "score": score, "threshold": 1.0}
        row |= {"outcome": outcome[alarm, case["kind"] == "adversarial"]}
        rows.append(row | {"alarm": alarm, "recovered_class": case["true_class"] if alarm else None})
    facets.replace_detector(connection, Scope(1, 1), detector, rows)


def _plain(point: dict) -> dict:
    return {name: point[name] for name in ("partition", "k", "threshold", *COUNTS)}


def _at(points: list[dict], threshold: float) -> dict:
    """The point of a threshold, or the nearest one where scores of a partition lack it."""
    return min(points, key=lambda point: abs(point["threshold"] - threshold))


def _rates(point: dict) -> tuple[float, float]:
    return point["fp"] / (point["fp"] + point["tn"]), point["tp"] / (point["tp"] + point["fn"])


def _accuracy(point: dict) -> float:
    return (point["tp"] + point["tn"]) / sum(point[name] for name in COUNTS)


def _equal(points: list[dict]) -> dict:
    return min(points, key=lambda point: abs(_rates(point)[0] - (1 - _rates(point)[1])))


def _area(points: list[dict]) -> float:
    fpr, tpr = np.array(sorted(_rates(point) for point in points)).T
    return float(np.trapezoid(tpr, fpr))


def _eer(points: list[dict]) -> float:
    fpr, tpr = _rates(_equal(points))
    return (fpr + 1 - tpr) / 2


def _k_point(partition: str, k: int, points: list[dict], chosen: dict) -> dict:
    found = {
        "accuracy": _accuracy(_at(points, chosen["threshold"])),
        "eer": _eer(points),
        "auc": _area(points),
    }
    return {"partition": partition, "k": k, "threshold": int(chosen["threshold"])} | found


def _evaluation(detector: dict, partition: str, k: int, points: list[dict], threshold: float) -> dict:
    point, auc = _at(points, threshold), _area(points)
    fpr, tpr = _rates(point)
    repair = detector["kind"] == "repair"
    recovered = {"repair": 0.95, "baseline": 0.8, "neighbors": 0.4}[detector["kind"]] * tpr
    values = {"accuracy": _accuracy(point), "auc": auc, "recovered": recovered}
    values["paired_auc"] = auc - 0.01 if repair else max(0.5, auc - 0.18)
    shares = {}
    for name, value in values.items():
        shares |= {name: value, f"{name}_low": max(0.0, value - 0.06), f"{name}_high": min(1.0, value + 0.05)}
    return (
        {"partition": partition, "run_id": 4, "k": k, "threshold": float(threshold)}
        | {name: point[name] for name in COUNTS}
        | {"tpr": tpr, "fpr": fpr, "eer": _eer(points)}
        | shares
        | {"pairs": point["tp"] + point["fn"], "paired_fpr": fpr, "paired_wins": values["paired_auc"]}
        | {"recovered_on_alarm": recovered, "located": 0.94 * tpr if repair else None}
    )
