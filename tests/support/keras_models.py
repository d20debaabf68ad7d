"""Networks that Keras makes and saves, with the scores that it gives to images: `python -m ... FOLDER`.

It runs as a program of its own, once for all tests: Keras takes seconds to start, and sets up logging and
warnings for a whole process. For each model it writes NAME.keras and NAME.h5, and all scores to scores.npz.
"""

import logging
import os
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # not where a test imports this: its child processes would inherit it
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
IMAGES = 5


def make(folder: Path) -> None:
    import jax
    import keras

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # Every weight is set below: drawing it first would take most of the time.
    keras.initializers.GlorotUniform.__call__ = lambda _, shape, dtype=None: np.zeros(shape, np.float32)
    results = {}
    for name, build in MODELS.items():
        rng = np.random.default_rng(sum(name.encode()))
        model = build(keras, keras.layers, rng)
        randomize(model, rng, of_bytes=name.startswith("bytes"))
        shape = model.input_shape[1:]
        pixels = rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
        scale = 1 if name.startswith("bytes") else 255
        predict = jax.jit(partial(model, training=False))
        results[f"{name}/scores"] = np.asarray(predict(pixels.astype(np.float32) / scale))
        if shape[0] == 3 and len(shape) == 3:
            pixels = pixels.transpose(0, 2, 3, 1)
        results[f"{name}/images"] = pixels.reshape(*pixels.shape[:3], -1) if pixels.ndim > 2 else pixels
        for suffix in (".keras", ".h5"):
            model.save(folder / f"{name}{suffix}")
    np.savez(folder / "scores.npz", **results)


def randomize(model, rng, *, of_bytes: bool) -> None:
    """Give every weight a value of its own, so that none can be taken for another.

    of_bytes: the first variance is that of pixels of 0..255.
    """
    variances = [weight for weight in model.weights if "variance" in weight.name]
    first = variances[0] if variances and of_bytes else None
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name
        if "float" not in str(weight.dtype) or name in ("mean", "variance"):
            continue  # counters, and what `adapt` has set
        if "variance" in name or "gamma" in name:
            values = rng.uniform(0.5, 2, shape) * (4000 if weight is first else 1)
        elif len(shape) > 1:
            values = rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape)
        else:
            values = rng.normal(0, 0.5, shape)
        weight.assign(values.astype(np.float32))


def plain(keras, L, rng):
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            L.Conv2D(4, (3, 2), padding="same", activation="relu"),
            L.Dropout(0.2),
            L.MaxPooling2D((2, 3), strides=(1, 2), padding="same"),
            L.Conv2D(5, (2, 4), strides=(2, 1), padding="same", use_bias=False, activation="silu"),
            L.SpatialDropout2D(0.3),
            L.AveragePooling2D(3, strides=1, padding="same"),
            L.GaussianNoise(0.1),
            L.Flatten(),
            L.Dense(7, activation="tanh", use_bias=False),
            L.Dense(4, activation="softmax"),
        ]
    )


def residual(keras, L, rng):
    def block(x, filters, stride):
        y = L.BatchNormalization()(x)
        y = L.Activation("relu")(y)
        y = L.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(y)
        y = L.BatchNormalization(scale=False, epsilon=0.01)(y)
        y = L.ReLU()(y)
        y = L.Conv2D(filters, 3, padding="same")(y)
        if stride > 1:
            x = L.Conv2D(filters, 1, strides=stride)(x)
        return L.Add()([x, y])

    image = keras.Input((11, 10, 3))
    x = L.Conv2D(4, 3, padding="same")(image)
    for filters, stride in ((4, 1), (6, 2), (6, 1)):
        x = block(x, filters, stride)
    x = L.BatchNormalization(center=False)(x)
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(5)(x)
    return keras.Model(image, L.Softmax()(x))


