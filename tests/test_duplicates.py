"""Near-duplicates against measuring every pair in float64, and what a distinct reference set leaves out."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import delete, func, insert, select, update

from db import schema
from db.engine import writing
from db.read.for_ingest import batches, likeness, stored_activations
from db.scope import Scope
from ingest import record
from ingest.stages import duplicates, reference
from ingest.task import Task
from ingest.workers.local import Alone
from model.data.dataset import Dataset
from model.detectors import duplicates as search
from model.detectors.duplicates import alike, close_pairs, close_pictures, cosine_distances, pixel_distances
from model.network.checkpoint import BUNDLED, Checkpoint
from model.network.cnn import activate, predict
from tests.support import database
from tests.support.networks import TINY, random_network

RANDOM = np.random.default_rng(5)


def cosines(first, second):
    first, second = (part.astype(float) for part in (first, second))
    norms = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)[None]
    return 1 - first @ second.T / norms


def pixels(first, second):
    differences = first[:, None].astype(float) - second[None]
    return np.sqrt((differences**2).mean((2, 3, 4)))


def pairs_in(table, most, *, alone=False):
    first, second = np.nonzero((np.triu(np.ones(table.shape), 1) > 0 if alone else True) & (table <= most))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def listed(found):
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def vectors(count, width):
    """Like activations: none negative, of few dimensions that matter, some close to others."""
    few = RANDOM.normal(size=(count, 6)) @ RANDOM.normal(size=(6, width))
    return np.maximum(few + RANDOM.normal(0, 0.3, few.shape), 0).astype(np.float32)


def pictures(count, shape=(9, 11, 3)):
    """Random images, and further ones that are those again, a little brighter or noisier."""
    plain = RANDOM.integers(8, 240, (count, *shape), np.uint8)
    again = plain[: count // 2] + RANDOM.integers(0, 8, (count // 2, *shape)).astype(np.uint8)
    return np.concatenate([plain, again])[RANDOM.permutation(count + count // 2)]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(search, "BLOCK_BYTES", 2**16)


@pytest.mark.parametrize("width", [5, 200])
@pytest.mark.parametrize("most", [0.0, 0.02, 0.3])
def test_pairs_close_to_the_network_are_those_of_every_pair_measured(width, most, small_blocks):
    ours, others = vectors(130, width), vectors(170, width)
    ours, others = (part[part.any(1)] for part in (ours, others))
    others[17], others[40] = 3 * ours[5], others[2]
    table = cosines(ours, others)
    found = close_pairs(ours, others, most)
    assert {(5, 17)} <= set(listed(found)) or most == 0.0  # 3 x is at a rounding's distance of x
    if most:
        assert listed(found) == pairs_in(table, most)
        np.testing.assert_allclose(found.distances, table[found.first, found.second], atol=1e-12)
        assert listed(close_pairs(others, None, most)) == pairs_in(cosines(others, others), most, alone=True)
    assert (2, 40) in listed(close_pairs(others, None, most))


def test_zero_vectors_are_like_each_other_and_like_nothing_else():
    some = np.array([[0, 0], [1, 2], [0, 0], [-1, -2]], np.float32)
    assert listed(close_pairs(some, None, 0.5)) == [(0, 2)]
    found = close_pairs(some, None, 1.0)
    assert listed(found) == [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]
    np.testing.assert_allclose(found.distances, [1, 0, 1, 1, 1])
    np.testing.assert_allclose(cosine_distances(some[1:2], some[3:4]), [2])


@pytest.mark.parametrize("shape", [(9, 11, 3), (32, 32, 3), (3, 2, 1)])
def test_pairs_close_in_pixels_are_those_of_every_pair_measured(shape, small_blocks):
    ours, others = pictures(16, shape), pictures(24, shape)
    others[:10] = ours[:10]
    for most in (0.0, 4.1, 60.0):
        table = pixels(ours, others)
        found = close_pictures(ours, others, most)
        assert listed(found) == pairs_in(table, most)
        assert len(found.first) >= 10
        np.testing.assert_allclose(found.distances, table[found.first, found.second])
        assert listed(close_pictures(others, None, most)) == pairs_in(
            pixels(others, others), most, alone=True
        )


def test_a_pair_at_the_very_distance_counts_though_its_thumbnails_are_no_nearer():
    image = RANDOM.integers(0, 240, (1, 32, 32, 3), np.uint8)
    brighter, reddest = image + np.uint8(7), image.copy()
    reddest[0, 1, 2, 0] += 15
    np.testing.assert_allclose(pixel_distances(image, reddest), [15 / np.sqrt(3072)])
    assert pixel_distances(image, brighter).tolist() == [7.0]
    assert listed(close_pictures(image, brighter, 7.0)) == [(0, 0)]
    assert listed(close_pictures(image, brighter, 6.99)) == []


def test_alike_are_pairs_close_in_either_way_with_both_distances():
    images, features = pictures(60), vectors(90, 12)
    ticks = []
    found = alike(features, None, images, None, activation=0.02, pixels=6.0, tick=ticks.append)
    near, alike_pixels = cosines(features, features), pixels(images, images)
    wanted = set(pairs_in(near, 0.02, alone=True)) | set(pairs_in(alike_pixels, 6.0, alone=True))
    assert listed(found) == sorted(wanted)
    np.testing.assert_allclose(found.activation, near[found.first, found.second], atol=1e-12)
    np.testing.assert_allclose(found.pixels, alike_pixels[found.first, found.second])
    assert (found.activation > 0.02).any()
    assert (found.pixels > 6.0).any()
    assert ticks == sorted(ticks)
    assert ticks[-1] == 2 * len(images)


FEATURES, IMAGES = vectors(4, 3), pictures(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: close_pairs(FEATURES, FEATURES[:, :2], 0.1), "one shape"),
        (lambda: close_pairs(FEATURES * np.nan, None, 0.1), "finite"),
        (lambda: close_pairs(FEATURES[0], None, 0.1), r"\(N, D\)"),
        (lambda: close_pairs(FEATURES, FEATURES[:0], 0.1), "others"),
        (lambda: close_pairs(FEATURES, None, -0.1), "most"),
        (lambda: close_pictures(IMAGES, None, float("nan")), "most"),
        (lambda: close_pictures(IMAGES.astype(float), None, 1), "uint8"),
        (lambda: alike(FEATURES, None, IMAGES[:3], None, activation=0, pixels=0), "4 for 3"),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


# ---- The stage -----------------------------------------------------------------------------------

NETWORK = random_network(TINY, np.random.default_rng(2))


def part(split, count, wrong):
    """Images of one split, as the network sees them but for `wrong`, with gaps between the positions."""
    images = pictures(count, (7, 6, 3))
    labels = predict(NETWORK, images).argmax(-1).astype(np.int32)
    labels[:wrong] = (labels[:wrong] + 1) % 4
    positions = 3 * np.arange(len(images), dtype=np.int32) + 1
    return Dataset("drawn", split, images, labels, positions, ("a", "b", "c", "d"), "drawn by a test")


@pytest.fixture(scope="module")
def training():
    return part("train", 60, wrong=7)


@pytest.fixture
def task(fresh, training):
    engine = fresh()
    test = part("test", 20, wrong=3)
    test.images[4] = training.images[30]
    loaded = Checkpoint(NETWORK, "0" * 64, {"test_accuracy": 0.9})
    with writing(engine) as connection:
        dataset_id = record.register_dataset(connection, test)
        scope = record.register_network(connection, loaded, dataset_id)
    return Task(
        engine,
        *scope,
        loaded,
        test,
        lambda: training,
        Alone(),
        BUNDLED,
        evaluation="incremental",
    )


def stored(task):
    """The pairs as (first split, position, other's position) -> distances."""
    one, other, table = schema.samples.alias(), schema.samples.alias(), schema.near_duplicate_pairs
    query = (
        select(
            one.c.split,
            one.c.position,
            other.c.split,
            other.c.position,
            table.c.activation_distance,
            table.c.pixel_distance,
        )
        .join(one, one.c.id == table.c.sample_id)
        .join(other, other.c.id == table.c.other_sample_id)
    )
    with task.engine.connect() as connection:
        found = connection.execute(query).all()
    assert {row[2] for row in found} <= {"train"}
    return {(row[0], row[1], row[3]): tuple(row[4:]) for row in found}


def test_the_stage_writes_the_pairs_of_test_and_reference_images_once(task, training, monkeypatch):
    monkeypatch.setattr(duplicates, "ACTIVATION", 0.01)
    monkeypatch.setattr(duplicates, "PIXELS", 6.0)
    monkeypatch.setattr(duplicates, "WRITTEN_TOGETHER", 7)
    assert duplicates.find_duplicates(task, training) == 0  # it waits for the reference set
    reference.build_reference(task)
    made = duplicates.find_duplicates(task, training)
    seen = np.arange(7, len(training))  # the network errs on the first ones
    features = [
        np.concatenate([out["dense"] for out in activate(NETWORK, each.images, ("dense",))]).astype("<f2")
        for each in (task.test, training)
    ]
    wanted = {}
    for split, images, here, places in (
        ("test", task.test.images, features[0], task.test.positions),
        ("train", training.images[seen], features[1][seen], training.positions[seen]),
    ):
        near, close = cosines(here, features[1][seen]), pixels(images, training.images[seen])
        alone = split == "train"
        for i, j in set(pairs_in(near, 0.01, alone=alone)) | set(pairs_in(close, 6.0, alone=alone)):
            wanted[split, places[i], training.positions[seen][j]] = (near[i, j], close[i, j])
    found = stored(task)
    assert found.keys() == wanted.keys()
    assert made == len(found)
    assert found["test", task.test.positions[4], training.positions[30]] == (0.0, 0.0)
    assert {split for split, *_ in found} == {"test", "train"}
    for pair, distances in found.items():
        assert distances == pytest.approx(wanted[pair], abs=1e-9)
    assert duplicates.find_duplicates(task, training) == 0
    assert stored(task) == found


def test_other_training_images_than_the_reference_sets_are_refused(task, training):
    reference.build_reference(task)
    fewer = replace(
        training, images=training.images[:50], labels=training.labels[:50], positions=training.positions[:50]
    )
    with pytest.raises(ValueError, match="40 of 83 images of the reference set") as error:
        duplicates.find_duplicates(task, fewer)
    assert "\n" not in str(error.value)
    with task.engine.connect() as connection:
        assert not batches.stage_done(connection, task.scope, duplicates.STAGE)


def test_repeated_references_are_left_out_by_either_distance(task, training):
    reference.build_reference(task)
    with writing(task.engine) as connection:
        (test_id,) = task.write_samples(connection, [0])
        samples = [sample_id for sample_id, _ in likeness.reference_places(connection, task.scope)][:5]
        references = stored_activations.reference_ids(connection, task.scope)[:5].tolist()
        pairs = [
            (test_id, samples[0], 0.02, 90.0),
            (test_id, samples[1], 0.5, 15.0),
            (samples[2], samples[3], 0.04, 90.0),
            (samples[3], samples[4], 0.05, 19.0),
        ]
        names = ("sample_id", "other_sample_id", "activation_distance", "pixel_distance")
        connection.execute(
            insert(schema.near_duplicate_pairs),
            [{**task.scope._asdict(), **dict(zip(names, pair, strict=True))} for pair in pairs],
        )

        def left_out(*limits):
            found = likeness.near_duplicate_references(connection, task.scope, *limits)
            return [place for place, reference in enumerate(references) if reference in found]

        assert left_out(0.04, 0.0) == [0, 3]
        assert left_out(0.0, 15.0) == [1]
        assert left_out(0.05, 15.0) == [0, 1, 3, 4]
        assert left_out() == [0, 1, 3]
        for other in (
            Scope(task.network_id + 1, task.dataset_id),
            Scope(task.network_id, task.dataset_id + 1),
        ):
            assert likeness.near_duplicate_references(connection, other, 2.0, 255.0) == set()


def test_hubs_are_far_above_all_references_those_that_are_never_near_included(fresh):
    engine = fresh()
    database.fill(engine, per_group=4, references=200, evidence=False)
    table = schema.neighbors
    with writing(engine) as connection:
        metric, layer = connection.execute(select(table.c.metric, table.c.layer_id).limit(1)).one()
        here = (table.c.metric == metric, table.c.layer_id == layer)
        connection.execute(delete(table).where(*here, table.c.reference_sample_id > 60))
        last = select(func.max(table.c.rank)).where(*here).scalar_subquery()
        connection.execute(update(table).where(*here, table.c.rank == last).values(reference_sample_id=3))
        ids = connection.execute(select(table.c.reference_sample_id).where(*here)).scalars().all()
        counts = np.bincount(ids, minlength=201)[1:]
        hubs, without_zeros = (
            set((np.flatnonzero(counts > some.mean() + 3 * some.std()) + 1).tolist())
            for some in (counts, counts[counts > 0])
        )
        assert hubs != without_zeros  # so that the difference shows
        assert likeness.hub_references(connection, Scope(1, 1), layer, metric) == hubs
        assert likeness.hub_references(connection, Scope(1, 1), layer, "manhattan") == set()


def test_what_is_all_different_makes_no_pair():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    found = alike(np.eye(3), None, pictures, None, activation=0.1, pixels=1)
    assert [len(field) for field in found] == [0, 0, 0, 0]
