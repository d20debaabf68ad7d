"""Attacks near the median of the neighbors against trying every color one by one; and their rows."""

import numpy as np
import pytest
from sqlalchemy import select

from db import schema
from db.engine import writing
from ingest import record
from ingest.stages import near_median
from ingest.task import Task
from ingest.workers.local import Alone
from model.attacks.near_median import median_corners, near_median_attack, near_median_stream
from model.attacks.sweep import corner_sweep
from model.data.dataset import Dataset
from model.data.png import decode_png
from model.detectors.repair import neighbor_medians, repair_sweep
from model.network import cnn
from model.network.checkpoint import BUNDLED, Checkpoint
from model.network.incremental_pass import incremental
from tests.support.networks import TINY, random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

N, H, W, K = 5, 7, 6, 4
NETWORK = random_network(TINY, np.random.default_rng(1))
IMAGES = np.random.default_rng(2).integers(0, 256, (N, H, W, 3), np.uint8)
LABELS = cnn.predict(NETWORK, IMAGES).argmax(1)
FUNCTIONS = {
    "plain function": cnn.logits_function(NETWORK),
    "incremental": incremental(NETWORK),
    "network": NETWORK,
}


def colors(median, within):
    """By hand: the corners around a median, red slowest."""
    ends = [(max(value - within, 0), min(value + within, 255)) for value in median.tolist()]
    return [(r, g, b) for r in ends[0] for g in ends[1] for b in ends[2]]


def every_margin(image, label, within):
    """Margins (H * W * 8,) and pixels of all candidates, each painted and evaluated in full."""
    medians = neighbor_medians(image[None])[0]
    pixels = [
        (row, column, *color)
        for row in range(H)
        for column in range(W)
        for color in colors(medians[row, column], within)
    ]
    painted = np.repeat(image[None], len(pixels), 0)
    for copy, (row, column, *color) in zip(painted, pixels, strict=True):
        copy[row, column] = color
    logits = cnn.predict(NETWORK, painted)
    return np.delete(logits, label, axis=1).max(1) - logits[:, label], pixels


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("within", [1, 40, 200])
def test_it_finds_what_trying_one_by_one_finds(kind, within):
    found = near_median_attack(FUNCTIONS[kind], IMAGES, LABELS, within)
    for i in range(N):
        margins, pixels = every_margin(IMAGES[i], LABELS[i], within)
        chosen = tuple(found.pixels[i, 0].tolist())
        assert margins[pixels.index(chosen)] == pytest.approx(margins.max(), abs=1e-5)
        painted = IMAGES[i].copy()
        painted[chosen[:2]] = chosen[2:]
        np.testing.assert_array_equal(found.images[i], painted)
        np.testing.assert_allclose(found.logits[i], cnn.predict(NETWORK, painted[None])[0], atol=1e-5)
        assert found.success[i] == (margins.max() > 0)
    assert found.queries.tolist() == [H * W * 8] * N


def test_some_of_these_fall_and_some_resist():
    rates = [near_median_attack(NETWORK, IMAGES, LABELS, within).success.mean() for within in (1, 40, 200)]
    assert rates == sorted(rates)
    assert rates[0] < 1
    assert rates[-1] > 0


def test_the_widest_cube_is_the_corner_sweep():
    found = near_median_attack(NETWORK, IMAGES, LABELS, 255)
    assert set(np.unique(median_corners(IMAGES, 255))) == {0, 255}
    swept = corner_sweep(NETWORK, IMAGES, LABELS)
    own = found.logits[np.arange(N), LABELS]
    others = np.where(np.arange(K) == LABELS[:, None], -np.inf, found.logits).max(1)
    np.testing.assert_allclose(others - own, swept.margins.max((1, 2)), atol=1e-5)


def test_a_candidate_that_changes_nothing_is_no_success():
    image = np.zeros((1, 2, 2, 3), np.uint8)
    image[0, 0, 0, 0] = 255
    weights = np.array([[0, 1], [0, -1], [0, -1]], np.float32)

    def how_red(images):  # the first pixel: nothing is redder than it is already
        return images[:, 0, 0] @ weights

    found = near_median_attack(how_red, image, np.array([0]), 255)
    assert found.logits.tolist() == [[0, 1]]
    assert found.images.tolist() == image.tolist()
    assert not found.success[0]


