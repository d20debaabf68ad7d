"""The network: its activations against plain JAX, its fast forms against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from model.network import cnn, evaluate
from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.layers import Conv, Dense, Dropout, Flatten, MaxPool

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL = Architecture(
    "small",
    (9, 9, 3),
    (
        Conv("conv1", 4),
        Conv("conv2", 8, padding="VALID"),
        MaxPool("pool", 2),
        Dropout("dropout", 0.5),
        Flatten("flatten"),
        Dense("dense", 6),
        Dense("logits", 4, activation="linear"),
    ),
)


@pytest.fixture(scope="module")
def network():
    return cnn.Network(SMALL, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), np.uint8)


def test_every_named_activation_is_what_plain_operations_give(network, images):
    x = cnn.to_float(jnp.asarray(images))
    got = network.activations(x)
    assert {name: value.shape[1:] for name, value in got.items()} == SMALL.activation_shapes()
    for name, padding in (("conv1", "SAME"), ("conv2", "VALID")):
        layer = getattr(network, name)
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(x, layer.kernel[...], (1, 1), padding, dimension_numbers=dimensions)
        x = jnp.maximum(x + layer.bias[...][None, None, None], 0.0)
        np.testing.assert_allclose(got[name], x, atol=1e-5)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID").reshape(5, -1)
    np.testing.assert_allclose(got["flatten"], x, atol=1e-5)
    x = jnp.maximum(x @ network.dense.kernel[...] + network.dense.bias[...][None], 0.0)
    np.testing.assert_allclose(got["dense"], x, atol=1e-5)
    x = x @ network.logits.kernel[...] + network.logits.bias[...][None]
    np.testing.assert_allclose(got["logits"], x, atol=1e-5)
    parts = [got[name] for name in SMALL.compared]
    np.testing.assert_array_equal(got["composed"], np.concatenate(parts, axis=1))


def test_the_logits_alone_are_the_logits_among_the_activations(network, images):
    x = cnn.to_float(jnp.asarray(images))
    np.testing.assert_array_equal(network(x), network.activations(x)["logits"])


def test_dropout_is_on_with_a_key_alone_and_follows_it(network, images):
    x = cnn.to_float(jnp.asarray(images))
    one, same, other = (network(x, dropout_key=jax.random.key(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert not np.allclose(one, network(x))


@pytest.mark.parametrize(("height", "width", "window"), [(8, 8, 2), (13, 15, 2), (10, 7, 3)])
def test_the_pool_is_the_windowed_maximum_and_so_is_its_gradient(height, width, window):
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, height, width, 3)), jnp.float32)

    def windowed(x):
        size = (1, window, window, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, size, size, "VALID")

    np.testing.assert_array_equal(evaluate.max_pool(MaxPool("pool", window), x), windowed(x))
    weights = jnp.asarray(np.random.default_rng(2).normal(size=windowed(x).shape), jnp.float32)
    fast = jax.grad(lambda x: (evaluate.max_pool(MaxPool("pool", window), x) * weights).sum())(x)
    plain = jax.grad(lambda x: (windowed(x) * weights).sum())(x)
    np.testing.assert_allclose(fast, plain, atol=1e-6)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("size", "channels"), [(3, 3), (3, 16), (5, 1), (5, 8), (2, 4), (1, 4)])
def test_the_fast_convolution_is_the_plain_one(padding, size, channels):
    random = np.random.default_rng(3)
    x = jnp.asarray(random.normal(size=(2, 11, 8, channels)), jnp.float32)
    kernel = jnp.asarray(random.normal(size=(size, size, channels, 6)), jnp.float32)
    plain = lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    layer = Conv("conv", 6, size, padding)
    np.testing.assert_allclose(evaluate.convolve(layer, kernel, x), plain, atol=1e-4)


def test_prediction_does_not_depend_on_the_batch(network, images):
    whole = cnn.predict(network, images)
    np.testing.assert_allclose(cnn.predict(network, images, batch_size=2), whole, atol=1e-5)
    assert whole.shape == (5, 4)
    labels = whole.argmax(-1)
    assert cnn.accuracy(network, images, labels) == 1.0
    assert cnn.accuracy(network, images, (labels + np.arange(5) % 2) % 4) == pytest.approx(0.6)


def test_activations_come_in_order_whatever_the_batch(network, images):
    parts = list(cnn.activate(network, images, ("conv2", "logits"), batch_size=3))
    assert [len(part["conv2"]) for part in parts] == [3, 2]
    logits = np.concatenate([part["logits"] for part in parts])
    np.testing.assert_allclose(logits, cnn.predict(network, images), atol=1e-5)


def test_the_logits_function_is_shared_by_networks_of_one_architecture(network, images):
    other = cnn.Network(SMALL, rngs=nnx.Rngs(1))
    one, two = cnn.logits_function(network), cnn.logits_function(other)
    assert one.func is two.func
    x = cnn.to_float(jnp.asarray(images))
    np.testing.assert_array_equal(one(x), network(x))
    assert not np.allclose(one(x), two(x))


def test_the_network_has_as_many_parameters_as_keras_says():
    network = nnx.eval_shape(lambda: cnn.Network(CIFAR10_CNN, rngs=nnx.Rngs(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))) == 1_250_858
