"""A database of any data set and any network: many classes, gray or large images, other layers.

Neighbors, counts and decisions are computed from drawn activations, as in `database`; two thirds of the cases
are of a few classes, so that some classes have many and most have none.
"""

import hashlib
import io
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from sqlalchemy import Connection, Engine, inspect

from db import facets, schema
from db.scope import Scope
from tests.support.database_defense import store, store_defense
from tests.support.database_evidence import evaluate

SCOPE = Scope(1, 1)
REFERENCES = 120
FREQUENT = 5  # classes that most cases are of


class Shape(NamedTuple):
    """What the database is about."""

    classes: int = 300
    size: tuple[int, int] = (32, 32)
    gray: bool = False
    viewed: tuple[tuple[int, int, int], ...] = ((32, 32, 8), (16, 16, 16))  # shapes of conv layers
    vectors: tuple[tuple[str, str, int], ...] = (("pooled", "pool", 64),)  # before the logits
    stride: int = 1  # of the vulnerability map
    cases: int = 24
    name: str = "any"

    @property
    def layers(self) -> tuple:
        """Name, kind, shape and whether compared, in the order of the network."""
        compared = (*self.vectors, ("logits", "dense", self.classes))
        return (
            *((f"conv{i}", "conv", shape, False) for i, shape in enumerate(self.viewed, start=1)),
            *((name, kind, (width,), True) for name, kind, width in compared),
            ("composed", "composed", (sum(width for *_, width in compared),), True),
        )

    def class_name(self, number: int) -> str:
        """Two classes that each need a line of text, and short ones."""
        return f"a name of class {number} that is far too long for a label" if number < 2 else f"c{number}"


