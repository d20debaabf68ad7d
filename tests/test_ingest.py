"""The ingest end to end: a small network on a part of the bundled sample, into a real database."""

import hashlib
import io
import shutil
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db import engine as engines
from db import schema
from db.commands import upkeep
from db.read.for_ingest import batches, stored_activations
from db.read.network_titles import scopes
from ingest import pipeline, rows
from ingest.batch import check_possible
from ingest.command import retune
from ingest.stages import sweep
from model.attacks import one_pixel
from model.attacks.sweep import color_grid
from model.data.png import decode_png
from model.detectors.repair import neighbor_medians
from model.network import checkpoint
from model.network.cnn import predict
from tests.support import fresh_database, ingested_batch

BATCH = ingested_batch.BATCH
FEW = replace(BATCH, cases=1, population=16)


@pytest.fixture(scope="module")
def database(ingested_small):
    """A database after one batch; tests that write take a copy."""
    return ingested_small


@pytest.fixture
def copy(database, tmp_path):
    return engines.create(fresh_database.copy_file(database.url.database, tmp_path / "copy.db"))


@pytest.fixture
def new(migrated_file, tmp_path):
    """A database without a row."""
    return engines.create(shutil.copy(migrated_file, tmp_path / "new.db"))


@pytest.fixture(scope="module")
def options(load, small_weights):
    return {"load": load, "weights": small_weights}


def ingest(engine, batch, *, maps=False, **options):
    """Without maps and repairs, which take longest, unless they are what a test is about."""
    return pipeline.ingest(engine, batch, maps=maps, repairs=maps, **options)


def all_rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def evolved(engine):
    return [
        attack for attack in all_rows(engine, schema.attacks) if attack.method == "differential-evolution"
    ]


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


def test_the_same_batch_again_changes_nothing(copy, options):
    before = counts(copy)
    report = ingest(copy, BATCH, **options)
    assert report.added == {}
    assert report.missing == {}
    assert counts(copy) == before


def test_a_batch_that_was_stopped_goes_on_to_the_same_end(database, options, new, monkeypatch):
    engine = new
    whole = one_pixel.attack_stream

    def stopped(*arguments, **how):
        for number, item in enumerate(whole(*arguments, **how)):
            if number == 1:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(one_pixel, "attack_stream", stopped)
    with pytest.raises(KeyboardInterrupt):
        ingest(engine, BATCH, **options)
    kept = counts(engine)
    assert kept["attacks"] > 0
    assert kept["cases"] == 0
    assert [run.stage for run in all_rows(engine, schema.runs) if run.status == "interrupted"] == ["attack"]
    assert {run.status for run in all_rows(engine, schema.runs)} == {"done", "interrupted"}
    monkeypatch.setattr(one_pixel, "attack_stream", whole)
    ingest(engine, BATCH, **options)
    assert found(engine) == found(database)
    tried = [(row.sample_id, row.target_class) for row in all_rows(engine, schema.attacks)]
    assert len(set(tried)) == len(tried)


def test_tuning_after_a_stop_finds_the_neighbors_that_are_missing(copy, options, monkeypatch, capsys):
    def stopped(*_, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "find_neighbors", stopped)
        with pytest.raises(KeyboardInterrupt):
            ingest(copy, replace(BATCH, seed=1), **options)
    retune(copy.url.render_as_string())
    assert (
        capsys.readouterr().out
        == "tuned 1 of 1 networks on their data sets: small-cnn on cifar10-sample #1\n"
    )
    everyone = {case.id for case in all_rows(copy, schema.cases)}
    assert len(everyone) == 16
    assert {decision.case_id for decision in all_rows(copy, schema.decisions)} == everyone
    before = counts(copy)
    ingest(copy, replace(BATCH, seed=1), **options)
    assert counts(copy) == before


def test_an_image_that_is_skipped_hides_no_success_after_it(options, new, monkeypatch):
    whole = one_pixel.attack_stream

    waves = count()

    def one_skipped(*arguments, **how):
        first = next(waves) == 0
        for number, (indices, result) in enumerate(whole(*arguments, **how)):
            if first and number == 0:
                skipped = np.full_like(result.generations, -1)
                result = result._replace(success=np.zeros_like(result.success), generations=skipped)
            yield indices, result

    monkeypatch.setattr(one_pixel, "attack_stream", one_skipped)
    report = ingest(new, replace(BATCH, cases=1), **options)
    assert report.missing == {}
    assert report.tuned


