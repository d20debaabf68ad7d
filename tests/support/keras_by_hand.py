"""Files as Keras 2 writes them, made by hand, so that a test can have anything wrong in them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.network.architecture import Pixels
from model.network.foreign import ForeignError
from model.network.keras.model import read_here

SIDE = 6
KERNEL = np.linspace(-1, 1, 2 * 2 * 3 * 4, dtype=np.float32).reshape(2, 2, 3, 4)
DENSE = np.linspace(-1, 1, 100 * 3, dtype=np.float32).reshape(100, 3)


def layer(kind: str, name: str, **config) -> dict:
    return {"class_name": kind, "config": {"name": name, **config}}


def plain_layers() -> list[dict]:
    """A convolution (2 x 2, 3 to 4 channels), a flatten to 100 numbers, a dense layer for three classes."""
    shape = [None, SIDE, SIDE, 3]
    return [
        layer("Conv2D", "conv", batch_input_shape=shape, filters=4, kernel_size=[2, 2], activation="relu"),
        layer("Flatten", "flat"),
        layer("Dense", "scores", units=3, activation="softmax"),
    ]


def plain_weights() -> dict:
    """Their weights, by layer and name."""
    return {
        "conv": {"conv/kernel:0": KERNEL, "conv/bias:0": np.arange(4, dtype=np.float32)},
        "flat": {},
        "scores": {"scores/kernel:0": DENSE, "scores/bias:0": np.zeros(3, np.float32)},
    }


def sequential(layers: list[dict]) -> dict:
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}


def functional(layers: list[dict], reads: dict[str, list[str]], output: str) -> dict:
    """A graph of named layers, each read once; the image is called `image`."""
    image = layer("InputLayer", "image", batch_input_shape=[None, SIDE, SIDE, 3])
    entries = [{**image, "name": "image", "inbound_nodes": []}]
    for each in layers:
        name = each["config"]["name"]
        nodes = [[[source, 0, 0, {}] for source in reads[name]]]
        entries.append({**each, "name": name, "inbound_nodes": nodes})
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": entries, **ends}}


def write_h5(
    path: Path, model: dict | str | None = None, weights: dict | None = None, version="2.9.0"
) -> Path:
    """Write such a file; by default the plain one."""
    model = sequential(plain_layers()) if model is None else model
    weights = plain_weights() if weights is None else weights
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = model if isinstance(model, str) else json.dumps(model)
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        root = file.create_group("model_weights")
        for name, arrays in weights.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [each.encode() for each in arrays]
            for each, array in arrays.items():
                group.create_dataset(each, data=array)
    return path


def refusal(path) -> str:
    """The line that refuses a file."""
    with pytest.raises(ForeignError) as caught:
        read_here(path, Pixels())
    line = str(caught.value)
    assert line.startswith(f"network {path}: ")
    assert line.isprintable()
    assert len(line) < 800
    return line.removeprefix(f"network {path}: ")
