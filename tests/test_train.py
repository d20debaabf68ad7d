"""Training: it learns, it resumes to the same weights, it says what does not fit."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx
from test_cnn import SMALL

import xpixels
from model.network import adapt, cnn, train
from model.network.architecture import Architecture
from model.network.checkpoint import CheckpointError
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.layers import BatchNorm, Conv, Dense, Flatten, GlobalPool
from tests.support.networks import random_network

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NORMED = Architecture(
    "normed",
    (9, 9, 3),
    (
        Conv("conv", 4, stride=2, bias=False, activation="linear"),
        BatchNorm("norm"),
        Flatten("flatten"),
        Dense("logits", 2, activation="linear"),
    ),
)
RECIPE = train.Recipe(epochs=3, batch_size=16, learning_rate=1e-2, shift=1, seed=3)


@pytest.fixture(scope="module")
def data():
    """Images whose class is their brightest quarter: easy to learn, shift-tolerant but for flips."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 160)
    images = random.integers(0, 80, (160, 9, 9, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:4] += np.uint8(120 * label)
        image[5:] += np.uint8(120 * (1 - label))
    return images, labels.astype(np.int32)


def weights(network):
    return jax.tree.leaves(nnx.state(network, nnx.Param))


def test_it_learns_and_reports_every_epoch(data):
    epochs, ticks = [], []
    network = train.train(
        *data,
        test=data,
        recipe=replace(RECIPE, epochs=6),
        architecture=SMALL,
        report=epochs.append,
        tick=lambda *tick: ticks.append(tick),
    )
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].test_accuracy == cnn.accuracy(network, *data) > 0.9
    assert all(epoch.images_per_second > 0 for epoch in epochs)
    assert ticks[-1][:2] == (6, 160)


def test_a_run_that_was_stopped_ends_with_the_same_weights(data, tmp_path):
    whole = train.train(*data, recipe=RECIPE, architecture=SMALL)

    def stop(epoch):
        if epoch.epoch == 3:  # its state is not kept yet
            raise KeyboardInterrupt

    state = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train.train(*data, recipe=RECIPE, architecture=SMALL, state_path=state, report=stop)
    seen = []
    resumed = train.train(*data, recipe=RECIPE, architecture=SMALL, state_path=state, report=seen.append)
    assert [epoch.epoch for epoch in seen] == [3]
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_state_of_another_recipe_is_not_taken_up(data, tmp_path):
    state = tmp_path / "state.npz"
    train.train(*data, recipe=replace(RECIPE, epochs=1), architecture=SMALL, state_path=state)
    with pytest.raises(ValueError, match=r"belongs to another recipe \(it differs in epochs, seed\)"):
        train.train(*data, recipe=replace(RECIPE, epochs=2, seed=4), architecture=SMALL, state_path=state)


def test_a_given_network_is_trained_on_and_its_statistics_stay(data, tmp_path):
    begun = random_network(NORMED, np.random.default_rng(0))
    before, mean = cnn.accuracy(begun, *data), np.asarray(begun.norm.mean[...])
    state = tmp_path / "state.npz"
    network = train.train(*data, recipe=RECIPE, network=begun, state_path=state)
    assert cnn.accuracy(network, *data) > max(before, 0.8)
    np.testing.assert_array_equal(network.norm.mean[...], mean)
    assert np.abs(np.asarray(network.norm.scale[...] - begun.norm.scale[...])).max() > 0
    other = random_network(NORMED, np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"belongs to another recipe \(it differs in network\)"):
        train.train(*data, recipe=RECIPE, network=other, state_path=state)


def test_without_flips_no_image_is_mirrored():
    image = np.arange(9 * 9 * 3, dtype=np.uint8).reshape(9, 9, 3)
    images, labels = np.repeat(image[None], 64, axis=0), np.zeros(64, np.int32)
    recipe = replace(RECIPE, shift=0, flip=False)
    for batch, _ in train.augmented_batches(images, labels, recipe, epoch=0):
        np.testing.assert_array_equal(batch, images[: len(batch)])


# ---- Fit a network to a data set -----------------------------------------------------------------


