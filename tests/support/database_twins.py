"""The originals' part of the synthetic database, and one case with neighbors under a second metric."""

import numpy as np
from sqlalchemy import Connection, select

from db import schema
from tests.support.database_defense import LAYERS, store

SHIFT = 5  # ranks by which the attack moves every neighbor of the original farther
LOGITS = next(i for i, (name, *_) in enumerate(LAYERS, start=1) if name == "logits")
DENSE = next(i for i, (name, *_) in enumerate(LAYERS, start=1) if name == "dense")


def store_twins(connection: Connection, cases: list[dict]) -> None:
    """An original's neighbor of rank r is the attacked image's of rank r + SHIFT; its logits favor the
    true class. The first adversarial validation case has cosine neighbors in `dense`, without tuning.
    """
    neighbors = schema.neighbors.c
    attacked = [case["id"] for case in cases if case["kind"] == "adversarial"]
    found = connection.execute(
        select(schema.neighbors).where(neighbors.case_id.in_(attacked), neighbors.rank > SHIFT)
    ).mappings()
    store(connection, "original_neighbors", [{**row, "rank": row["rank"] - SHIFT} for row in found])
    logits = []
    for case in cases:
        if case["kind"] == "adversarial":
            values = np.zeros(10, "<f2")
            values[case["true_class"]] = 5
            key = {"case_id": case["id"], "layer_id": LOGITS, "shape": [10], "encoding": "raw"}
            logits.append(key | {"data": values.tobytes()})
    store(connection, "original_activations", logits)
    first = next(c["id"] for c in cases if c["kind"] == "adversarial" and c["partition"] == "validation")
    same = connection.execute(
        select(schema.neighbors).where(neighbors.case_id == first, neighbors.layer_id == DENSE)
    ).mappings()
    store(
        connection,
        "neighbors",
        [{**row, "metric": "cosine", "distance": row["distance"] / 100} for row in same],
    )
    for searched, table in (("case", schema.neighbors), ("original", schema.original_neighbors)):
        keys = connection.execute(select(table.c["case_id", "layer_id", "metric"]).distinct()).mappings()
        store(connection, "searches", [{**key, "searched": searched, "run_id": 1} for key in keys])
