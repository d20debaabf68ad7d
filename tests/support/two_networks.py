"""A second network beside the one of the synthetic database, on the same images: for pages that compare.

It is wrong on every fifth test image. It was swept for two of three images that were swept for the first
network, and one pixel fools it on half of these, at other positions.
"""

import numpy as np
from sqlalchemy import Engine, insert, select

from db import schema
from db.engine import writing
from db.scope import Scope

SECOND = Scope(2, 1)


def add_second(engine: Engine, *, transfers: bool = True) -> None:
    """Add it to a database filled by `database.fill`; transfers: it has answered the first one's attacks."""
    now = schema.now()
    with writing(engine) as connection:

        def store(table: str, rows: list[dict]) -> None:
            connection.execute(insert(schema.metadata.tables[table]), rows)

        network = {"id": 2, "name": "second", "sha256": "2" * 64, "created_at": now}
        store("networks", [network | {"description": {"parameters": 1234567, "multiply_adds": 89}}])
        store("network_datasets", [{**SECOND._asdict(), "test_accuracy": None, "created_at": now}])
        predictions = connection.execute(select(schema.predictions)).mappings().all()
        store(
            "predictions",
            [
                dict(row) | SECOND._asdict() | {"predicted_class": (row["label"] + (place % 5 == 4)) % 10}
                for place, row in enumerate(predictions)
            ],
        )
        maps = connection.execute(select(schema.vulnerability_maps).order_by(schema.vulnerability_maps.c.id))
        store("vulnerability_maps", [_swept(dict(row)) for row in maps.mappings() if row["sample_id"] % 3])
        succeeded = select(schema.attacks).where(schema.attacks.c.succeeded).order_by(schema.attacks.c.id)
        attacks = connection.execute(succeeded.limit(6)).mappings().all()
        copies = {row["id"]: row["id"] + 1000 for row in attacks}
        store("attacks", [dict(row) | {"id": copies[row["id"]], "network_id": 2} for row in attacks])
        pixels = connection.execute(
            select(schema.attack_pixels).where(schema.attack_pixels.c.attack_id.in_(copies))
        )
        store(
            "attack_pixels",
            [
                dict(row) | {"attack_id": copies[row["attack_id"]], "row": max(0, row["row"] - 1)}
                for row in pixels.mappings()
            ],
        )
        if transfers:
            cases = connection.execute(select(schema.cases).where(schema.cases.c.kind == "adversarial"))
            store("transfers", [_answered(dict(row)) for row in cases.mappings()])


def _swept(row: dict) -> dict:
    margins = np.frombuffer(row["margins"], "<f2").reshape(32, 32).copy()
    margins[margins > 0] = -1
    positions = 5 * (row["sample_id"] % 4 in (1, 2))
    margins[20, :positions] = 2
    facts = {"best_margin": float(margins.max()), "vulnerable_positions": positions}
    new = {"id": row["id"] + 1000, "network_id": 2, "margins": margins.tobytes()}
    return row | new | facts | {"reached_classes": int(positions > 0)}


def _answered(case: dict) -> dict:
    fooled = case["id"] % 3 == 0
    answer = case["predicted_class"] if fooled else case["true_class"]
    key = {"case_id": case["id"], "network_id": 2, "run_id": 1}
    return key | {"predicted_class": answer, "confidence": 0.9}
