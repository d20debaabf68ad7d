"""How to find the run that wrote a row.

Most tables have a `run_id`; in rows from before version 0.5.0 it is NULL where it is unknown. Parts that are
only written with another row, in the same transaction, lead to that row (`WITH`). Tables whose rows belong to
no single run are in `APART`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, FromClause, Table, and_

from db import schema


class Whole(NamedTuple):
    """The row of another table that rows are parts of."""

    table: Table  # has a run_id
    key: Mapping[str, str]  # columns of the part -> columns of the whole that are equal
    fixed: Mapping[str, str] = {}  # further columns of the whole, with their values


def _by(part: str, whole: str | None = None) -> dict[str, str]:
    return dict(zip(part.split(), (whole or part).split(), strict=True))


WITH: Mapping[str, Whole] = {
    "attack_pixels": Whole(schema.attacks, _by("attack_id", "id")),
    "attack_images": Whole(schema.attacks, _by("attack_id", "id")),
    "class_scores": Whole(schema.cases, _by("case_id", "id")),
    "case_activations": Whole(schema.cases, _by("case_id", "id")),
    "reference_activations": Whole(schema.reference_samples, _by("reference_sample_id", "id")),
    "neighbors": Whole(schema.searches, _by("case_id layer_id metric"), {"searched": "case"}),
    "original_neighbors": Whole(schema.searches, _by("case_id layer_id metric"), {"searched": "original"}),
    "tuning_points": Whole(
        schema.operating_points, _by("layer_id dataset_id metric rule partition"), {"how_chosen": "tuning"}
    ),
    "detector_points": Whole(schema.detectors, _by("detector_id", "id")),
    "k_points": Whole(schema.detectors, _by("detector_id", "id")),
}

APART: Mapping[str, str] = {
    "runs": "the runs themselves",
    "batches": "what runs belong to",
    "database_identity": "made with the database",
    "chunks": "work of a run that nobody has done yet, and no result; gone when it is done",
    "datasets": "what is registered before there is a run, and shared by all of them",
    "classes": "registered with their data set",
    "networks": "registered as data sets are",
    "network_datasets": "registered when a network first meets a data set",
    "layers": "registered with their network",
    "images": "pixels by their digest, written by whoever needs one first; what refers to it has a run",
    "samples": "places in a data set, as images",
    "annotations": "written by people",
    "saved_views": "written by people",
    "case_facets": "made from cases, attacks and decisions, whenever these change",
    "facet_cells": "counts of them",
    "detector_decisions": "made from decisions and evaluations: decisions.run_id, detectors.run_id",
}


def written(table: Table) -> tuple[FromClause, ColumnElement[int]]:
    """The FROM clause for a table's rows with their run, and the column with the run's id.

    Rows that lead to no run are left out, or have NULL. Raises KeyError for a table in `APART`.
    """
    if "run_id" in table.c:
        return table, table.c.run_id
    whole = WITH[table.name]
    same = [table.c[part] == whole.table.c[of] for part, of in whole.key.items()]
    same += [whole.table.c[name] == value for name, value in whole.fixed.items()]
    return table.join(whole.table, and_(*same)), whole.table.c.run_id


def tables() -> list[Table]:
    """The tables whose rows lead to a run, by name."""
    return [table for name, table in sorted(schema.metadata.tables.items()) if name not in APART]
