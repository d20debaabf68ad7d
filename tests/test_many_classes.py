"""Networks of more classes than a byte can tell: sweeps, repairs, their rows, and what is read of them."""

import jax.numpy as jnp
import numpy as np
import pytest
from sqlalchemy import insert

import db.read
from db import schema
from ingest.record import maps
from model.attacks import sweep
from model.attacks.step import as_function
from model.detectors import repair
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
