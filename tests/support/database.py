"""A small but complete database of synthetic rows: every table filled, every number consistent.

The images are drawn, the activations are noise around a center a class; but neighbors, counts, operating
points and decisions are computed from them, so that a page over this database adds up.
"""

import hashlib
import io
from functools import cache

import numpy as np
from PIL import Image
from sqlalchemy import Connection, Engine, inspect, select

from db import engine as engines
from db import facets, schema, vocabulary
from db.bulk import go_on_after, insert_all, last_id
from db.scope import Scope
from model.network.cifar10_cnn import CIFAR10_CNN
from tests.support.database_defense import LAYERS, activations, store, store_activations, store_defense
from tests.support.database_evidence import store_evidence
from tests.support.database_maps import store_maps
from tests.support.database_twins import store_twins

SCOPE = Scope(1, 1)  # the one network on the one data set
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def fill(
    engine: Engine, *, per_group: int = 16, references: int = 200, seed: int = 0, evidence: bool = True
) -> None:
    """Fill, and create the tables when there are none: `per_group` cases a partition and kind,
    `references` (>= 50) reference samples; `evidence`: detectors and what they are judged by, too.
    """
    if not inspect(engine).has_table("cases"):
        schema.metadata.create_all(engine)
    kind = engine.dialect.name
    drawn = _drawn(per_group, references, seed, evidence, kind)
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            rows = drawn[table.name]
            if rows and kind == "sqlite":
                names = ", ".join(f'"{column.name}"' for column in table.c)
                places = ", ".join("?" * len(table.c))
                connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({places})", rows)
            elif rows:
                insert_all(connection, table, [rows], lambda _rows: None)
            if "id" in table.c:
                go_on_after(connection, table, last_id(connection, table))


@cache
def _drawn(per_group: int, references: int, seed: int, evidence: bool, kind: str) -> dict[str, list[tuple]]:
    """The rows of every table, made once for all databases of this kind that a process fills alike."""
    with _filled_in_memory(per_group, references, seed, evidence).connect() as connection:
        queries = {name: select(table) for name, table in schema.metadata.tables.items()}
        if kind == "sqlite":  # as the file holds them
            return {name: [*map(tuple, connection.exec_driver_sql(str(q)))] for name, q in queries.items()}
        return {name: connection.execute(query).all() for name, query in queries.items()}


@cache
def _filled_in_memory(per_group: int, references: int, seed: int, evidence: bool) -> Engine:
    random = np.random.default_rng(seed)
    in_memory = engines.create(":memory:")
    schema.metadata.create_all(in_memory)
    with in_memory.begin() as connection:
        _network(connection)
        reference_labels = np.arange(references) % 10
        _references(connection, random, reference_labels)
        cases = _cases(connection, random, per_group, first_sample=references + 1)
        vectors = activations(random, cases, reference_labels)
        store_activations(connection, cases, *vectors)
        store_defense(connection, cases, *vectors, reference_labels)
        if evidence:
            store_evidence(connection, random, cases)
            store_twins(connection, cases)
            store(connection, "transfers", _transfers(cases))
            store_maps(connection, cases)
        facets.refresh(connection, SCOPE)
    return in_memory


