"""Training: AdamW with a one-cycle rate, shifts and flips, dropout; resumable after every epoch.

The recipe replaces Keras' RMSprop over 50 epochs (`examples/cifar10_cnn.py`) and keeps its
augmentation: shifts of up to a tenth of the side and horizontal flips, which can be left out.

Every local device takes an equal share of each batch. On a CPU, one device per core, each running its
operations on one thread, trains about 1.5 times as fast as one device on all cores (`model.devices`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from model.network import checkpoint, weights_npz
from model.network.architecture import Architecture
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.cnn import Network, accuracy, to_float
from model.network.description import to_json
from whole_file import write_whole


@dataclass(frozen=True)
class Recipe:
    """How to train; two runs of one recipe on one machine give the same weights."""

    epochs: int = 30
    batch_size: int = 64  # images a step, over all devices
    learning_rate: float = 1.5e-3  # the peak of the one-cycle schedule
    weight_decay: float = 5e-3
    shift: int = 3  # pixels, the largest shift of the augmentation
    flip: bool = True  # left and right, half of the images
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges; raises ValueError with the option's name, its value and what is expected."""
        for name, least in (("epochs", 1), ("batch_size", 1), ("shift", 0), ("seed", 0)):
            if not least <= getattr(self, name) < 2**32:
                expected = f"expected a whole number of at least {least}, below {2**32}"
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)}: {expected}")
        for name in ("learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} {getattr(self, name)}: expected a number in [0, 1)"
                )


FINE_TUNING = Recipe(epochs=10, learning_rate=3e-4)  # of a network that knows something already


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch of training."""

    epoch: int  # 1-based
    loss: float  # mean cross-entropy over the epoch's training images, dropout on
    train_accuracy: float  # [0, 1], over the epoch's augmented images, dropout on
    test_accuracy: float | None  # [0, 1]
    images_per_second: float


def train(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    recipe: Recipe = Recipe(),
    architecture: Architecture = CIFAR10_CNN,
    network: Network | None = None,
    state_path: Path | None = None,
    report: Callable[[Epoch], None] = lambda epoch: None,
    tick: Callable[[int, int, float], None] = lambda epoch, images_done, loss: None,
) -> Network:
    """Train a network on images (N, H, W, C) uint8 and labels (N,).

    It is a new one of the architecture, or one that is given, whose statistics (batch normalization) stay.
    With `state_path`, the whole state is saved there after each epoch, and a run of the same recipe on
    as many images resumes from it. `tick` is called during an epoch, `report` after each epoch.
    Raises ValueError for a state of another recipe, too few images for one batch, or a batch size that is no
    multiple of the number of devices.
    """
    devices = jax.local_devices()
    steps = len(images) // recipe.batch_size
    if steps < 1 or recipe.batch_size % len(devices):
        raise ValueError(
            f"batch size {recipe.batch_size} must be at most the {len(images)} images "
            f"and a multiple of the {len(devices)} devices"
        )
    given = network
    network = network or Network(architecture, rngs=nnx.Rngs(recipe.seed))
    graph, *states = nnx.split(network, nnx.Param, ...)
    params, statistics = states
    optimizer = _optimizer(recipe, steps)
    optimizer_state = optimizer.init(params)
    identity = {**asdict(recipe), "images": len(images), "architecture": to_json(network.architecture)}
    if given is not None:
        identity["network"] = checkpoint.of_network(given, {}).sha256
    start = 0
    if state_path and state_path.exists():
        start, (params, optimizer_state) = _restore(state_path, identity, (params, optimizer_state))

    root = jax.random.key(recipe.seed)

    @jax.jit
    def gradients(params: Any, images: jax.Array, labels: jax.Array, place: jax.Array) -> tuple[Any, ...]:
        key = root
        for number in place:  # epoch, step, device: folded in here, as outside it would wait for the device
            key = jax.random.fold_in(key, number)

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            logits = nnx.merge(graph, params, statistics)(to_float(images), dropout_key=key)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), (logits.argmax(-1) == labels).sum()

        (value, correct), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return gradient, value, correct

    @jax.jit
    def update(params: Any, optimizer_state: Any, shares: Sequence[Any]) -> tuple[Any, Any]:
        mean = jax.tree.map(lambda *parts: sum(parts[1:], parts[0]) / len(parts), *shares)
        with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an integer count
            updates, optimizer_state = optimizer.update(mean, optimizer_state, params)
        return optax.apply_updates(params, updates), optimizer_state

    for epoch in range(start, recipe.epochs):
        began, losses, corrects = time.perf_counter(), [], []
        batches = augmented_batches(images, labels, recipe, epoch)
        for step, (batch, target) in enumerate(batches, start=1):
            shares = []
            for index, device in enumerate(devices):
                part = slice(index * len(batch) // len(devices), (index + 1) * len(batch) // len(devices))
                place = np.array([epoch, step, index], np.uint32)
                inputs = (params, batch[part], target[part], place)
                gradient, loss, correct = gradients(*jax.device_put(inputs, device))
                shares.append(gradient)
                losses.append(loss)
                corrects.append(correct)
            params, optimizer_state = update(params, optimizer_state, jax.device_put(shares, devices[0]))
            if step % 50 == 0 or step == steps:
                tick(epoch + 1, step * recipe.batch_size, float(losses[-1]))
        seconds = time.perf_counter() - began
        seen = steps * recipe.batch_size
        network = nnx.merge(graph, params, statistics)
        report(
            Epoch(
                epoch + 1,
                float(np.mean([float(loss) for loss in losses])),
                sum(int(correct) for correct in corrects) / seen,
                accuracy(network, *test) if test else None,
                seen / seconds,
            )
        )
        if state_path:
            _save_state(state_path, epoch + 1, identity, (params, optimizer_state))
    trained: Network = nnx.merge(graph, params, statistics)
    return trained


def epochs_done(state_path: Path) -> int:
    """How many epochs a saved state has completed; 0 where there is none."""
    return int(weights_npz.unpack(state_path.read_bytes(), state_path)["epoch"]) if state_path.exists() else 0


def augmented_batches(
    images: np.ndarray, labels: np.ndarray, recipe: Recipe, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch's full batches, shuffled, shifted (edges repeated) and flipped; the same for one seed."""
    random = np.random.default_rng([recipe.seed, epoch])
    order, size, (height, width) = random.permutation(len(images)), recipe.batch_size, images.shape[1:3]
    rows, columns = np.arange(height, dtype=np.int64), np.arange(width, dtype=np.int64)
    for first in range(0, len(order) - size + 1, size):
        chosen = order[first : first + size]
        shift = random.integers(-recipe.shift, recipe.shift + 1, (2, size, 1))
        from_rows = np.clip(rows[None] + shift[0], 0, height - 1)
        from_columns = np.clip(columns[None] + shift[1], 0, width - 1)
        if recipe.flip:
            flipped = random.random((size, 1)) < 0.5
            from_columns = np.where(flipped, from_columns[:, ::-1], from_columns)
        yield images[chosen[:, None, None], from_rows[:, :, None], from_columns[:, None, :]], labels[chosen]


