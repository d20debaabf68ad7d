"""What pages, commands and the ingest ask of a database, each question by its name, and answers that compare.

Both databases hold the same rows, made by `database.fill` with per_group=4.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sqlalchemy import Engine, Table, select

import db.read
from db import saved_views, schema, vocabulary
from db.commands import sql, upkeep
from db.read import network_titles, runs
from db.read.case_list import options
from db.read.case_list import rows as listed
from db.read.detector_page import facts
from db.read.for_ingest import (
    batches,
    detectors,
    evaluated,
    images,
    kept,
    likeness,
    originals,
    stored_activations,
)
from tests.support.database import SCOPE

CASES = range(1, 17)
LAYERS = {5: "flatten", 6: "dense", 7: "logits", 8: "composed"}  # those that are compared
LISTS = (
    "",
    "?partition=all",
    "?partition=all&kind=adversarial&sort=-confidence,true",
    "?partition=all&outcome=FP&outcome=TP&detector=dense",
    "?partition=all&confidence=0.3..0.9&sort=-queries",
    "?partition=all&queries=..2000&alarms=none",
    "?partition=all&divergence=flatten&divergence=none",
    "?partition=all&detector=repair&sort=-unexpected,pixel",
    "?partition=all&detector=logit-margin&recovered=cat&unexpected=-5..",
    "?partition=all&tag=odd&tag=sky&view=gallery",
    "?partition=all&find=TWO lines&note=yes&verdict=unclear",
    "?partition=all&find=1, 3-9&sort=-pixel",
    "?sort=alarms,outcome,-case",
)
DETECTORS = (
    "",
    "?set=untargeted&partition=tuning&metric=any&reference=any&sort=paired",
    "?sort=-recovered&detector=dense+cosine+total&metric=cosine",
)


def case_lists(engine: Engine) -> Iterator:
    for search in LISTS:
        yield db.read.list_cases(engine, *db.read.case_query(engine, search))


def places_in_lists(engine: Engine) -> Iterator:
    for search in LISTS:
        for case in (1, 9, 16):
            yield db.read.neighbor_cases(engine, search, case)


def exported_lists(engine: Engine) -> Iterator:
    for search in LISTS[:4]:
        yield from db.read.export_cases(engine, *db.read.case_query(engine, search))


def lists_by_their_sql(engine: Engine) -> Iterator:
    for search in LISTS:
        answer = sql.run(engine, db.read.list_sql(engine, *db.read.case_query(engine, search)))
        yield answer.columns
        yield [known_types(row, schema.case_overview) for row in answer.rows]


def random_cases(engine: Engine) -> Iterator:
    for search in LISTS[2:5]:
        query, known = db.read.case_query(engine, search)
        among = {row.id for row in db.read.list_cases(engine, query, known).rows}
        chosen = db.read.random_case(engine, search)
        yield chosen in among if among else chosen


def overview(engine: Engine) -> Iterator:
    yield db.read.overview(engine)
    yield [db.read.case_exists(engine, case) for case in (1, 999)]
    yield [db.read.case_file_name(engine, case) for case in (*CASES, 999)]
    with engine.connect() as connection:
        yield options.case_options(connection, None, None)
        yield listed.listed_cases(connection, [9, 1, 3], "logits")


def cases(engine: Engine) -> Iterator:
    for case in CASES:
        detail = db.read.case_detail(engine, case)
        yield detail
        yield db.read.case_decisions(engine, case)
        yield db.read.case_activations(engine, case)
        yield db.read.score_decisions(engine, case)
        yield db.read.image_png(engine, detail.image.sha256)


def neighbors_of_cases(engine: Engine) -> Iterator:
    for case in CASES:
        metrics = db.read.case_metrics(engine, case)
        yield metrics
        for metric in metrics:
            for number, layer in LAYERS.items():
                yield db.read.case_neighbors(engine, case, layer, metric=metric)
                yield db.read.twin_neighbors(engine, case, number, metric=metric)


def maps_and_originals(engine: Engine) -> Iterator:
    for case in CASES:
        yield db.read.vulnerability_map(engine, case)
        yield db.read.repair_maps(engine, case)
        yield db.read.case_original(engine, case)
        yield db.read.original_activation(engine, case, "dense")


def pairs(engine: Engine) -> Iterator:
    yield db.read.reference_count(engine, SCOPE)
    yield list(db.read.reference_blocks(engine, SCOPE, 6))
    for reference in (1, 42, 4711):
        yield db.read.pair_sample(engine, SCOPE, reference)
        for layer in LAYERS:
            yield db.read.pair_parts(engine, 12, reference, layer)
            yield db.read.pair_places(engine, 12, reference, layer)


def what_if(engine: Engine) -> Iterator:
    kind = {"metric": "euclidean", "rule": "total"}
    yield db.read.tuned_rules(engine, SCOPE, "euclidean")
    for layer in LAYERS:
        tuned = db.read.tuned_point(engine, SCOPE, layer, **kind)
        yield tuned
        yield db.read.what_if_outcomes(engine, SCOPE, layer, tuned, 7, **kind)
        for rule in vocabulary.RULES:
            yield db.read.flips(engine, SCOPE, layer, 9, 3, **kind | {"rule": rule})


def evidence(engine: Engine) -> Iterator:
    for search in DETECTORS:
        query, known = db.read.evidence_query(engine, search)
        rows = db.read.evidence_summary(engine, query)
        yield query
        yield known
        yield rows
        yield db.read.evidence_summary(engine, query, "paper")
        yield db.read.evidence_curves(engine, query, rows)
        yield db.read.evidence_by_k(engine, query, "dense euclidean total")
        yield db.read.evidence_divergence(engine, query)


def facts_of_the_report(engine: Engine) -> Iterator:
    limits = {"activation": 0.05, "pixels": 3.0}
    for kind in facts.QUESTIONS:
        asked = limits if kind is facts.Duplicates else {}
        found = facts.facts(engine, kind, SCOPE, **asked)
        if kind is facts.RepairedPixel:  # from plain SQL, where SQLite has 1 and 0
            found = [
                row._replace(located=bool(row.located), recovered_right=bool(row.recovered_right))
                for row in found
            ]
        yield found


def annotations_and_saved_views(engine: Engine) -> Iterator:
    yield db.read.tag_counts(engine)
    yield saved_views.saved_views(engine)
    for case in CASES:
        yield db.read.case_annotations(engine, case)


def what_an_ingest_asks(engine: Engine) -> Iterator:
    with engine.connect() as connection:
        yield batches.layer_rows(connection, 1)
        yield [batches.stage_done(connection, SCOPE, stage) for stage in ("cases", "nothing")]
        yield batches.last_parameters(connection, SCOPE, "cases")
        yield batches.batch_runs(connection, 1)
        yield batches.attacked_positions(connection, [1])
        yield batches.attack_totals(connection, SCOPE)
        yield batches.mapped_positions(connection, SCOPE, "corners")
        yield batches.batch_counts(connection, [1])
        yield sorted(batches.used_positions(connection, SCOPE).items())
        yield batches.known_attacks(connection, SCOPE, {"method": "corner-sweep", "pixel_count": 1})
        yield batches.cases_without_neighbors(connection, SCOPE, 6, "cosine")
        yield stored_activations.blobs(connection, schema.case_activations, [3, 1], 6)
        yield stored_activations.reference_ids(connection, SCOPE)
        yield stored_activations.reference_blobs(connection, SCOPE, 7)
        yield batches.case_votes(connection, SCOPE, 6, "euclidean")
        yield batches.tuning_counts(connection, SCOPE)
        yield batches.class_count(connection, 1)
        yield network_titles.scopes(connection)
        yield batches.neighbor_counts(connection, SCOPE)
        yield originals.cases_without_original(connection, SCOPE, [6, 7])
        yield originals.originals_without_neighbors(connection, SCOPE, 6, "cosine")
        yield images.images_without_repair(connection, SCOPE)
        yield images.reference_image_ids(connection, SCOPE)
        yield likeness.reference_places(connection, SCOPE)
        yield likeness.near_duplicate_references(connection, SCOPE)
        yield likeness.hub_references(connection, SCOPE, 6, "euclidean")


def what_an_evaluation_asks(engine: Engine) -> Iterator:
    with engine.connect() as connection:
        yield evaluated.evaluated_cases(connection, SCOPE)
        yield evaluated.case_originals(connection, SCOPE)
        yield evaluated.case_repairs(connection, SCOPE)
        yield evaluated.attacked_case_positions(connection, SCOPE, "tuning")
        yield evaluated.reference_labels(connection, SCOPE)
        yield evaluated.neighbor_ids(connection, schema.neighbors, SCOPE, 6, "euclidean")
        yield evaluated.evaluated_detectors(connection, SCOPE)
        yield evaluated.references(connection, SCOPE)
        yield evaluated.deciding_detectors(connection, SCOPE)
        yield detectors.known_networks(connection)
        yield detectors.tuned_layers(connection, SCOPE, "euclidean", "total")
        yield detectors.tuned_scores(connection, SCOPE)
        yield detectors.tuned_detectors(connection, SCOPE, "euclidean", "total")
        yield kept.kept_votes(connection, SCOPE, 6, "euclidean", 5)
        places, following = kept.kept_samples(connection, 1)
        yield sorted(places.items()), following


def runs_and_what_came_of_them(engine: Engine) -> Iterator:
    with engine.connect() as connection:
        listed_runs = runs.list_runs(connection)
        yield listed_runs
        yield runs.list_runs(connection, stage="reference", limit=1)
        yield runs.stages(connection)
        yield runs.rows_written(connection, [run.id for run in listed_runs])
        for run in listed_runs:
            yield runs.find_run(connection, run.id)
            yield runs.attack_tallies(connection, run.id)
            yield runs.tuned_points(connection, run.id)
        yield runs.agreement(connection, 1, 3)


def care(engine: Engine) -> Iterator:
    yield upkeep.check(engine)
    info = upkeep.info(engine)
    yield info.revision
    yield info.rows
    yield info.networks
    yield info.cases


QUESTIONS: dict[str, Callable[[Engine], Iterator]] = {
    question.__name__.replace("_", " "): question
    for question in (
        case_lists,
        places_in_lists,
        exported_lists,
        lists_by_their_sql,
        random_cases,
        overview,
        cases,
        neighbors_of_cases,
        maps_and_originals,
        pairs,
        what_if,
        evidence,
        facts_of_the_report,
        annotations_and_saved_views,
        what_an_ingest_asks,
        what_an_evaluation_asks,
        runs_and_what_came_of_them,
        care,
    )
}


def rows(engine: Engine, table: Table) -> list[tuple]:
    """All rows of a table or view, in an order of ours: text is not sorted alike everywhere.

    Without the ids of cells, which a database gives in the order that it counts in.
    """
    columns = [column for column in table.c if (table.name, column.name) != ("facet_cells", "id")]
    with engine.connect() as connection:
        return sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)


def known_types(row: tuple, table) -> tuple:
    """A row of a view as SQL gives it, with truth values as such: SQLite has 1 and 0 instead."""
    return tuple(
        bool(value) if value is not None and column.type.python_type is bool else value
        for value, column in zip(row, table.c, strict=True)
    )


def plain(value: Any) -> Any:
    """What can be compared with ==, types included: a Decimal is no int, and True is not 1."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist()
    if isinstance(value, dict):
        return [(plain(key), plain(part)) for key, part in value.items()]
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(map(plain, value), key=repr)
    if dataclasses.is_dataclass(value):
        return type(value).__name__, plain(vars(value))
    if isinstance(value, list | tuple | Iterator):
        return type(value).__name__, [plain(part) for part in value]
    return type(value).__name__, value
