"""Rows of gray images: PNG, pixels, sweeps; and the pictures that `check` takes for them."""

import numpy as np
import pytest
from sqlalchemy import select

from db import schema
from db.engine import writing
from db.read.for_ingest.batches import KnownAttack, known_attacks
from ingest import record
from ingest.batch import Batch, sweep_settings
from ingest.check.channels import fit_channels
from ingest.runs import stage
from ingest.stages.cases import paint_image
from model.attacks.sweep import as_attacks, corner_sweep
from model.data.dataset import Dataset
from model.data.pictures.headers import PictureError
from model.data.pictures.reading import Picture, decode
from model.data.png import decode_png, encode_png, pixel_digest
from model.network.checkpoint import Checkpoint
from tests.support.networks import TINY, random_network

N, H, W = 3, 6, 5
IMAGES = np.random.default_rng(5).integers(0, 256, (N, H, W, 1), np.uint8)


def brightness(images):
    """Two classes: brighter than half, or not."""
    mean = images.mean(axis=(1, 2, 3)) - 0.5
    return (mean[:, None] * np.array([[-1.0, 1.0]], np.float32)).astype(np.float32)


@pytest.fixture
def part():
    labels = np.asarray(brightness(IMAGES / np.float32(255))).argmax(1).astype(np.int32)
    return Dataset("gray", "test", IMAGES, labels, np.arange(N, dtype=np.int32), ("dark", "bright"), "drawn")


def test_attacks_on_gray_images_come_out_of_the_database_as_they_went_in(fresh, part):
    engine, settings = fresh(), sweep_settings(Batch().parameters, IMAGES.shape[1:])
    found = corner_sweep(brightness, part.images, part.labels)
    result = as_attacks(part.images, part.labels, found)
    loaded = Checkpoint(random_network(TINY, np.random.default_rng(0)), "0" * 64, {"test_accuracy": 0.5})
    with writing(engine) as connection:
        dataset_id = record.register_dataset(connection, part)
        scope = record.register_network(connection, loaded, dataset_id)
    with stage(engine, "attack", scope, {}) as run_id, writing(engine) as connection:
        shared = {"run_id": run_id, "network_id": scope.network_id, **settings, "screened": None}
        pairs = [(index, None) for index in range(N)]
        written = record.write_attacks(connection, dataset_id, part, shared, pairs, result)
        same = {
            "run_id": run_id,
            "network_id": scope.network_id,
            "variant": settings["variant"],
            "queries": 60,
        }
        record.write_maps(connection, same | {"seconds": 0.0}, written.sample_ids, found, part.labels)
    with engine.connect() as connection:
        pixels = connection.execute(select(schema.attack_pixels).order_by("attack_id")).all()
        files = connection.scalars(select(schema.images.c.png).order_by(schema.images.c.id)).all()
        maps = connection.execute(select(schema.vulnerability_maps)).all()
        known = known_attacks(connection, scope, settings)
    np.testing.assert_array_equal(np.sort([decode_png(png) for png in files], 0), np.sort(IMAGES, 0))
    assert {row.variant for row in maps} == {"grays-2"}
    for row, image in zip(pixels, IMAGES, strict=True):
        assert {row.original_red, row.original_green, row.original_blue} == {
            int(image[row.row, row.column, 0])
        }
        assert row.red == row.green == row.blue in (0, 255)
    for index in range(N):
        painted = paint_image(IMAGES[index], known[index, None])
        np.testing.assert_array_equal(painted, result.images[index])


def test_a_gray_png_is_gray_and_no_other_kind_is_decoded():
    content = encode_png(IMAGES[0])
    assert content[25] == 0  # the color type of its header: gray
    np.testing.assert_array_equal(decode_png(content), IMAGES[0])
    assert pixel_digest(IMAGES[0]) == pixel_digest(decode_png(content))


def test_blank_images_of_other_sizes_are_not_taken_for_one_another(fresh):
    sizes = [(4, 4, 3), (6, 8, 1), (8, 6, 1)]
    rows = [record.make_image_rows(np.zeros((1, *size), np.uint8)) for size in (*sizes, sizes[0])]
    with writing(fresh()) as connection:
        ids = [record.write_images(connection, row)[0] for row in rows]
    assert len(set(ids)) == len(sizes)
    assert ids[-1] == ids[0]


def test_the_attack_of_a_color_image_sets_three_channels_and_of_a_gray_one_its_only_one():
    attack = KnownAttack(1, True, 0, [(1, 2, 7, 7, 7)])
    for channels in (1, 3):
        painted = paint_image(np.zeros((3, 4, channels), np.uint8), attack)
        assert painted[1, 2].tolist() == [7] * channels
        assert painted.sum() == 7 * channels


# ---- check ---------------------------------------------------------------------------------------


def test_a_gray_file_is_gray_for_a_network_of_gray_images_and_made_rgb_for_others():
    picture = decode(encode_png(IMAGES[0]), H, W)
    assert picture.read == ["made RGB of gray"]
    assert fit_channels(picture, 3) is picture
    gray = fit_channels(picture, 1)
    np.testing.assert_array_equal(gray.image, IMAGES[0])
    assert gray.read == []


def test_a_color_file_with_equal_channels_is_gray_and_any_other_is_refused_in_one_line():
    image = np.repeat(IMAGES[0], 3, axis=-1)
    gray = fit_channels(decode(encode_png(image), H, W), 1)
    np.testing.assert_array_equal(gray.image, IMAGES[0])
    image[2, 3, 1] ^= 1
    color = " ".join(map(str, image[2, 3].tolist()))
    message = (
        rf"has colors \(red, green, blue {color} at row 2, column 3\), expected gray.*convert it to gray"
    )
    with pytest.raises(PictureError, match=message) as caught:
        fit_channels(Picture(image, []), 1)
    assert "\n" not in str(caught.value)