def _optimizer(recipe: Recipe, steps: int) -> optax.GradientTransformation:
    schedule = optax.cosine_onecycle_schedule(recipe.epochs * steps, recipe.learning_rate, pct_start=0.2)
    return optax.adamw(
        schedule, weight_decay=recipe.weight_decay, mask=lambda tree: jax.tree.map(_is_kernel, tree)
    )


def _is_kernel(parameter: jax.Array) -> bool:
    return parameter.ndim > 1  # biases are not decayed


def _save_state(path: Path, epoch: int, identity: dict[str, Any], state: Any) -> None:
    leaves = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(state))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, weights_npz.pack({"epoch": epoch, "recipe": json.dumps(identity), **leaves}))


def _restore(path: Path, identity: dict[str, Any], template: Any) -> tuple[int, Any]:
    arrays = weights_npz.unpack(path.read_bytes(), path)
    saved = json.loads(str(arrays.get("recipe", "{}")))
    if saved != json.loads(json.dumps(identity)):
        different = sorted(key for key in identity if saved.get(key) != json.loads(json.dumps(identity[key])))
        raise ValueError(
            f"training state {path} belongs to another recipe (it differs in {', '.join(different)}); "
            "give the same options to resume, or another --output to begin anew"
        )
    leaves, structure = jax.tree.flatten(template)
    restored = [jnp.asarray(arrays[f"leaf{index}"]) for index in range(len(leaves))]
    return int(arrays["epoch"]), jax.tree.unflatten(structure, restored)