def test_blocks_come_in_order_and_do_not_change_an_image():
    images, labels = np.concatenate([IMAGES] * 5), np.tile(LABELS, 5)
    blocks = list(near_median_stream(FUNCTIONS["incremental"], images, labels, 40))
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate([indices for indices, _ in blocks]), np.arange(25))
    pixels = np.concatenate([part.pixels for _, part in blocks])
    np.testing.assert_array_equal(pixels, np.tile(pixels[:N], (5, 1, 1)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": IMAGES.astype(np.float32)}, "float32"),
        ({"images": IMAGES[:, :1]}, "H >= 2"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one"),
        ({"labels": LABELS[:3]}, r"\(3,\)"),
        ({"labels": LABELS + 0.5}, "float"),
        ({"labels": np.full(N, K)}, r"0\.\.3"),
        ({"within": 0}, "within"),
        ({"within": 256}, "within"),
        ({"within": 2.0}, "within"),
    ],
)
def test_bad_input_gets_one_line_at_the_call(changes, message):
    arguments = {"images": IMAGES, "labels": LABELS, "within": 16} | changes
    with pytest.raises(ValueError, match=message) as error:
        near_median_stream(NETWORK, **arguments)
    assert "\n" not in str(error.value)


# ---- The stage -----------------------------------------------------------------------------------


@pytest.fixture
def task(fresh):
    engine = fresh()
    names = tuple("abcd")
    test = Dataset(
        "drawn", "test", IMAGES, LABELS.astype(np.int32), np.arange(N, dtype=np.int32) * 2, names, "drawn"
    )
    loaded = Checkpoint(NETWORK, "0" * 64, {"test_accuracy": 0.9})
    with writing(engine) as connection:
        dataset_id = record.register_dataset(connection, test)
        scope = record.register_network(connection, loaded, dataset_id)
    return Task(engine, *scope, loaded, test, lambda: test, Alone(), BUNDLED, evaluation="incremental")


def all_rows(task, table):
    with task.engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def test_every_attack_is_a_row_and_those_that_fooled_have_their_image_and_its_repairs(task):
    assert near_median.attack_near_median(task, [4, 0, 1, 2, 3, 4], (1, 200)) == 2 * N
    attacks = all_rows(task, schema.attacks)
    assert len(attacks) == 2 * N
    positions = {row.id: row.position for row in all_rows(task, schema.samples)}
    files = {row.id: row.png for row in all_rows(task, schema.images)}
    shown = {row.attack_id: files[row.image_id] for row in all_rows(task, schema.attack_images)}
    owners = {row.attack_id: row.image_id for row in all_rows(task, schema.attack_images)}
    repairs = {row.image_id: row for row in all_rows(task, schema.repairs)}
    pixels = {row.attack_id: row for row in all_rows(task, schema.attack_pixels)}
    found = {within: near_median_attack(NETWORK, IMAGES, LABELS, within) for within in (1, 200)}
    for attack in attacks:
        within, i = int(attack.variant.removeprefix("within ")), positions[attack.sample_id] // 2
        assert (attack.method, attack.population, attack.budget) == ("near-median", 336, 336)
        assert (attack.queries, attack.target_class, attack.pixel_count) == (336, None, 1)
        assert attack.succeeded == (attack.margin > 0) == found[within].success[i]
        pixel = pixels[attack.id]
        place = [pixel.row, pixel.column, pixel.red, pixel.green, pixel.blue]
        assert place == found[within].pixels[i, 0].tolist()
        assert (attack.id in shown) == attack.succeeded
        if attack.succeeded:
            picture = decode_png(shown[attack.id])
            np.testing.assert_array_equal(picture, found[within].images[i])
            repaired, row = repair_sweep(NETWORK, picture[None]), repairs[owners[attack.id]]
            assert row.predicted_class == attack.predicted_class == repaired.predicted[0]
            assert row.score == pytest.approx(repaired.scores[0], abs=1e-5)
            assert [row.row, row.column] == repaired.positions[0].tolist()
    assert 0 < len(shown) < len(attacks)
    assert len(repairs) == len(set(owners.values()))


def test_it_goes_on_where_it_stopped(task, monkeypatch):
    monkeypatch.setattr(near_median, "CHUNK", 2)
    attack, calls = near_median.near_median_stream, []

    def stopped(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return attack(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(near_median, "near_median_stream", stopped)
        with pytest.raises(KeyboardInterrupt):
            near_median.attack_near_median(task, range(N), (200, 1))
    kept = all_rows(task, schema.attacks)
    assert len(kept) == 4
    assert near_median.attack_near_median(task, range(N), (200, 1)) == 2 * N - len(kept)
    assert all_rows(task, schema.attacks)[: len(kept)] == kept
    before = [len(all_rows(task, table)) for table in schema.metadata.tables.values()]
    assert near_median.attack_near_median(task, range(N), (200, 1)) == 0
    assert [len(all_rows(task, table)) for table in schema.metadata.tables.values()] == before


def test_a_distance_out_of_range_is_refused(task):
    with pytest.raises(ValueError, match="within"):
        near_median.attack_near_median(task, [0], (0,))
    assert all_rows(task, schema.attacks) == []