def joined(keras, L, rng):
    image = keras.Input((8, 9, 1))
    x = L.ZeroPadding2D(((1, 0), (2, 3)))(image)
    branches = [
        L.Conv2D(3, 3, padding="same", dilation_rate=2, activation="elu")(x),
        L.Conv2D(2, (1, 3), padding="same", activation="gelu")(x),
        L.MaxPooling2D(3, strides=1, padding="same")(x),
        L.AveragePooling2D((2, 1), strides=1, padding="same")(x),
    ]
    x = L.Concatenate()(branches)
    vectors = [L.GlobalMaxPooling2D()(x), L.GlobalAveragePooling2D()(x), L.Flatten()(x)]
    x = L.Concatenate(axis=1)(vectors)
    x = L.BatchNormalization()(x)
    return keras.Model(image, L.Dense(3, activation="log_softmax")(x))


def depthwise(keras, L, rng):
    image = keras.Input((9, 9, 4))
    x = L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same", activation="relu6")(image)
    x = L.SeparableConv2D(6, (3, 2), depth_multiplier=2, padding="same", activation="hard_silu")(x)
    x = L.Conv2D(6, 3, groups=3, padding="same", activation=L.LeakyReLU(0.1))(x)
    x = L.DepthwiseConv2D((1, 3), use_bias=False)(x)
    x = L.SeparableConv2D(4, 2, use_bias=False)(x)
    x = L.GlobalAveragePooling2D(keepdims=True)(x)
    x = L.Conv2D(5, 1)(x)
    x = L.Reshape((5,))(x)
    return keras.Model(image, L.Activation("softmax")(x))


def activations(keras, L, rng):
    """Every activation function by name, as a layer and in one."""
    image = keras.Input((8, 8, 3))
    x = image
    names = "elu selu gelu silu swish softplus tanh sigmoid leaky_relu hard_sigmoid"
    for name in names.split():
        x = L.Conv2D(4, 1, activation=name)(x)
    layers = L.ReLU(6), L.ReLU(negative_slope=0.2), L.LeakyReLU(), L.ELU(0.7), L.Activation("hard_swish")
    for layer in layers:
        x = L.Conv2D(4, 1)(layer(x))
    return keras.Model(image, L.Dense(3, activation="sigmoid")(L.Flatten()(x)))


def bytes_prepared(keras, L, rng):
    image = keras.Input((8, 9, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(image)
    x = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.5, 0.5, 2.0])(x)
    x = L.RandomFlip()(x)
    x = L.Conv2D(4, 3)(x)
    x = L.Rescaling([0.5, 1, 2, -1], offset=[1, 2, 3, 4])(x)
    return keras.Model(image, L.Dense(4)(L.Flatten()(x)))


def bytes_adapted(keras, L, rng):
    normalization = L.Normalization()
    normalization.adapt(rng.uniform(0, 255, (20, 8, 9, 1)))
    return keras.Sequential(
        [keras.Input((8, 9, 1)), normalization, L.Conv2D(3, 3), L.Flatten(), L.Dense(4, activation="softmax")]
    )


def bytes_first_batch_normalization(keras, L, rng):
    return keras.Sequential(
        [keras.Input((8, 8, 3)), L.BatchNormalization(), L.Conv2D(3, 3), L.GlobalMaxPooling2D(), L.Dense(3)]
    )


def bytes_functions(keras, L, rng):
    """Functions of `keras.ops` in the graph."""
    ops = keras.ops
    image = keras.Input((8, 8, 3))
    x = (image - np.array([120.0, 110.0, 100.0])) / 60.0
    x = 2.0 - x
    x = ops.relu(L.Conv2D(4, 3)(x))
    y = ops.leaky_relu(L.Conv2D(4, 3, padding="same")(x), 0.1)
    x = ops.gelu(x + y * 0.5) + 0.25
    x = ops.relu6(L.Conv2D(5, 3)(x))
    return keras.Model(image, ops.softmax(L.Dense(3)(ops.mean(x, axis=(1, 2)))))


def nested(keras, L, rng):
    """Models in models, one of them used twice, and layers of one name in two of them."""

    def inner(name):
        return keras.Sequential(
            [
                keras.Input((8, 9, 4)),
                L.Conv2D(4, 3, padding="same", name="conv"),
                L.BatchNormalization(name="norm"),
                L.Dropout(0.5),
            ],
            name=name,
        )

    image = keras.Input((8, 9, 3))
    first, second = inner("first"), inner("second")
    x = L.Conv2D(4, 1, name="stem")(image)
    x = first(x, training=False)
    x = L.Add()([second(x), x])
    x = first(x)
    body = keras.Model(image, x, name="body")
    last = L.Dense(4, activation="softmax", name="conv")
    return keras.Sequential([keras.Input((8, 9, 3)), body, L.GlobalAveragePooling2D(), last])


