"""The maps' part of the synthetic database: repair sweeps and vulnerability maps, position by position, and
the conv maps of originals. It draws from a generator of its own, so that what the other parts draw stays.

Case SWEPT_NOT has no vulnerability map, and MAPS_NOT no conv maps of its original.
"""

import zlib

import numpy as np
from sqlalchemy import Connection, select, update

from db import schema
from tests.support.database_defense import LAYERS, store

SWEPT_NOT, MAPS_NOT = 35, 51
SIDE = 32
SHIFT = 0.5  # of every activation at the attacked position's cell, by the attack


def store_maps(connection: Connection, cases: list[dict], seed: int = 0) -> None:
    """Fill after `database_evidence.store_evidence`: repairs are there, and what they lead to."""
    random = np.random.default_rng([seed, 5])
    for repair in connection.execute(select(schema.repairs)).all():
        margins = random.uniform(repair.score - 3, repair.score - 1, (SIDE, SIDE))
        margins[repair.row, repair.column] = repair.score
        classes = np.full((SIDE, SIDE), repair.recovered_class)
        maps = {"margins": margins.astype("<f2").tobytes(), "classes": classes.astype("u1").tobytes()}
        connection.execute(update(schema.repairs).where(schema.repairs.c.id == repair.id).values(**maps))
    swept = [_sweep(random, case) for case in cases if case["id"] != SWEPT_NOT]
    store(connection, "vulnerability_maps", [row | {"id": i} for i, row in enumerate(swept, start=1)])
    _original_maps(connection, cases)


def _sweep(random: np.random.Generator, case: dict) -> dict:
    """Half of the images can be fooled, at 12 positions and towards two classes."""
    margins = random.uniform(-9, -2, (SIDE, SIDE))
    classes = np.full((SIDE, SIDE), (case["true_class"] + 1) % 10)
    if case["id"] % 2 == 0:
        margins[4:7, 8:12] = random.uniform(0.5, 3, (3, 4))
        classes[4, 8:12] = (case["true_class"] + 2) % 10
    colors = random.integers(0, 8, (SIDE, SIDE))
    key = {
        "run_id": 1,
        "network_id": 1,
        "dataset_id": 1,
        "sample_id": case["sample_id"],
        "variant": "corners",
    }
    maps = {
        "margins": margins.astype("<f2").tobytes(),
        "classes": classes.astype("u1").tobytes(),
        "colors": colors.astype("<u2").tobytes(),
    }
    fooled = margins > 0
    facts = {
        "best_margin": float(margins.max()),
        "vulnerable_positions": int(fooled.sum()),
        "reached_classes": len(np.unique(classes[fooled])),
    }
    return key | {"height": SIDE, "width": SIDE} | maps | facts | {"queries": 8192, "seconds": 0.1}


def _original_maps(connection: Connection, cases: list[dict]) -> None:
    """What the case's conv maps were before the attack: less by SHIFT in one cell of channel 3."""
    columns = schema.case_activations.c
    rows = []
    for layer_id, (_, kind, shape, _) in enumerate(LAYERS, start=1):
        if kind != "conv":
            continue
        wanted = [case["id"] for case in cases if case["kind"] == "adversarial" and case["id"] != MAPS_NOT]
        query = select(columns.case_id, columns.data).where(columns.layer_id == layer_id)
        for case_id, data in connection.execute(query.where(columns.case_id.in_(wanted))).all():
            values = np.frombuffer(zlib.decompress(data), "<f2").reshape(shape).copy()
            values[2, 2, 3] -= SHIFT
            key = {"case_id": case_id, "layer_id": layer_id, "shape": shape, "encoding": "zlib"}
            rows.append(key | {"data": zlib.compress(values.tobytes())})
    store(connection, "original_activations", rows)