def test_the_layers_of_the_bundled_network_fit_its_own_data():
    assert adapt.fitted("cifar10-cnn", (32, 32, 3), 10) == (CIFAR10_CNN, [])


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((8, 8, 1), "left out, as images of 8 x 8 are too small for it: pool2"),
        ((2, 3, 3), "left out, as images of 2 x 3 are too small for it: conv2, conv4, pool2"),
        ((100, 128, 3), "added for images of 100 x 128: conv5, conv6, pool3, dropout4"),
    ],
)
def test_layers_that_do_not_fit_are_left_out_and_large_images_get_more(shape, said):
    architecture, notes = adapt.fitted("mine", shape, 300)
    assert notes == [said]
    assert (architecture.name, architecture.input_shape, architecture.classes) == ("mine", shape, 300)
    assert 1 <= architecture.output_shapes()["flatten"][0] <= 16 * 16 * 64


def test_a_last_layer_of_other_classes_begins_anew():
    network = random_network(SMALL, np.random.default_rng(0))
    same, notes = adapt.with_classes(network, "mine", SMALL.classes, 0)
    assert notes == []
    np.testing.assert_array_equal(same.logits.kernel[...], network.logits.kernel[...])
    other, notes = adapt.with_classes(network, "mine", 7, 0)
    assert notes == ["its last layer, logits, begins anew: 7 classes instead of 4"]
    assert (other.architecture.name, other.architecture.classes) == ("mine", 7)
    np.testing.assert_array_equal(other.conv2.kernel[...], network.conv2.kernel[...])
    assert 0 < np.abs(np.asarray(other.logits.kernel[...])).max() < 1
    assert network.architecture == SMALL


def test_a_last_layer_that_is_no_dense_one_cannot_be_fitted():
    pooled = replace(NORMED, layers=(*NORMED.layers[:2], GlobalPool("pool")))
    network = random_network(pooled, np.random.default_rng(0))
    with pytest.raises(CheckpointError, match="layer, pool, is a GlobalPool, which cannot be fitted"):
        adapt.with_classes(network, "mine", 7, 0)


def test_too_few_images_for_a_batch_are_told(data):
    images, labels = data
    with pytest.raises(ValueError, match="batch size 16 must be at most the 15 images"):
        train.train(images[:15], labels[:15], recipe=RECIPE, architecture=SMALL)


def test_augmentation_shifts_and_flips_and_nothing_else():
    image = np.arange(9 * 9 * 3, dtype=np.uint8).reshape(9, 9, 3)
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    possible = [padded[i : i + 9, j : j + 9] for i in range(3) for j in range(3)]
    possible = {part.tobytes() for whole in possible for part in (whole, whole[:, ::-1])}
    images, labels = np.repeat(image[None], 64, axis=0), np.arange(64, dtype=np.int32)
    batches = list(train.augmented_batches(images, labels, RECIPE, epoch=0))
    seen = {picture.tobytes() for batch, _ in batches for picture in batch}
    assert seen <= possible
    assert len(seen) > 12
    assert sorted(np.concatenate([target for _, target in batches])) == list(range(64))


def test_epochs_differ_and_a_seed_repeats_them(data):
    first = next(train.augmented_batches(*data, RECIPE, epoch=0))[0]
    again = next(train.augmented_batches(*data, RECIPE, epoch=0))[0]
    other = next(train.augmented_batches(*data, RECIPE, epoch=1))[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epochs": 0}, "--epochs 0"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"seed": -1}, "--seed -1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"weight_decay": 1.0}, "--weight-decay 1.0"),
    ],
)
def test_a_recipe_out_of_range_is_named_with_what_it_may_be(wrong, named):
    with pytest.raises(ValueError, match=f"{named}: expected a"):
        replace(RECIPE, **wrong)


@pytest.mark.parametrize("name", ["weights.json", "weights.npz", "weights", "weights.safetensors.txt"])
def test_weights_are_written_to_safetensors_alone(name, tmp_path, capsys):
    with pytest.raises(SystemExit):
        xpixels.main(["train", "--output", str(tmp_path / name)])
    assert f"{name}: expected a name that ends in .safetensors" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".safetensors", ".log"])
def test_files_of_somebody_are_not_overwritten_by_a_training(ending, tmp_path, capsys):
    (tmp_path / f"mine{ending}").write_text("precious", "utf-8")
    arguments = ["train", "--dataset", "cifar10-sample", "--output", str(tmp_path / "mine.safetensors")]
    assert xpixels.main(arguments) == 1
    assert f"mine{ending} is there already: name another file, or give --force" in capsys.readouterr().err
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["precious"]