def _network(connection: Connection) -> None:
    now = schema.now()
    store(
        connection, "datasets", [{"id": 1, "name": "cifar10", "source": "drawn by a test", "created_at": now}]
    )
    store(
        connection, "classes", [{"dataset_id": 1, "class": c, "name": name} for c, name in enumerate(CLASSES)]
    )
    network = {
        "id": 1,
        "name": "cifar10-cnn",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "description": {"layers": [name for name, *_ in LAYERS]},
        "created_at": now,
    }
    store(connection, "networks", [network])
    pair = {**SCOPE._asdict(), "test_accuracy": 0.8123, "created_at": now}
    store(connection, "network_datasets", [pair])
    layers = [
        {
            "id": i,
            "network_id": 1,
            "dataset_id": 1,
            "name": name,
            "kind": kind,
            "position": i - 1,
            "shape": shape,
            "compared": c,
            "title": name,
            "note": CIFAR10_CNN.notes()[name],
        }
        for i, (name, kind, shape, c) in enumerate(LAYERS, start=1)
    ]
    store(connection, "layers", layers)
    batch = {
        "id": 1,
        "network_id": 1,
        "dataset_id": 1,
        "name": "batch 1",
        "parameters": {"cases": "synthetic"},
        "method": "differential-evolution",
        "pixel_count": 1,
        "seed": 0,
        "created_at": now,
    }
    store(connection, "batches", [batch])
    run = {
        "id": 1,
        "network_id": 1,
        "dataset_id": 1,
        "batch_id": 1,
        "stage": "cases",
        "status": "done",
        "parameters": {"cases": "synthetic"},
        "seed": 0,
        "code_version": "test",
        "started_at": now,
        "finished_at": now,
        "seconds": 1.0,
    }
    store(connection, "runs", [run])


def _picture(random: np.random.Generator, label: int) -> np.ndarray:
    """A drawn image (32, 32, 3) uint8: a disc on a sky, in colors of its class."""
    y, x = np.mgrid[0:32, 0:32]
    hue = np.array([np.cos(label * 0.63 + shift) for shift in (0, 2.1, 4.2)]) * 70 + 130
    disc = (y - random.integers(10, 22)) ** 2 + (x - random.integers(10, 22)) ** 2 < random.integers(36, 110)
    image = np.where(disc[..., None], hue, 225 - 3 * y[..., None] - hue / 6) + random.normal(
        0, 7, (32, 32, 3)
    )
    return image.clip(0, 255).astype(np.uint8)


def _image_row(image_id: int, pixels: np.ndarray) -> dict:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    digest = hashlib.sha256(pixels.tobytes() + str(pixels.shape).encode()).hexdigest()
    return {"id": image_id, "sha256": digest, "height": 32, "width": 32, "png": file.getvalue()}


def _sample(sample_id: int, split: str, position: int, label: int, image_id: int) -> dict:
    place = {"dataset_id": 1, "split": split, "position": position}
    return {"id": sample_id, **place, "label": label, "image_id": image_id}


def _references(connection: Connection, random: np.random.Generator, labels: np.ndarray) -> None:
    ids = range(1, len(labels) + 1)
    store(connection, "images", [_image_row(i, _picture(random, labels[i - 1])) for i in ids])
    samples = [
        {
            "id": i,
            "dataset_id": 1,
            "split": "train",
            "position": i - 1,
            "label": int(labels[i - 1]),
            "image_id": i,
        }
        for i in ids
    ]
    store(connection, "samples", samples)
    store(
        connection,
        "reference_samples",
        [{"id": i, "network_id": 1, "dataset_id": 1, "sample_id": i} for i in ids],
    )


