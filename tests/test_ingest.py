"""The ingest end to end: the bundled network on a part of the bundled sample, into a real database."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db import engine as engines
from db import schema
from db.read import batches
from ingest import attacks, pipeline, rows
from ingest.__main__ import retune
from ingest.batch import Batch, check_possible
from model import checkpoint
from model.cnn import predict

BATCH = Batch(dataset="cifar10-sample", cases=2, population=48, generations=2)
TRAIN, TEST = 400, 160


@pytest.fixture(scope="module")
def load(sample):
    """The bundled sample, cut to what a test can wait for."""
    parts = {"train": (sample.train, TRAIN), "test": (sample.test, TEST)}

    def cut(name, split):
        assert name == "cifar10-sample"
        part, size = parts[split]
        chosen = np.sort(np.random.default_rng(0).permutation(len(part))[:size])
        return replace(
            part, images=part.images[chosen], labels=part.labels[chosen], positions=part.positions[chosen]
        )

    return cut


@pytest.fixture(scope="module")
def database(load, tmp_path_factory):
    """A database after one batch; tests that write take a copy."""
    path = tmp_path_factory.mktemp("ingest") / "batch.db"
    engine = engines.create(path)
    report = pipeline.ingest(engine, BATCH, load=load)
    assert report.tuned
    assert report.added == {
        (partition, kind): 2 for partition in schema.PARTITIONS for kind in ("adversarial", "clean")
    }
    return engine


@pytest.fixture
def copy(database, tmp_path):
    """A copy of that database to write to."""
    target = tmp_path / "copy.db"
    with database.connect() as connection:
        connection.connection.dbapi_connection.execute("VACUUM INTO ?", (str(target),))
    return engines.create(target)


def all_rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def counts(engine):
    return {name: len(all_rows(engine, table)) for name, table in schema.metadata.tables.items()}


def found(engine):
    """What a batch came to, without ids, run ids and times."""
    query = (
        select(
            schema.cases.c.kind,
            schema.cases.c.partition,
            schema.samples.c.position,
            schema.cases.c.predicted_class,
            schema.images.c.sha256,
        )
        .join(schema.samples, schema.samples.c.id == schema.cases.c.sample_id)
        .join(schema.images, schema.images.c.id == schema.cases.c.image_id)
    )
    with engine.connect() as connection:
        return sorted(map(tuple, connection.execute(query)))


def test_the_same_batch_again_changes_nothing(copy, load):
    before = counts(copy)
    report = pipeline.ingest(copy, BATCH, load=load)
    assert report.added == {}
    assert report.missing == {}
    assert counts(copy) == before


def test_a_batch_that_was_stopped_goes_on_to_the_same_end(database, load, tmp_path, monkeypatch):
    engine = engines.create(tmp_path / "stopped.db")
    whole = attacks.attack_stream

    def stopped(*arguments, **options):
        for number, item in enumerate(whole(*arguments, **options)):
            if number == 1:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(attacks, "attack_stream", stopped)
    with pytest.raises(KeyboardInterrupt):
        pipeline.ingest(engine, BATCH, load=load)
    kept = counts(engine)
    assert kept["attacks"] > 0
    assert kept["cases"] == 0
    assert [run.status for run in all_rows(engine, schema.runs)] == ["done", "interrupted"]
    monkeypatch.setattr(attacks, "attack_stream", whole)
    pipeline.ingest(engine, BATCH, load=load)
    assert found(engine) == found(database)
    assert len({(row.sample_id, row.target_class) for row in all_rows(engine, schema.attacks)}) == len(
        all_rows(engine, schema.attacks)
    )


def test_tuning_after_a_stop_finds_the_neighbours_that_are_missing(copy, load, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.defense, "find_neighbors", stopped)
        with pytest.raises(KeyboardInterrupt):
            pipeline.ingest(copy, replace(BATCH, seed=1), load=load)
    retune(copy.url.render_as_string())
    assert capsys.readouterr().out == "tuned 1 of 1 networks\n"
    everyone = {case.id for case in all_rows(copy, schema.cases)}
    assert len(everyone) == 16
    assert {decision.case_id for decision in all_rows(copy, schema.decisions)} == everyone
    before = counts(copy)
    pipeline.ingest(copy, replace(BATCH, seed=1), load=load)
    assert counts(copy) == before


def test_an_image_that_is_skipped_hides_no_success_after_it(load, tmp_path, monkeypatch):
    whole = attacks.attack_stream

    def one_skipped(*arguments, **options):
        for number, (indices, result) in enumerate(whole(*arguments, **options)):
            if number == 0:
                skipped = np.full_like(result.generations, -1)
                result = result._replace(success=np.zeros_like(result.success), generations=skipped)
            yield indices, result

    monkeypatch.setattr(attacks, "attack_stream", one_skipped)
    engine = engines.create(tmp_path / "skipped.db")
    report = pipeline.ingest(engine, replace(BATCH, cases=1), load=load)
    assert report.missing == {}
    assert report.tuned


def test_another_budget_is_another_attack(copy, load):
    before = len(all_rows(copy, schema.attacks))
    other = replace(BATCH, population=72, generations=1)
    assert other.budget == BATCH.budget
    pipeline.ingest(copy, replace(other, cases=1), load=load)
    populations = [attack.population for attack in all_rows(copy, schema.attacks)]
    assert populations[:before] == [48] * before
    assert set(populations[before:]) == {72}


def test_another_seed_adds_cases_and_leaves_the_old_ones_alone(copy, load):
    old = all_rows(copy, schema.cases)
    report = pipeline.ingest(copy, replace(BATCH, seed=1, partitions=("validation",)), load=load)
    assert report.added == {("validation", "adversarial"): 2, ("validation", "clean"): 2}
    now = all_rows(copy, schema.cases)
    assert now[: len(old)] == old
    assert len({case.sample_id for case in now}) == len(now)
    references = [run for run in all_rows(copy, schema.runs) if run.stage == "reference"]
    assert len(references) == 1


def test_more_cases_of_the_same_batch_keep_the_first_ones(copy, load):
    old = all_rows(copy, schema.cases)
    report = pipeline.ingest(copy, replace(BATCH, cases=3), load=load)
    assert sum(report.added.values()) == 4
    assert all_rows(copy, schema.cases)[: len(old)] == old


def test_a_metric_can_be_added_to_cases_that_are_there(copy, load):
    before = counts(copy)
    pipeline.ingest(copy, replace(BATCH, metrics=("manhattan",)), load=load)
    after = counts(copy)
    assert after["cases"] == before["cases"]
    assert after["neighbors"] == 2 * before["neighbors"]
    assert after["decisions"] == 2 * before["decisions"]


def test_the_stored_picture_gives_the_stored_prediction_and_scores(database):
    network = checkpoint.load().network
    with database.connect() as connection:
        stored = connection.execute(
            select(schema.cases, schema.images.c.png, schema.images.c.sha256)
            .join(schema.images, schema.images.c.id == schema.cases.c.image_id)
            .order_by(schema.cases.c.id)
        ).all()
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(case.png))) for case in stored])
    logits = predict(network, pictures)
    assert logits.argmax(-1).tolist() == [case.predicted_class for case in stored]
    assert [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures] == [
        case.sha256 for case in stored
    ]
    scores = all_rows(database, schema.class_scores)
    np.testing.assert_allclose([row.logit for row in scores], logits.ravel(), atol=1e-4)
    np.testing.assert_allclose(
        [row.probability for row in scores], rows.probabilities(logits).ravel(), atol=1e-5
    )
    for case in stored:
        assert (case.kind == "adversarial") == (case.predicted_class != case.true_class)


def test_an_attacked_picture_differs_from_its_original_in_the_stored_pixel_alone(database, load):
    test = load("cifar10-sample", "test")
    with database.connect() as connection:
        stored = connection.execute(
            select(schema.attack_pixels, schema.samples.c.position, schema.images.c.png)
            .join(schema.cases, schema.cases.c.attack_id == schema.attack_pixels.c.attack_id)
            .join(schema.samples, schema.samples.c.id == schema.cases.c.sample_id)
            .join(schema.images, schema.images.c.id == schema.cases.c.image_id)
        ).all()
    assert len(stored) == 4
    for pixel in stored:
        original = test.images[test.positions.tolist().index(pixel.position)]
        attacked = np.asarray(Image.open(io.BytesIO(pixel.png)))
        assert np.argwhere((original != attacked).any(-1)).tolist() == [[pixel.row, pixel.column]]
        assert attacked[pixel.row, pixel.column].tolist() == [pixel.red, pixel.green, pixel.blue]
        before = [pixel.original_red, pixel.original_green, pixel.original_blue]
        assert original[pixel.row, pixel.column].tolist() == before


def test_stored_distances_follow_from_the_stored_activations(database):
    with database.connect() as connection:
        (network_id,) = batches.network_ids(connection)
        names = [row for row in batches.layer_rows(connection, network_id) if row.compared]
        for layer in names:
            own = [row for row in names[:-1] if layer.name in (row.name, "composed")]
            reference_ids = batches.reference_ids(connection, network_id).tolist()
            reference = np.concatenate(
                [
                    rows.activation_vectors(batches.reference_blobs(connection, network_id, part.id))
                    for part in own
                ],
                axis=1,
            )
            found_neighbors = connection.execute(
                select(schema.neighbors)
                .where(schema.neighbors.c.layer_id == layer.id, schema.neighbors.c.case_id == 1)
                .order_by(schema.neighbors.c.rank)
            ).all()
            case = np.concatenate(
                [rows.activation_vectors(batches.case_blobs(connection, [1], part.id)) for part in own],
                axis=1,
            )
            distances = np.sqrt(((case.astype(float) - reference) ** 2).sum(1))
            nearest = np.argsort(distances, kind="stable")[:50]
            assert [
                reference_ids.index(row.reference_sample_id) for row in found_neighbors
            ] == nearest.tolist()
            np.testing.assert_allclose(
                [row.distance for row in found_neighbors], distances[nearest], rtol=1e-5
            )


def test_decisions_follow_from_the_neighbours_labels(database):
    with database.connect() as connection:
        (network_id,) = batches.network_ids(connection)
        points = {
            row.layer_id: row
            for row in connection.execute(
                select(schema.operating_points).where(
                    schema.operating_points.c.how_chosen == "tuning",
                    schema.operating_points.c.partition == "tuning",
                    schema.operating_points.c.rule == "total",
                )
            )
        }
        for decision in connection.execute(
            select(schema.decisions).where(schema.decisions.c.rule == "total")
        ):
            votes = batches.case_votes(connection, network_id, decision.layer_id, "euclidean")
            place = votes.case_ids.index(decision.case_id)
            point = points[decision.layer_id]
            labels = votes.labels[place, : point.k].tolist()
            unexpected = sum(label != votes.predicted[place] for label in labels)
            assert (decision.k, decision.threshold, decision.unexpected_count) == (
                point.k,
                point.threshold,
                unexpected,
            )
            assert decision.alarm == (unexpected > point.threshold)
            assert (decision.outcome in ("TP", "FN")) == votes.adversarial[place]


def test_clean_cases_are_not_what_attacks_left_over(database):
    attacked = {row.sample_id for row in all_rows(database, schema.attacks)}
    clean = {case.sample_id for case in all_rows(database, schema.cases) if case.kind == "clean"}
    assert not attacked & clean


def test_targets_are_reached_or_the_attack_failed(load, tmp_path):
    engine = engines.create(tmp_path / "targeted.db")
    report = pipeline.ingest(engine, replace(BATCH, cases=1, targets="random", generations=1), load=load)
    tried = all_rows(engine, schema.attacks)
    assert all(attack.target_class is not None for attack in tried)
    assert all(attack.succeeded == (attack.predicted_class == attack.target_class) for attack in tried)
    targets = {attack.id: attack.target_class for attack in tried}
    hit = [case for case in all_rows(engine, schema.cases) if case.kind == "adversarial"]
    assert all(case.predicted_class == targets[case.attack_id] for case in hit)
    missing = {key: count for key, count in report.missing.items() if key[1] == "adversarial"}
    assert len(hit) + sum(missing.values()) == 2
    assert report.missing == missing


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"population": 3}, "--population 3"),
        ({"cases": 0}, "--cases 0"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**32}, "--seed 4294967296"),
        ({"generations": 2**30}, "queries an image"),
        ({"partitions": ("test",)}, "--partition test"),
        ({"metrics": ("hamming",)}, "--metric hamming"),
        ({"attack": "fgsm"}, "--attack fgsm"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_it_may_be(wrong, named):
    with pytest.raises(ValueError, match=named):
        replace(BATCH, **wrong)


def test_an_unknown_target_is_told_before_anything_is_written(load, tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(ValueError, match="--targets zebra: expected none, random or one of airplane"):
        pipeline.ingest(engines.create(path), replace(BATCH, targets="zebra"), load=load)
    assert not path.exists()


def test_more_cases_than_images_can_give_are_refused():
    with pytest.raises(ValueError, match="for 25 adversarial and 25 clean ones a partition"):
        check_possible(replace(BATCH, cases=26), 100)
    check_possible(replace(BATCH, cases=25), 100)