def channels_first(keras, L, rng):
    first = {"data_format": "channels_first"}
    image = keras.Input((3, 8, 9))
    x = L.Conv2D(4, (3, 2), padding="same", activation="relu", **first)(image)
    x = L.BatchNormalization(axis=1)(x)
    y = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", **first)(x)
    x = L.Concatenate(axis=1)([x, L.AveragePooling2D(2, strides=1, padding="same", **first)(x), y])
    x = L.ZeroPadding2D((1, 2), **first)(x)
    x = L.MaxPooling2D(3, **first)(x)
    x = L.SeparableConv2D(5, 2, **first)(x)
    flattened = [L.Flatten(data_format="channels_last")(x), L.Flatten(**first)(x)]
    x = L.Concatenate()([*flattened, L.GlobalMaxPooling2D(**first)(x)])
    x = L.Activation("tanh")(L.BatchNormalization()(x))
    x = L.Add()([x, L.Dropout(0.5)(x)])
    return keras.Model(image, L.Dense(6, activation="softmax")(x))


def without_channels(keras, L, rng):
    return keras.Sequential(
        [
            keras.Input((8, 9)),
            L.Reshape((8, 9, 1)),
            L.Conv2D(4, 3, activation="relu"),
            L.Dense(3, activation="relu"),
            L.Reshape((-1,)),
            L.Dense(3),
        ]
    )


def flat(keras, L, rng):
    return keras.Sequential([keras.Input((8, 9)), L.Flatten(), L.Dense(6, activation="relu"), L.Dense(3)])


def drawn(keras, L, rng):
    """A random graph of all kinds of layers."""
    channels = int(rng.choice([1, 3]))
    image = keras.Input((int(rng.integers(8, 14)), int(rng.integers(8, 12)), channels))

    def number(low, high):
        return int(rng.integers(low, high))

    def draw(x):
        padding, size = str(rng.choice(["same", "valid"])), (number(1, 4), number(1, 4))
        stride = int(rng.choice([1, 1, 2]))
        if min(x.shape[1:3]) < 4:
            padding, stride = "same", 1
        options = {"strides": stride, "padding": padding}
        name = str(rng.choice(["relu", "elu", "tanh", "linear", "gelu"]))
        return [
            lambda: L.Conv2D(number(2, 6), size, activation=name, **options)(x),
            lambda: L.DepthwiseConv2D(size, depth_multiplier=number(1, 3), activation=name, **options)(x),
            lambda: L.SeparableConv2D(number(2, 6), size, activation=name, **options)(x),
            lambda: L.MaxPooling2D(size, **options)(x),
            lambda: L.AveragePooling2D(size, **options)(x),
            lambda: L.BatchNormalization()(x),
            lambda: L.Activation(name)(x),
            lambda: L.ZeroPadding2D(((number(0, 2), 1), (0, number(0, 3))))(x),
            lambda: L.Add()([x, L.Conv2D(x.shape[-1], size, padding="same")(x)]),
            lambda: L.Concatenate()([x, L.Conv2D(2, size, padding="same")(x), x]),
        ][number(0, 10)]()

    x = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    for _ in range(6):
        x = draw(x)
    x = [L.Flatten, L.GlobalAveragePooling2D, L.GlobalMaxPooling2D][number(0, 3)]()(x)
    return keras.Model(image, L.Dense(4, activation=str(rng.choice(["softmax", "linear"])))(x))


MODELS = {
    **{build.__name__: build for build in (plain, residual, joined, depthwise, activations)},
    **{build.__name__: build for build in (bytes_prepared, bytes_adapted, bytes_functions, nested)},
    **{build.__name__: build for build in (bytes_first_batch_normalization,)},
    **{build.__name__: build for build in (channels_first, without_channels, flat)},
    **{f"drawn{seed}": drawn for seed in range(4)},
}

if __name__ == "__main__":
    make(Path(sys.argv[1]))