def fill(engine: Engine, shape: Shape, seed: int = 0) -> None:
    """Fill, and create the tables when there are none."""
    if not inspect(engine).has_table("cases"):
        schema.metadata.create_all(engine)
    random = np.random.default_rng(seed)
    with engine.begin() as connection:
        _facts(connection, shape)
        labels = random.integers(0, shape.classes, REFERENCES)
        labels[: REFERENCES // 2] %= FREQUENT
        _images(connection, random, shape, labels)
        cases = _cases(connection, random, shape)
        _activations(connection, random, shape, cases, labels)
        _maps(connection, random, shape, cases)
        _detectors(connection, shape)
        facets.refresh(connection, SCOPE)


def _facts(connection: Connection, shape: Shape) -> None:
    now = schema.now()
    both = SCOPE._asdict()
    named = {"id": 1, "name": shape.name, "created_at": now}
    store(connection, "datasets", [named | {"source": "drawn"}])
    names = [{"dataset_id": 1, "class": c, "name": shape.class_name(c)} for c in range(shape.classes)]
    store(connection, "classes", names)
    store(connection, "networks", [named | {"sha256": "e" * 64, "description": {"layers": []}}])
    store(connection, "network_datasets", [both | {"test_accuracy": 0.75, "created_at": now}])
    layers = [
        {"id": i, "network_id": 1, "name": name, "kind": kind, "position": i - 1}
        | {"shape": size, "compared": compared, "title": name, "note": f"{kind} of {size[-1]}"}
        for i, (name, kind, size, compared) in enumerate(shape.layers, start=1)
    ]
    store(connection, "layers", layers)
    batch = both | {"id": 1, "name": "batch 1", "parameters": {}, "method": "differential-evolution"}
    store(connection, "batches", [batch | {"pixel_count": 1, "seed": 0, "created_at": now}])
    run = both | {"id": 1, "batch_id": 1, "stage": "cases", "status": "done", "parameters": {}, "seed": 0}
    times = {"started_at": now, "finished_at": now, "seconds": 1.0}
    run |= times | {"code_version": "test"}
    store(connection, "runs", [run, run | {"id": 4, "stage": "evaluate"}])  # 4: of `evaluate`


def picture(random: np.random.Generator, shape: Shape) -> np.ndarray:
    """An image (H, W) or (H, W, 3) uint8: a ramp, a rectangle, noise."""
    height, width = shape.size
    y, x = np.mgrid[0:height, 0:width]
    drawn = 60 + 120 * (y / height + x / width) / 2
    top, left = random.integers(0, height // 2), random.integers(0, width // 2)
    drawn[top : top + height // 3 + 1, left : left + width // 3 + 1] += 60
    channels = 1 if shape.gray else 3
    tint = random.integers(-50, 50, channels)
    image = drawn[..., None] + tint + random.normal(0, 9, (height, width, channels))
    return image.clip(0, 255).astype(np.uint8).squeeze()


def _image(number: int, pixels: np.ndarray) -> dict:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    digest = hashlib.sha256(pixels.tobytes() + f"{number}".encode()).hexdigest()
    height, width = pixels.shape[:2]
    return {"id": number, "sha256": digest, "height": height, "width": width, "png": file.getvalue()}


def _images(connection: Connection, random: np.random.Generator, shape: Shape, labels: np.ndarray) -> None:
    """The reference set: samples and their images, 1 to REFERENCES."""
    ids = range(1, REFERENCES + 1)
    store(connection, "images", [_image(i, picture(random, shape)) for i in ids])
    sample = {"dataset_id": 1, "split": "train"}
    rows = [sample | {"id": i, "position": i, "label": int(labels[i - 1]), "image_id": i} for i in ids]
    store(connection, "samples", rows)
    store(connection, "reference_samples", [SCOPE._asdict() | {"id": i, "sample_id": i} for i in ids])


def _cases(connection: Connection, random: np.random.Generator, shape: Shape) -> list[dict]:
    rows: dict[str, list[dict]] = {}
    for i in range(1, shape.cases + 1):
        attacked, tuning = i % 2 == 1, i % 4 > 1
        true = int(random.integers(0, min(FREQUENT, shape.classes) if i % 3 else shape.classes))
        seen = (true + 1 + int(random.integers(0, shape.classes - 1))) % shape.classes if attacked else true
        original = picture(random, shape)
        row, column = (int(random.integers(0, side)) for side in shape.size)
        changed = original.copy()
        changed[row, column] = 255 if shape.gray else (255, 255, 0)
        before, after = REFERENCES + 2 * i, REFERENCES + 2 * i + 1
        rows.setdefault("images", []).append(_image(before, original))
        if attacked:
            rows["images"].append(_image(after, changed))
            was, new = (np.broadcast_to(one[row, column], 3).tolist() for one in (original, changed))
            colors = dict(zip(("red", "green", "blue"), new, strict=True))
            colors |= dict(zip(("original_red", "original_green", "original_blue"), was, strict=True))
            place = {"attack_id": i, "pixel": 0, "row": row, "column": column}
            rows.setdefault("attack_pixels", []).append(place | colors)
            rows.setdefault("attacks", []).append(_attack(i, REFERENCES + i, seen))
            original_row = {"case_id": i, "image_id": before, "predicted_class": true}
            rows.setdefault("originals", []).append(original_row | {"confidence": 0.9, "margin": 1.0})
        sample = {"id": REFERENCES + i, "dataset_id": 1, "split": "test", "position": i, "label": true}
        rows.setdefault("samples", []).append(sample | {"image_id": before})
        logits = random.normal(0, 1, shape.classes)
        logits[seen], logits[true] = logits.max() + 2, logits.max() + (2 if true == seen else 1)
        shares = np.exp(logits) / np.exp(logits).sum()
        case = SCOPE._asdict() | {"id": i, "run_id": 1, "kind": "adversarial" if attacked else "clean"}
        case |= {"partition": "tuning" if tuning else "validation", "sample_id": REFERENCES + i}
        case |= {"attack_id": i if attacked else None, "image_id": after if attacked else before}
        case |= {"true_class": true, "predicted_class": seen, "confidence": float(shares[seen])}
        rows.setdefault("cases", []).append(case)
        rows.setdefault("class_scores", []).extend(
            {"case_id": i, "class": c, "logit": float(logits[c]), "probability": float(shares[c])}
            for c in range(shape.classes)
        )
    for table in ("images", "samples", "attacks", "attack_pixels", "cases", "class_scores", "originals"):
        store(connection, table, rows[table])
    return rows["cases"]


def _attack(number: int, sample: int, predicted: int) -> dict:
    key = {"id": number, "run_id": 1, "network_id": 1, "sample_id": sample, "succeeded": True, "seed": 0}
    how = {"method": "differential-evolution", "target_class": predicted, "pixel_count": 1, "population": 400}
    done = {"budget": 4000, "queries": 800, "generations": 1, "seconds": 0.1, "predicted_class": predicted}
    return key | how | done | {"variant": "rand/1", "margin": 0.5, "screened": None}


def _activations(
    connection: Connection, random: np.random.Generator, shape: Shape, cases: list[dict], labels: np.ndarray
) -> None:
    """Vectors near a center of their class, an attacked image's between two; and maps of the conv layers."""
    true, seen = (np.array([case[name] for case in cases]) for name in ("true_class", "predicted_class"))
    of_cases, of_references, rows, reference_rows = {}, {}, [], []
    for i, (name, kind, size, _) in enumerate(shape.layers, start=1):
        if kind == "conv":
            ramp = np.linspace(0, 3, size[0], dtype="<f2")[:, None, None] * np.ones(size, "<f2")
            ramp += random.uniform(0, 1, size).astype("<f2")
            data = zlib.compress(ramp.tobytes())
            rows += [(case["id"], i, size, "zlib", data) for case in cases]
        elif kind != "composed":
            centers = random.normal(0, 1, (shape.classes, size[0]))
            middle = (centers[true] + centers[seen]) / 2
            of_cases[name] = (middle + random.normal(0, 1, middle.shape)).astype("<f2")
            of_references[name] = (centers[labels] + random.normal(0, 1, (len(labels), size[0]))).astype(
                "<f2"
            )
            rows += [
                (c["id"], i, size, "raw", v.tobytes()) for c, v in zip(cases, of_cases[name], strict=True)
            ]
            reference_rows += [(j, i, size, v.tobytes()) for j, v in enumerate(of_references[name], start=1)]
    names = ("case_id", "layer_id", "shape", "encoding", "data")
    store(connection, "case_activations", [dict(zip(names, row, strict=True)) for row in rows])
    names = ("reference_sample_id", "layer_id", "shape", "data")
    store(connection, "reference_activations", [dict(zip(names, row, strict=True)) for row in reference_rows])
    for vectors in (of_cases, of_references):
        vectors["composed"] = np.concatenate(list(vectors.values()), axis=1)
    store_defense(connection, cases, of_cases, of_references, labels, shape.layers)


def _maps(connection: Connection, random: np.random.Generator, shape: Shape, cases: list[dict]) -> None:
    """A vulnerability map for each case, on the stride, and a repair map of each image that was seen."""
    height, width = (-(-side // shape.stride) for side in shape.size)
    kind = "u1" if shape.classes <= 256 else "<u2"
    swept, repaired = [], []
    for case in cases:
        other = (case["true_class"] + 1) % shape.classes
        margins = random.uniform(-9, -1, (height, width))
        margins[height // 2, width // 3 : width // 2] = 1.5
        row = {"id": case["id"], "run_id": 1, "network_id": 1, "sample_id": case["sample_id"]}
        variant = ("grays-2" if shape.gray else "corners") + f", stride {shape.stride}" * (shape.stride > 1)
        row |= {
            "variant": variant,
            "height": height,
            "width": width,
            "margins": margins.astype("<f2").tobytes(),
        }
        row |= {"classes": np.full((height, width), other, kind).tobytes()}
        row |= {"colors": np.full((height, width), 1, "<u2").tobytes(), "best_margin": float(margins.max())}
        row |= {"vulnerable_positions": int((margins > 0).sum()), "reached_classes": 1, "queries": 9}
        swept.append(row | {"seconds": 0.1})
        whole = np.full(shape.size, -np.inf)
        some = random.random(shape.size) < 512 / whole.size
        whole[some] = random.uniform(-6, -1, int(some.sum()))
        whole[2, 3] = 0.5
        row = SCOPE._asdict() | {"id": case["id"], "run_id": 1, "image_id": case["image_id"], "score": 0.5}
        row |= {"predicted_class": case["predicted_class"], "margins": whole.astype("<f2").tobytes()}
        back = case["true_class"] if case["kind"] == "adversarial" else other
        row |= {"classes": np.full(shape.size, back, kind).tobytes(), "row": 2, "column": 3}
        repaired.append(row | {"recovered_class": back})
    store(connection, "vulnerability_maps", swept)
    store(connection, "repairs", repaired)


def _detectors(connection: Connection, shape: Shape) -> None:
    """The k-NN detector of each compared layer, judged by its tuning points."""
    compared = [(i, name) for i, (name, *_, is_compared) in enumerate(shape.layers, start=1) if is_compared]
    for layer_id, name in compared:
        labels = {"layer": name, "metric": "euclidean", "rule": "total", "reference": "all"}
        detector = SCOPE._asdict() | {"id": layer_id, "name": f"{name} euclidean total", "kind": "neighbors"}
        store(connection, "detectors", [detector | labels])
        table = schema.tuning_points
        points = connection.execute(table.select().where(table.c.layer_id == layer_id)).mappings()
        evaluate(connection, detector | labels, [dict(point) for point in points])