def _cases(
    connection: Connection, random: np.random.Generator, per_group: int, first_sample: int
) -> list[dict]:
    """Samples, attacks (some fail) and cases; the rows of the cases."""
    images, samples, attacks, pixels, cases, scores = [], [], [], [], [], []
    image_id = first_sample

    groups = [(p, k) for p in vocabulary.PARTITIONS for k in vocabulary.KINDS for _ in range(per_group)]
    for i, (partition, kind) in enumerate(groups):
        true, sample_id = i % 10, first_sample + i
        picture = _picture(random, true)
        images.append(_image_row(image_id, picture))
        samples.append(
            {
                "id": sample_id,
                "dataset_id": 1,
                "split": "test",
                "position": i,
                "label": true,
                "image_id": image_id,
            }
        )
        shown, attack_id, predicted = image_id, None, true
        if kind == "adversarial":
            predicted = int((true + random.integers(1, 10)) % 10)
            row, column = (int(v) for v in random.integers(0, 32, 2))
            old, new = picture[row, column].copy(), np.array([255, 255, 0], np.uint8)
            picture[row, column] = new
            image_id += 1
            shown, attack_id = image_id, len(attacks) + 1
            images.append(_image_row(image_id, picture))
            attacks.append(_attack(attack_id, sample_id, predicted, succeeded=True, sweep=i % 4 == 0))
            pixels.append(_pixel(attack_id, row, column, new, old))
        elif i % 9 == 8:
            predicted = (true + 1) % 10  # clean images may be misclassified too
        image_id += 1
        logits = random.normal(0, 1, 10)
        logits[predicted] = logits.max() + random.uniform(0.1, 5)
        probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        cases.append(
            {
                "id": i + 1,
                "network_id": 1,
                "dataset_id": 1,
                "run_id": 1,
                "kind": kind,
                "partition": partition,
                "sample_id": sample_id,
                "attack_id": attack_id,
                "image_id": shown,
                "true_class": true,
                "predicted_class": predicted,
                "confidence": float(probability[predicted]),
            }
        )
        scores += [
            {"case_id": i + 1, "class": c, "logit": float(logits[c]), "probability": float(probability[c])}
            for c in range(10)
        ]
    clean = [case for case in cases if case["kind"] == "clean"]
    for case in clean[:5]:  # attacks that found nothing are rows too
        attacks.append(_attack(len(attacks) + 1, case["sample_id"], case["true_class"], succeeded=False))
    for table, rows in zip(
        ("images", "samples", "attacks", "attack_pixels", "cases", "class_scores"),
        (images, samples, attacks, pixels, cases, scores),
        strict=True,
    ):
        store(connection, table, rows)
    store(connection, "predictions", _predictions([sample["label"] for sample in samples]))
    return cases


def _predictions(labels: list[int]) -> list[dict]:
    """What the network makes of the test images: it is wrong on every seventh."""
    logits = np.random.default_rng(1).normal(0, 1, (len(labels), 10)).astype("<f4")
    rows = []
    for position, label in enumerate(labels):
        predicted = (label + (position % 7 == 6)) % 10
        logits[position, predicted] = 4
        row = {
            "network_id": 1,
            "dataset_id": 1,
            "split": "test",
            "position": position,
            "label": label,
            "run_id": 1,
        }
        row |= {"predicted_class": predicted, "confidence": 0.8, "logits": logits[position].tobytes()}
        rows.append(row)
    return rows


def _transfers(cases: list[dict]) -> list[dict]:
    """What the network makes of its own adversarial cases, as there is no other: every second is right."""
    return [
        {
            "case_id": case["id"],
            "network_id": 1,
            "run_id": 1,
            "predicted_class": case["true_class"] if case["id"] % 2 else case["predicted_class"],
            "confidence": 0.8,
        }
        for case in cases
        if case["kind"] == "adversarial"
    ]


def _attack(attack_id: int, sample_id: int, predicted: int, *, succeeded: bool, sweep: bool = False) -> dict:
    return {
        "id": attack_id,
        "run_id": 1,
        "network_id": 1,
        "dataset_id": 1,
        "sample_id": sample_id,
        "method": "corner-sweep" if sweep else "differential-evolution",
        "target_class": None,
        "pixel_count": 1,
        "population": 8192 if sweep else 400,
        "budget": 8192 if sweep else 40_400,
        "seed": 0 if sweep else 7,
        "succeeded": succeeded,
        "queries": 8192 if sweep else 1200,
        "generations": 0 if sweep else 3,
        "seconds": 0.25,
        "predicted_class": predicted,
        "variant": "corners" if sweep else "rand/1",
        "margin": 0.5 if succeeded else -0.5,
        "screened": None,
    }


def _pixel(attack_id: int, row: int, column: int, new: np.ndarray, old: np.ndarray) -> dict:
    colors = {name: int(value) for name, value in zip(("red", "green", "blue"), new, strict=True)}
    before = {f"original_{name}": int(value) for name, value in zip(colors, old, strict=True)}
    return {"attack_id": attack_id, "pixel": 0, "row": row, "column": column, **colors, **before}
