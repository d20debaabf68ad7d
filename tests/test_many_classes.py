"""Networks of more classes than a byte can tell: attacks, sweeps, repairs, votes, and rows of them."""

from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sqlalchemy import insert

import db.read
from db import schema
from ingest.batch import Batch
from ingest.record import maps
from ingest.stages import candidates
from ingest.stages import sweep as sweep_stage
from ingest.study import Plan
from model.attacks import sweep
from model.attacks.loop import AttackResult
from model.attacks.one_pixel import one_pixel_attack
from model.attacks.step import as_function
from model.data.dataset import Dataset
from model.detectors import repair, votes
from model.detectors.repair_screen import screened_stream
from tests.support import small_database

CLASSES, USUAL, OTHER = 300, 256, 299  # 256 and 299 would wrap to 0 and 43


def logits(images):
    """Class 256, unless some pixel is bright: then class 299."""
    bright = images.max(axis=(1, 2, 3)) > jnp.float32(0.5)
    classes = jnp.arange(CLASSES, dtype=jnp.int32)[None, :]
    chosen = jnp.where(bright, OTHER, USUAL).astype(jnp.int32)[:, None]
    # the one that is not chosen comes second, so that it is the one to be named
    second = (jnp.int32(OTHER + USUAL) - chosen)[:, 0][:, None]
    return jnp.where(classes == chosen, 2.0, jnp.where(classes == second, 1.0, 0.0)).astype(jnp.float32)


@pytest.fixture(scope="module")
def pictures():
    dark, spotted = np.zeros((2, 4, 4, 3), np.uint8)
    spotted[1, 2] = 255
    return np.stack([dark, spotted])


def test_a_sweep_names_classes_above_255(pictures):
    found = sweep.corner_sweep(logits, pictures[:1], np.array([USUAL]))
    assert found.classes.max() == found.classes.min() == OTHER


def test_a_repair_names_classes_above_255(pictures):
    for found in (
        repair.repair_sweep(logits, pictures),
        next(screened_stream(as_function(logits), pictures))[1],
    ):
        assert found.predicted.tolist() == [USUAL, OTHER]
        assert found.recovered.tolist() == [OTHER, USUAL]


def test_maps_come_out_of_the_database_as_they_went_in(fresh, pictures):
    swept = sweep.corner_sweep(logits, pictures[:1], np.array([USUAL]))
    repaired = repair.repair_sweep(logits, pictures)
    key = {"run_id": 1, "network_id": 1}
    both = key | {"dataset_id": 1}
    map_rows = maps.make_map_rows(
        swept, np.array([USUAL]), [key | {"sample_id": 4, "variant": "corners", "queries": 1, "seconds": 0.5}]
    )
    repairs = maps.make_repair_rows(repaired, [both | {"image_id": 4}, both | {"image_id": 5}])
    database = fresh()
    with database.begin() as connection:
        small_database.fill(connection)
        connection.exec_driver_sql("UPDATE images SET height = 4, width = 4")
        connection.exec_driver_sql("DELETE FROM repairs")
        connection.execute(insert(schema.vulnerability_maps), [map_rows[0] | {"id": 9}])
        connection.execute(insert(schema.repairs), repairs)
    found = db.read.vulnerability_map(database, 4)
    np.testing.assert_array_equal(found.classes, swept.classes[0])
    np.testing.assert_array_equal(db.read.repair_maps(database, 4).image.classes, repaired.classes[0])


@pytest.mark.parametrize("largest", [255, 256, 65_535])
def test_a_class_has_a_byte_where_all_fit_and_else_two(largest):
    classes = np.array([[0, 7], [largest, 1]], np.int32)
    packed = maps.pack_classes(classes)
    assert len(packed) == (4 if largest == 255 else 8)
    assert np.frombuffer(packed, "u1" if largest == 255 else "<u2").tolist() == [0, 7, largest, 1]


# ---- Votes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 50, 51, 1000])
def test_votes_of_many_classes_are_those_counted_class_by_class(classes, monkeypatch):
    monkeypatch.setattr(votes, "BLOCK", 4)
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, (9, 50)) // 7 * 7  # so that classes come up several times
    predicted = np.concatenate([labels[:5, 0], random.integers(0, classes, 4)])
    counts = votes.unexpected_counts(labels, predicted, "max-class", classes=classes)
    majority = votes.majority_classes(labels, classes=classes)
    for case, k in [(case, k) for case in range(9) for k in (1, 2, 13, 50)]:
        of_class = Counter(labels[case, :k].tolist())
        others = [count for label, count in of_class.items() if label != predicted[case]]
        assert counts[case, k - 1] == max(others, default=0)
        (first, most), *rest = of_class.most_common(2)
        assert majority[case, k - 1] == (-1 if rest and rest[0][1] == most else first)
    total = votes.unexpected_counts(labels, predicted, classes=classes)
    np.testing.assert_array_equal(total[:, -1], (labels != predicted[:, None]).sum(1))


def test_no_cases_have_no_votes():
    none = np.zeros((0, 50), int)
    assert votes.majority_classes(none, classes=1000).shape == (0, 50)
    assert votes.unexpected_counts(none, none[:, 0], "max-class", classes=1000).shape == (0, 50)


# ---- Attacks that are written, and those that would be too many --------------------------------


@pytest.mark.parametrize(
    ("classes", "written"),
    [
        (3, [(7, None), (9, None), (7, 2), (7, 0), (9, 1), (9, 2)]),
        (101, [(7, None), (9, None), (7, 5)]),
    ],
)
def test_of_many_classes_only_wanted_targets_are_attacks_of_their_own(classes, written):
    labels, aims = np.array([1, 0]), [[5] if classes > 5 else [2], [None]]
    targets = sweep_stage._targets(labels, aims, classes)

    def made(*shape):
        return AttackResult(
            *(np.zeros((*shape, *more), int) for more in ((), (0,), (1, 5), (), (2,), (), ()))
        )

    pairs, result = sweep_stage._pairs(np.array([7, 9]), targets, made(2), made(*targets.shape), 6.0)
    assert pairs == written
    assert result.seconds.sum() == pytest.approx(12.0)
    assert len(result.success) == len(written)


def test_all_targets_of_many_images_are_refused_with_their_number():
    images, names = np.zeros((2000, 2, 2, 1), np.uint8), tuple(map(str, range(1000)))
    labels = np.zeros(len(images), np.int32)
    test = Dataset("many", "test", images, labels, np.arange(len(images), dtype=np.int32), names, "drawn")
    batch = Batch(dataset="many", targets="all")
    message = (
        "999 targets of 2,000 images are up to 1,998,000 attacks, expected at most 1,000,000: take random"
    )
    with pytest.raises(ValueError, match=message):
        candidates.target_classes(batch, test)
    assert Plan(dataset="many").fitted(test).batches()["targeted"].targets == "random"
    fewer = replace(test, images=images[:1000], labels=labels[:1000])
    assert candidates.target_classes(batch, fewer).shape == (1000, 999)
    assert Plan(dataset="many").fitted(fewer).batches()["targeted"].targets == "all"


def test_an_attack_on_many_targets_at_once_has_a_result_for_each(compiled_quickly):
    goals = np.delete(np.arange(CLASSES), USUAL)[None]
    found = one_pixel_attack(
        logits,
        np.zeros((1, 4, 4, 3), np.uint8),
        np.array([USUAL]),
        targets=goals,
        population=8,
        generations=0,
        key=jax.random.key(0),
        batch_size=1,
    )
    assert found.success.sum() == 1
    assert goals[0, found.success[0].argmax()] == OTHER