@pytest.fixture(scope="module")
def full(options, migrated_file, tmp_path_factory):
    """The file of a database after a small batch of which every candidate took a full pass."""
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("full") / "full.db")
    engine = engines.create(path)
    ingest(engine, FEW, **options, maps=True, evaluation="full")
    engine.dispose()
    return path


def test_without_the_incremental_pass_cases_get_no_maps_and_repairs(full):
    engine = engines.create(full)
    assert all_rows(engine, schema.cases)
    assert all_rows(engine, schema.vulnerability_maps) == []
    assert all_rows(engine, schema.repairs) == []


def test_another_budget_is_another_attack(options, full, tmp_path):
    engine = engines.create(shutil.copy(full, tmp_path / "budgets.db"))
    before = len(evolved(engine))
    other = replace(FEW, population=48, generations=0)
    assert other.method.queries(other.parameters, 0) == FEW.method.queries(FEW.parameters, 0)
    ingest(engine, other, **options, evaluation="full")
    populations = [attack.population for attack in evolved(engine)]
    assert before
    assert populations[:before] == [16] * before
    assert set(populations[before:]) == {48}


def test_another_seed_adds_cases_and_leaves_the_old_ones_alone(copy, options):
    old = all_rows(copy, schema.cases)
    report = ingest(copy, replace(BATCH, seed=1, partitions=("validation",)), **options)
    assert report.added == {("validation", "adversarial"): 2, ("validation", "clean"): 2}
    now = all_rows(copy, schema.cases)
    assert now[: len(old)] == old
    assert len({case.sample_id for case in now}) == len(now)
    references = [run for run in all_rows(copy, schema.runs) if run.stage == "reference"]
    assert len(references) == 1


def test_more_cases_of_the_same_batch_keep_the_first_ones(copy, options):
    old = all_rows(copy, schema.cases)
    report = ingest(copy, replace(BATCH, cases=3), **options)
    assert sum(report.added.values()) == 4
    assert all_rows(copy, schema.cases)[: len(old)] == old


def test_a_metric_can_be_added_to_cases_that_are_there(copy, options):
    before = counts(copy)
    ingest(copy, replace(BATCH, metrics=("manhattan",)), **options)
    after = counts(copy)
    assert after["cases"] == before["cases"]
    assert after["neighbors"] == 2 * before["neighbors"]
    assert after["decisions"] == 2 * before["decisions"]


@pytest.fixture(scope="module")
def everything(options, migrated_file, tmp_path_factory):
    """A database with cases of every kind of attack: evolved, swept, screened, targeted, of three pixels."""
    engine = engines.create(shutil.copy(migrated_file, tmp_path_factory.mktemp("every") / "kind.db"))
    small = replace(BATCH, cases=1)
    ingest(engine, replace(small, attack="corner-sweep", cases=2), **options)
    for seed, (changes, how) in enumerate(
        (
            ({"attack": "corner-sweep", "targets": "all"}, {}),
            ({"screen": "undecided", "cases": 2}, {}),
            ({"screen": "reachable"}, {}),
            ({"pixels": 3, "strategy": "best/1", "start": "latin-hypercube", "crossover_rate": 0.9}, {}),
            ({"targets": "all"}, {"evaluation": "full"}),  # compiles sooner
        )
    ):
        ingest(engine, replace(small, seed=seed + 1, **changes), **options, **how)
    return engine


