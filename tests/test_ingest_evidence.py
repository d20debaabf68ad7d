"""Originals, added layers and evaluations in a real database, against what the network says directly."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select, text

from db import paper, schema, vocabulary
from db.commands import upkeep
from db.read.for_ingest import evaluated, stored_activations
from db.scope import Scope
from ingest import pipeline, rows
from ingest.stages.evaluation import evaluate_detectors
from ingest.stages.neighbors import find_neighbors
from model.data.png import decode_png
from model.network import checkpoint
from model.network.cnn import activate, predict
from tests.support import ingested_batch

BATCH = ingested_batch.BATCH
COMPARED = ("flatten", "dense", "logits")
SCOPE = Scope(1, 1)


@pytest.fixture(scope="module")
def ingested(ingested_small):
    """Of the small network, also for `copy`."""
    return ingested_small


@pytest.fixture(scope="module")
def network(small_weights):
    return checkpoint.load(small_weights).network


@pytest.fixture
def again(copy, load, small_weights):
    """Ingest into the copy once more, with a few changes."""

    def ingest(**changes):
        options = {"load": load, "weights": small_weights, "maps": False, "repairs": False}
        return pipeline.ingest(copy, replace(BATCH, **changes), **options)

    return ingest


def reference_images(engine) -> np.ndarray:
    query = (
        select(schema.images.c.png)
        .join(schema.samples, schema.samples.c.image_id == schema.images.c.id)
        .join(schema.reference_samples, schema.reference_samples.c.sample_id == schema.samples.c.id)
        .order_by(schema.reference_samples.c.id)
    )
    with engine.connect() as connection:
        return np.stack([decode_png(png) for png in connection.execute(query).scalars()])


def vectors(network, images: np.ndarray, layer: str) -> np.ndarray:
    """Activations (N, D) as they are stored."""
    parts = activate(network, images, (layer,), batch_size=64)
    whole = np.concatenate([part[layer] for part in parts]).reshape(len(images), -1)
    return whole.astype("<f2").astype(np.float64)


def original_images(engine) -> tuple[list[int], np.ndarray]:
    query = (
        select(schema.cases.c.id, schema.images.c.png)
        .join(schema.samples, schema.samples.c.id == schema.cases.c.sample_id)
        .join(schema.images, schema.images.c.id == schema.samples.c.image_id)
        .where(schema.cases.c.kind == "adversarial")
        .order_by(schema.cases.c.id)
    )
    with engine.connect() as connection:
        ids, files = zip(*connection.execute(query), strict=True)
    return list(ids), np.stack([decode_png(png) for png in files])


def stored(engine, table, layer: str, metric: str = "euclidean") -> dict[int, list]:
    """Case -> its (reference sample, distance) by rank."""
    query = (
        select(table.c.case_id, table.c.reference_sample_id, table.c.distance)
        .join(schema.layers, schema.layers.c.id == table.c.layer_id)
        .where(schema.layers.c.name == layer, table.c.metric == metric)
        .order_by(table.c.case_id, table.c.rank)
    )
    found: dict[int, list] = {}
    with engine.connect() as connection:
        for case_id, reference, distance in connection.execute(query):
            found.setdefault(case_id, []).append((reference, distance))
    return found


def test_the_original_of_an_attacked_case_is_its_image_before_the_attack(ingested, network):
    ids, images = original_images(ingested)
    logits = predict(network, images).astype(float)
    with ingested.connect() as connection:
        originals = evaluated.case_originals(connection, SCOPE)
        truth = dict(map(tuple, connection.execute(select(schema.cases.c.id, schema.cases.c.true_class))))
    assert originals.case_ids.tolist() == ids
    assert originals.predicted.tolist() == [truth[id_] for id_ in ids]  # only what was right was attacked
    np.testing.assert_allclose(originals.confidence, rows.probabilities(logits).max(1), atol=1e-4)
    ordered = np.sort(logits, axis=1)
    np.testing.assert_allclose(originals.margin, ordered[:, -1] - ordered[:, -2], atol=1e-3)


def test_conv_maps_of_originals_that_an_earlier_version_left_out_are_added(copy, again, network):
    query = (
        select(schema.original_activations.c.case_id, schema.original_activations.c.data)
        .join(schema.layers, schema.layers.c.id == schema.original_activations.c.layer_id)
        .where(schema.layers.c.name == "conv2")
        .order_by(schema.original_activations.c.case_id)
    )
    with copy.begin() as connection:
        before = connection.execute(query).all()
        conv = "(SELECT id FROM layers WHERE kind = 'conv')"
        connection.execute(text(f"DELETE FROM original_activations WHERE layer_id IN {conv}"))
        kept = connection.scalar(text("SELECT COUNT(*) FROM original_activations"))
    again()
    ids, images = original_images(copy)
    with copy.connect() as connection:
        assert connection.execute(query).all() == before
        assert connection.scalar(text("SELECT COUNT(*) FROM original_activations")) == kept + 2 * len(ids)
    assert [row.case_id for row in before] == ids
    drawn = rows.decode_activations([row.data for row in before], "zlib")
    np.testing.assert_allclose(drawn, vectors(network, images, "conv2"), atol=1e-2)
    assert upkeep.check(copy) == []


@pytest.mark.parametrize("layer", COMPARED)
def test_an_originals_neighbors_are_the_nearest_of_the_reference_set(ingested, network, layer):
    ids, images = original_images(ingested)
    distances = _distances(
        vectors(network, images, layer), vectors(network, reference_images(ingested), layer)
    )
    found = stored(ingested, schema.original_neighbors, layer)
    assert list(found) == ids
    for row, id_ in zip(distances, ids, strict=True):
        assert [reference for reference, _ in found[id_]][:1] == [int(row.argmin()) + 1]
        np.testing.assert_allclose([d for _, d in found[id_]], np.sort(row)[:50], rtol=2e-3, atol=2e-3)


def _distances(queries: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return np.sqrt(((queries[:, None] - reference[None]) ** 2).sum(2))


def test_every_detector_is_evaluated_and_none_twice(copy):
    query = "SELECT detector, COUNT(*) FROM detector_summary GROUP BY detector"
    with copy.connect() as connection:
        counts = dict(map(tuple, connection.execute(text(query))))
    knn = {
        f"{layer} euclidean {rule}"
        for layer in (*COMPARED, "composed", "composed-pooled")
        for rule in vocabulary.RULES
    }
    assert set(counts) == knn | {"repair", "confidence", "logit-margin"}
    assert counts["repair"] == 2  # partitions
    assert counts["dense euclidean total"] == 4  # two ways of choosing k: it is not the paper's network
    assert counts["dense euclidean max-class"] == 4
    before = _runs(copy)
    assert evaluate_detectors(copy, SCOPE, BATCH.metrics, vocabulary.RULES)
    assert _runs(copy) == before


def test_the_papers_network_is_evaluated_at_the_papers_k_too(copy, monkeypatch):
    monkeypatch.setattr(paper, "WIDTHS", {})  # this network counts as the paper's
    with copy.begin() as connection:
        connection.execute(text("DELETE FROM evaluations"))
    assert evaluate_detectors(copy, SCOPE, BATCH.metrics, vocabulary.RULES)
    query = "SELECT detector, k FROM detector_summary WHERE how_chosen = 'paper' AND \"partition\" = 'tuning'"
    with copy.connect() as connection:
        chosen = dict(map(tuple, connection.execute(text(query))))
    assert chosen == {f"{layer} euclidean total": k for layer, k in paper.K.items()}


def _runs(engine) -> list[tuple]:
    with engine.connect() as connection:
        return list(map(tuple, connection.execute(select(schema.runs.c.id, schema.runs.c.stage))))


def test_a_new_metric_evaluates_its_own_detectors_only(copy, again):
    again(metrics=("centered-cosine",))
    query = """SELECT DISTINCT runs.id, detectors.metric FROM evaluations
        JOIN detectors ON detectors.id = evaluations.detector_id JOIN runs ON runs.id = evaluations.run_id"""
    with copy.connect() as connection:
        by_run: dict = {}
        for run, metric in connection.execute(text(query)):
            by_run.setdefault(run, set()).add(metric)
    first, second = (by_run[run] for run in sorted(by_run))
    assert first == {None, "euclidean"}
    assert second == {"centered-cosine"}


def test_more_cases_keep_every_metric_and_evaluation_up_to_date(copy, again):
    again(metrics=("cosine",))
    again(cases=3)
    with copy.connect() as connection:
        cases = len(evaluated.evaluated_cases(connection, SCOPE).ids)
        counted = connection.execute(
            text(
                "SELECT DISTINCT metric, SUM(tp + fp + tn + fn) OVER (PARTITION BY detector, how_chosen) "
                "FROM detector_summary WHERE how_chosen = 'tuning'"
            )
        ).all()
    assert cases > 8
    assert {metric for metric, _ in counted} == {None, "euclidean", "cosine"}
    assert {count for metric, count in counted if metric} == {cases}


def test_the_baselines_curve_is_that_of_the_stored_confidences(ingested):
    query = """SELECT threshold, tp, fp FROM roc_curve
        WHERE detector = 'confidence' AND "partition" = 'validation' AND case_set = 'all'"""
    with ingested.connect() as connection:
        cases = connection.execute(
            select(schema.cases.c.kind, schema.cases.c.confidence).where(
                schema.cases.c.partition == "validation"
            )
        ).all()
        points = connection.execute(text(query)).all()
    doubt = {kind: np.array([1 - c for k, c in cases if k == kind]) for kind in vocabulary.KINDS}
    every = np.sort(np.concatenate(list(doubt.values())))
    expected = {
        ((doubt["adversarial"] > threshold).sum(), (doubt["clean"] > threshold).sum())
        for threshold in (-1, *every)
    }
    assert len(points) == 5  # four cases
    assert {(tp, fp) for _, tp, fp in points} == expected


def test_a_scaled_composed_layer_gives_each_part_the_same_weight(copy, again, network):
    again(layers=("composed-scaled",))
    with copy.connect() as connection:
        references = {
            name: rows.decode_activations(stored_activations.reference_blobs(connection, SCOPE, layer_id))
            for layer_id, name in connection.execute(select(schema.layers.c.id, schema.layers.c.name))
            if name in COMPARED
        }
    lengths = {name: np.sqrt((part.astype(float) ** 2).sum(1).mean()) for name, part in references.items()}
    ids, images = original_images(copy)
    queries = np.concatenate([vectors(network, images, name) / lengths[name] for name in COMPARED], axis=1)
    reference = np.concatenate([references[name] / lengths[name] for name in COMPARED], axis=1)
    found = stored(copy, schema.original_neighbors, "composed-scaled")
    assert list(found) == ids
    for row, id_ in zip(_distances(queries, reference), ids, strict=True):
        np.testing.assert_allclose([d for _, d in found[id_]], np.sort(row)[:50], rtol=1e-2)
    with copy.connect() as connection:
        names = set(connection.execute(select(schema.detectors.c.layer)).scalars())
    assert "composed-scaled" in names


def test_a_conv_layer_is_compared_on_request(copy, again, network, capsys):
    again(layers=("conv2",))
    ids, images = original_images(copy)
    distances = _distances(
        vectors(network, images, "conv2"), vectors(network, reference_images(copy), "conv2")
    )
    found = stored(copy, schema.original_neighbors, "conv2")
    assert list(found) == ids
    for row, id_ in zip(distances, ids, strict=True):
        np.testing.assert_allclose([d for _, d in found[id_]], np.sort(row)[:50], rtol=1e-2)
    assert len(stored(copy, schema.neighbors, "conv2")) == 8
    capsys.readouterr()
    find_neighbors(copy, SCOPE, ("cosine",))  # no network at hand
    assert "conv2 take the network" in capsys.readouterr().err
    assert stored(copy, schema.neighbors, "conv2", "cosine") == {}
    assert len(stored(copy, schema.neighbors, "dense", "cosine")) == 8


def test_an_unknown_layer_is_told_before_any_work(copy, again):
    before = _runs(copy)
    with pytest.raises(ValueError, match="--layer conv9: expected one of composed-scaled, conv1") as caught:
        again(layers=("conv9",))
    assert "\n" not in str(caught.value)
    assert _runs(copy) == before
