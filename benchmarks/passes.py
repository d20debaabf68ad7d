"""Evaluations per second of the plain pass and of the incremental pass in its two forms, in one run.

    python -m benchmarks.passes [--network NAME_OR_FILE] [--one-device] [--seconds S]

Plain: the compiled forward pass of the same network, its inputs ready, in batches of several sizes; the
fastest is what the others are held against. Grouped: candidates that share a position, eight colors of
several images, as the sweep has them; at all positions by one program, and by programs for parts of the
image, as in long sweeps. Scattered: candidates at positions of their own, as differential evolution has
them; one, three and five pixels.

On a CPU there is one device a core, as in the ingest; with --one-device there is one on all cores. Rates are
the best of five rounds: other work on the machine only makes them smaller. By default the network is that of
the paper.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np
from flax import nnx

from model import devices
from model.attacks.step import logits_of
from model.attacks.sweep import color_grid
from model.attacks.sweep_step import positions, remember
from model.network import checkpoint, cnn, store
from model.network.cifar10_cnn import CIFAR10_CNN
from model.network.incremental_pass import incremental
from model.network.plan import parts, plan

ROUNDS = 5


def rate(work: Sequence[Callable[[], jax.Array]], count: int, seconds: float) -> float:
    """Evaluations per second of work on all devices at once, `count` on each; the best of some rounds."""
    jax.block_until_ready([one() for one in work])
    began = time.perf_counter()
    jax.block_until_ready([one() for one in work])
    repeats = max(1, round(seconds / ROUNDS / (time.perf_counter() - began)))
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        jax.block_until_ready([one() for _ in range(repeats) for one in work])
        best = max(best, repeats * len(work) * count / (time.perf_counter() - began))
    return best


def on_devices(make: Callable[[jax.Device], Callable[[], jax.Array]]) -> list[Callable[[], jax.Array]]:
    return [make(device) for device in jax.local_devices()]


def plain(function, images: np.ndarray, seconds: float) -> float:
    def make(device: jax.Device):
        return partial(logits_of, *jax.device_put((function, images), device))

    return rate(on_devices(make), len(images), seconds)


def grouped(function, images: np.ndarray, some_parts: Sequence[tuple], seconds: float) -> float:
    """Evaluations per second of whole sweeps of a block of images."""
    labels, colors = np.zeros(len(images), np.int32), color_grid(channels=images.shape[3])

    def make(device: jax.Device):
        inputs = jax.device_put((function, images, labels, colors), device)
        memory = remember(*inputs[:2])
        return lambda: [positions(inputs[0], memory, *inputs[1:], *part) for part in some_parts]

    return rate(on_devices(make), len(images) * images.shape[1] * images.shape[2] * len(colors), seconds)


def scattered(function, image: np.ndarray, count: int, pixels: int, seconds: float) -> float:
    random = np.random.default_rng(0)
    height, width, channels = image.shape[1:]
    upper = [height, width, *[256] * channels]
    candidates = random.integers(0, upper, (count, pixels, len(upper))).astype(np.int32)

    def make(device: jax.Device):
        inputs = jax.device_put((function, image, candidates), device)
        memory = remember(*inputs[:2])
        return lambda: changed(inputs[0], memory, inputs[2])

    return rate(on_devices(make), count, seconds)


@jax.jit
def changed(function, memory, candidates):
    return function.changed(memory, candidates)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", help="the name of a stored network, or its file")
    parser.add_argument("--one-device", action="store_true")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    options = parser.parse_args(arguments)
    if not options.one_device:
        devices.use_all_cores()
    network = cnn.Network(CIFAR10_CNN, rngs=nnx.Rngs(0))
    if options.network:
        network = checkpoint.load(store.find(options.network)).network
    architecture, function = network.architecture, incremental(network)
    height, width, channels = architecture.input_shape
    images = np.random.default_rng(0).integers(0, 256, (256, height, width, channels), np.uint8)
    seconds = options.seconds

    count = len(jax.local_devices())
    print(f"{jax.default_backend()}, {count} {'device' if count == 1 else 'devices'}")
    found = {size: plain(function.plain, images[:size], seconds) for size in (32, 64, 128, 256)}
    base = max(found.values())
    for size, value in found.items():
        print(f"plain, batch of {size}: {value:,.0f}/s")
    full = architecture.multiply_adds()
    whole = [((0, height), (0, width))]
    cut = [(row, column) for row in parts(architecture)[0] for column in parts(architecture)[1]]
    cost = sum((r[1] - r[0]) * (c[1] - c[0]) * plan(architecture, r, c).multiply_adds() for r, c in cut) / (
        height * width
    )
    for size in (1, 2, 4, 8, 16):
        value = grouped(function, images[:size], whole, seconds)
        print(
            f"grouped, {size} images x 8 colors: {value:,.0f}/s, {value / base:.1f} times plain", flush=True
        )
    value = grouped(function, images[:8], cut, seconds)
    print(
        f"grouped, 8 images x 8 colors, in {len(cut)} parts: {value:,.0f}/s, {value / base:.1f} times plain"
    )
    fewer = full / plan(architecture).multiply_adds()
    print(f"  (operations: {fewer:.1f} times fewer, in parts {full / cost:.1f})")
    for pixels in (1, 3, 5):
        for size in (50, 100, 200, 400):
            value = scattered(function, images[:1], size, pixels, seconds)
            name = f"scattered, {pixels} {'pixel' if pixels == 1 else 'pixels'}, batch of {size}"
            print(f"{name}: {value:,.0f}/s, {value / base:.1f} times plain", flush=True)
        less = full / plan(architecture).multiply_adds(pixels, scattered=True)
        print(f"  (operations: {less:.1f} times fewer)")
    again = plain(function.plain, images[: max(found, key=found.get)], seconds)
    print(f"plain once more: {again:,.0f}/s")


if __name__ == "__main__":
    main()