@pytest.mark.parametrize("which", ["ingested", "database", "everything"])
def test_the_stored_picture_gives_the_stored_prediction_and_scores(request, which, small_weights):
    database = request.getfixturevalue(which)
    network = checkpoint.load(checkpoint.BUNDLED if which == "ingested" else small_weights).network
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
        (scope,) = scopes(connection)
        names = [row for row in batches.layer_rows(connection, scope.network_id) if row.compared]
        for layer in names:
            own = [row for row in names[:-1] if layer.name in (row.name, "composed")]
            reference_ids = stored_activations.reference_ids(connection, scope).tolist()
            reference = np.concatenate(
                [
                    rows.decode_activations(stored_activations.reference_blobs(connection, scope, part.id))
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
                [
                    rows.decode_activations(
                        stored_activations.blobs(connection, schema.case_activations, [1], part.id)
                    )
                    for part in own
                ],
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


def test_decisions_follow_from_the_neighbors_labels(database):
    with database.connect() as connection:
        (scope,) = scopes(connection)
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
            votes = batches.case_votes(connection, scope, decision.layer_id, "euclidean")
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
    attacked = {row.sample_id for row in evolved(database)}
    clean = {case.sample_id for case in all_rows(database, schema.cases) if case.kind == "clean"}
    assert not attacked & clean


def test_targets_are_reached_or_the_attack_failed(options, new):
    engine = new
    batch = replace(BATCH, cases=1, targets="random", generations=1)
    report = ingest(engine, batch, **options, evaluation="full")
    tried = all_rows(engine, schema.attacks)
    assert all(attack.target_class is not None for attack in tried)
    assert all(attack.succeeded == (attack.predicted_class == attack.target_class) for attack in tried)
    targets = {attack.id: attack.target_class for attack in tried}
    hit = [case for case in all_rows(engine, schema.cases) if case.kind == "adversarial"]
    assert all(case.predicted_class == targets[case.attack_id] for case in hit)
    missing = {key: count for key, count in report.missing.items() if key[1] == "adversarial"}
    assert len(hit) + sum(missing.values()) == 2
    assert report.missing == missing


# ---- Sweeps --------------------------------------------------------------------------------------


def attacked(engine):
    """Every attack with its sample's position and label, as dicts."""
    query = select(schema.attacks, schema.samples.c.position, schema.samples.c.label).join(
        schema.samples, schema.samples.c.id == schema.attacks.c.sample_id
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def test_every_case_has_the_map_of_its_unattacked_image(database, load, small_weights):
    test, network = load("cifar10-sample", "test"), checkpoint.load(small_weights).network
    with database.connect() as connection:
        maps = connection.execute(
            select(schema.vulnerability_maps, schema.samples.c.position)
            .join(schema.samples, schema.samples.c.id == schema.vulnerability_maps.c.sample_id)
            .order_by(schema.samples.c.position)
        ).all()
    assert {row.sample_id for row in maps} == {case.sample_id for case in all_rows(database, schema.cases)}
    colors = color_grid()
    for row in maps:
        image = test.images[test.positions.tolist().index(row.position)]
        label = test.labels[test.positions.tolist().index(row.position)]
        margins = np.frombuffer(row.margins, "<f2").reshape(32, 32)
        classes = np.frombuffer(row.classes, "u1").reshape(32, 32)
        chosen = np.frombuffer(row.colors, "<u2").reshape(32, 32)
        places = [(0, 0), (31, 31), (17, 4), np.unravel_index(margins.argmax(), margins.shape)]
        painted = np.repeat(image[None], len(places), 0)
        for copy, place in zip(painted, places, strict=True):
            copy[place] = colors[chosen[place]]
        logits = predict(network, painted, batch_size=len(painted))
        others = logits.copy()
        others[:, label] = -np.inf
        assert others.argmax(1).tolist() == [classes[place] for place in places]
        np.testing.assert_allclose(
            [margins[place] for place in places], others.max(1) - logits[:, label], rtol=1e-3, atol=1e-3
        )
        assert (row.vulnerable_positions, row.queries) == ((margins > 0).sum(), 8192)
        assert row.best_margin == pytest.approx(margins.max(), rel=1e-3, abs=1e-3)


def test_a_sweep_is_an_attack_on_every_class_and_says_how_near_it_came(everything):
    swept = [row for row in attacked(everything) if row["method"] == "corner-sweep"]
    by_image = {}
    for row in swept:
        by_image.setdefault(row["position"], {})[row["target_class"]] = row
    for rows_ in by_image.values():
        label = rows_[None]["label"]
        assert rows_.keys() == {None} | set(range(10)) - {label}
        assert rows_[None]["succeeded"] == any(row["succeeded"] for row in rows_.values())
        assert all(row["queries"] == row["budget"] == 8192 for row in rows_.values())
        assert all(row["succeeded"] == (row["margin"] > 0) for row in rows_.values())
        assert rows_[None]["variant"] == "corners"
    assert 0 < sum(rows_[None]["succeeded"] for rows_ in by_image.values()) < len(by_image)


def test_the_margin_of_an_attack_is_above_zero_where_it_succeeded(everything):
    for row in attacked(everything):
        assert row["succeeded"] == (row["margin"] > 0)


def test_evolution_gets_only_what_the_screen_left_over_and_the_row_says_so(everything):
    rows_ = attacked(everything)
    reachable = {
        (row["position"], row["target_class"])
        for row in rows_
        if row["method"] == "corner-sweep" and row["succeeded"]
    }
    swept = {(row["position"], row["target_class"]) for row in rows_ if row["method"] == "corner-sweep"}
    for screen in ("undecided", "reachable"):
        screened = {(row["position"], row["target_class"]) for row in rows_ if row["screened"] == screen}
        assert screened <= swept
        assert screened, screen
        assert (screened <= reachable) if screen == "reachable" else not (screened & reachable)


def test_a_screened_case_says_by_which_method_it_was_found(everything):
    with everything.connect() as connection:
        found = connection.execute(
            select(schema.runs.c.parameters, schema.attacks.c.method, schema.attacks.c.screened)
            .join(schema.cases, schema.cases.c.run_id == schema.runs.c.id)
            .join(schema.attacks, schema.attacks.c.id == schema.cases.c.attack_id)
        ).all()
    methods = {(p["attack"], p["screen"], p["targets"]): set() for p, _, _ in found}
    for parameters, method, screened in found:
        methods[parameters["attack"], parameters["screen"], parameters["targets"]].add((method, screened))
    assert methods["corner-sweep", None, "none"] == {("corner-sweep", None)}
    assert methods["corner-sweep", None, "all"] == {("corner-sweep", None)}
    assert methods["differential-evolution", "reachable", "none"] == {("differential-evolution", "reachable")}
    # What the sweep reaches at once is a case of the sweep; evolution would find those it left undecided.
    assert ("corner-sweep", None) in methods["differential-evolution", "undecided", "none"]


def test_with_all_targets_every_wrong_class_is_tried(everything):
    rows_ = [
        row
        for row in attacked(everything)
        if row["method"] == "differential-evolution" and row["target_class"] is not None
    ]
    by_image = {}
    for row in rows_:
        by_image.setdefault(row["position"], []).append(row["target_class"])
    assert by_image
    complete = [sorted(targets) for targets in by_image.values() if len(targets) == 9]
    assert complete, "but for the last images, whose attacks were stopped when there were cases enough"
    assert all(len(set(targets)) == len(targets) for targets in by_image.values())


def test_the_database_of_every_kind_is_sound(everything):
    assert upkeep.check(everything) == []


def test_the_images_of_every_case_are_repaired_pixel_by_pixel(database, small_weights):
    network = checkpoint.load(small_weights).network
    with database.connect() as connection:
        stored = connection.execute(
            select(schema.repairs, schema.images.c.png).join(
                schema.images, schema.images.c.id == schema.repairs.c.image_id
            )
        ).all()
        samples = connection.execute(
            select(schema.samples.c.image_id).join(
                schema.cases, schema.cases.c.sample_id == schema.samples.c.id
            )
        ).scalars()
        wanted = {case.image_id for case in all_rows(database, schema.cases)} | set(samples)
        located = connection.execute(
            select(schema.case_repairs.c.case_id).where(schema.case_repairs.c.located)
        ).all()
    assert {row.image_id for row in stored} == wanted
    assert len(wanted) > len(all_rows(database, schema.cases))  # originals, too
    assert located
    for row in stored:
        image = decode_png(row.png)
        margins = np.frombuffer(row.margins, "<f2").reshape(32, 32)
        classes = np.frombuffer(row.classes, "u1").reshape(32, 32)
        places = [(0, 0), (31, 31), (17, 4), (row.row, row.column)]
        copies = np.repeat(image[None], len(places) + 1, 0)
        for copy, place in zip(copies, places, strict=False):
            copy[place] = neighbor_medians(image[None])[0][place]
        logits = predict(network, copies, batch_size=len(copies))
        assert logits[-1].argmax() == row.predicted_class
        others = np.delete(logits[:-1], row.predicted_class, axis=1).max(1)
        expected = others - logits[:-1, row.predicted_class]
        np.testing.assert_allclose([margins[place] for place in places], expected, rtol=1e-3, atol=1e-3)
        assert row.score == pytest.approx(expected[-1], abs=1e-4)
        assert row.score == pytest.approx(margins.max(), rel=1e-3, abs=1e-3)
        assert classes[row.row, row.column] == row.recovered_class


def test_all_test_images_are_swept_once_and_a_stopped_sweep_goes_on(
    load, small_weights, new, monkeypatch, capsys
):
    def few(name, split):
        part = load(name, split)
        return replace(part, images=part.images[:40], labels=part.labels[:40], positions=part.positions[:40])

    engine = new
    batch = replace(BATCH, attack="corner-sweep")
    whole = sweep.sweep_stream

    def stopped(*arguments, **options):
        for number, item in enumerate(whole(*arguments, **options | {"together": 4})):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(sweep, "sweep_stream", stopped)
    with pytest.raises(KeyboardInterrupt):
        pipeline.attack_all(engine, batch, load=few, weights=small_weights)
    assert len(all_rows(engine, schema.vulnerability_maps)) == 8
    asked = []
    capsys.readouterr()

    def counting(function, images, *arguments, **options):
        asked.append(len(images))
        return whole(function, images, *arguments, **options | {"together": 4})

    monkeypatch.setattr(sweep, "sweep_stream", counting)
    task = pipeline.attack_all(engine, batch, load=few, weights=small_weights)
    network = checkpoint.load(small_weights).network
    correct = (predict(network, task.test.images).argmax(-1) == task.test.labels).sum()
    assert asked == [correct - 8]
    assert f"attacks: {correct}/{correct} images" in capsys.readouterr().err
    assert len(all_rows(engine, schema.vulnerability_maps)) == correct
    assert len(all_rows(engine, schema.attacks)) == 10 * correct
    assert all_rows(engine, schema.cases) == []
    with engine.connect() as connection:
        targeted, untargeted = batches.attack_totals(connection, task.scope)[::-1]
    assert (untargeted.attacks, targeted.attacks) == (correct, 9 * correct)
    assert untargeted.images_fallen == untargeted.successes == targeted.images_fallen
    pipeline.attack_all(engine, batch, load=few, weights=small_weights)
    assert asked == [correct - 8]


def test_images_swept_before_are_not_swept_again_for_a_batch(everything, options, monkeypatch):
    before = len(all_rows(everything, schema.vulnerability_maps))
    monkeypatch.setattr(sweep, "sweep_stream", None)
    batch = replace(BATCH, attack="corner-sweep", cases=2)
    report = ingest(everything, batch, **options)
    assert report.added == {}
    assert len(all_rows(everything, schema.vulnerability_maps)) == before


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
        ({"strategy": "best/2"}, "--strategy best/2: expected one of rand/1, best/1"),
        ({"start": "corners"}, "--start corners: expected one of uniform"),
        ({"weight": (1.0, 0.5)}, "--weight 1 0.5: expected two numbers, 0 <= LOW <= HIGH"),
        ({"crossover_rate": 1.5}, r"--crossover-rate 1.5: expected a number in \[0, 1\]"),
        ({"levels": 1}, "--levels 1: expected 2..16"),
        ({"screen": "all"}, "--screen all: expected one of reachable, undecided"),
        ({"screen": "undecided", "attack": "corner-sweep"}, "--screen undecided: a sweep before a sweep"),
        ({"pixels": 3, "attack": "corner-sweep"}, "--pixels 3: a sweep changes one pixel"),
        ({"pixels": 3, "screen": "reachable"}, "--pixels 3: a sweep changes one pixel"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_it_may_be(wrong, named):
    with pytest.raises(ValueError, match=named):
        replace(BATCH, **wrong)


def test_an_unknown_target_is_told_before_anything_is_written(options, tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(ValueError, match="--targets zebra: expected none, random, all or one of airplane"):
        ingest(engines.create(path), replace(BATCH, targets="zebra"), **options)
    assert not path.exists()


def test_more_cases_than_images_can_give_are_refused():
    with pytest.raises(ValueError, match="for 25 adversarial and 25 clean ones a partition"):
        check_possible(replace(BATCH, cases=26), 100)
    check_possible(replace(BATCH, cases=25), 100)
