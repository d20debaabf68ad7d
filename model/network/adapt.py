"""Fit a network to a data set before it is trained: its layers to the images, the last to the classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model.network.architecture import Architecture
from model.network.build import arrays_of, build
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.cnn import Network
from model.network.layers import Conv, Dense, Dropout, Flatten, Layer, MaxPool
from model.network.refusal import CheckpointError
from model.network.sliding import Shape

LARGE = 16  # cells of a side before the dense layers from which on a further block is added


def fitted(name: str, input_shape: Shape, classes: int) -> tuple[Architecture, list[str]]:
    """The layers of cifar10-cnn for images of a shape (H, W, C) and so many classes, and what was changed.

    Layers that do not fit on small images are left out. Large ones get more convolutions and pools, in blocks
    like the last of the network.
    """
    place = next(i for i, layer in enumerate(CIFAR10_CNN.layers) if isinstance(layer, Flatten))
    shape, kept, left_out = input_shape, [], []
    for layer in CIFAR10_CNN.layers[:place]:
        try:
            shape = layer.output_shape(shape)
            kept.append(layer)
        except ValueError:
            left_out.append(layer.name)
    added: list[Layer] = []
    while min(shape[:2]) > LARGE:
        for layer in _block(len(added) // 4):
            shape = layer.output_shape(shape)
            added.append(layer)
    head = (*CIFAR10_CNN.layers[place:-1], Dense(CIFAR10_CNN.logits, classes, activation="linear"))
    size, notes = f"{input_shape[0]} x {input_shape[1]}", []
    if left_out:
        notes.append(f"left out, as images of {size} are too small for it: {', '.join(left_out)}")
    if added:
        notes.append(f"added for images of {size}: {', '.join(layer.name for layer in added)}")
    return Architecture(name, input_shape, (*kept, *added, *head)), notes


def with_classes(network: Network, name: str, classes: int, seed: int) -> tuple[Network, list[str]]:
    """A copy of a network by another name, its last layer for so many classes; and what was changed.

    The last layer is drawn anew, by Xavier's uniform rule, if it had another number of classes. Raises
    CheckpointError if it is no dense layer then.
    """
    old, arrays = network.architecture, arrays_of(network)
    if classes == old.classes:
        return build(replace(old, name=name), arrays), []
    last = old.layers[-1]
    if not isinstance(last, Dense):
        raise CheckpointError(
            f"network {old.name} tells {old.classes} classes apart, not {classes}, and its last layer, "
            f"{last.name}, is a {type(last).__name__}, which cannot be fitted: expected a dense one; give a "
            "data set of as many classes"
        )
    new = replace(old, name=name, layers=(*old.layers[:-1], replace(last, features=classes)))
    shapes, chance = new.parameter_shapes(), np.random.default_rng(seed)
    kernel = f"{last.name}.kernel"
    bound = (6 / sum(shapes[kernel])) ** 0.5
    arrays[kernel] = chance.uniform(-bound, bound, shapes[kernel]).astype(np.float32)
    if last.bias:
        arrays[f"{last.name}.bias"] = np.zeros(classes, np.float32)
    note = f"its last layer, {last.name}, begins anew: {classes} classes instead of {old.classes}"
    return build(new, arrays), [note]


def _block(number: int) -> tuple[Layer, ...]:
    """Two convolutions, a pool and dropout, named on from those of cifar10-cnn."""
    first, pool = 5 + 2 * number, 3 + number
    return (
        Conv(f"conv{first}", 64),
        Conv(f"conv{first + 1}", 64, padding="VALID"),
        MaxPool(f"pool{pool}"),
        Dropout(f"dropout{pool + 1}", 0.25),
    )
