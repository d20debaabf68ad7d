"""Evaluations per second of the one-pixel attack beside the plain compiled forward pass, in one run.

    python -m benchmarks.attack [--images N] [--population P] [--generations G] [--chunk C] [--batch-size B]

The network has random weights: the speed does not depend on them. Images whose attack succeeds leave early;
the figure counts the candidates that were evaluated. Rates are given per second and per second of processor
time, all cores together: the latter can be compared also when other work shares the machine.
"""

import argparse
import time
from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from model import cnn, layers
from model.attack import attack_stream
from model.attack_step import logits_of


class Rate:
    """How many evaluations a second of the clock and a second of processor time."""

    def __init__(self, work: Callable[[], int]) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        count = work()
        self.wall = count / (time.perf_counter() - wall)
        self.processor = count / (time.process_time() - processor)

    def __str__(self) -> str:
        return f"{self.wall:,.0f}/s, {self.processor:,.0f} a processor second"


def forward(function, candidates: int, chunk: int) -> Rate:
    """The compiled forward pass over chunks whose inputs are there already; the best of three."""
    images = np.random.default_rng(0).integers(0, 256, (chunk, 32, 32, 3), np.uint8)
    logits_of(function, images).block_until_ready()

    def work() -> int:
        for _ in range(candidates // chunk):
            result = logits_of(function, images)
        result.block_until_ready()
        return candidates // chunk * chunk

    return max((Rate(work) for _ in range(3)), key=lambda rate: rate.processor)


def attack(function, images: np.ndarray, **options) -> tuple[Rate, float]:
    """The attack after compilation, and the share of images it fooled."""
    labels = np.asarray(function(images.astype(np.float32) / np.float32(255))).argmax(1)
    results = []

    def work() -> int:
        results[:] = attack_stream(function, images, labels, key=jax.random.key(0), **options)
        return int(sum(result.queries.sum() for _, result in results))

    Rate(
        lambda: sum(
            1
            for _ in attack_stream(
                function, images[:1], labels[:1], key=jax.random.key(0), **options | {"generations": 0}
            )
        )
    )
    rate = Rate(work)
    return rate, np.concatenate([result.success for _, result in results]).mean()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--population", type=int, default=400)
    parser.add_argument("--generations", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--strategy", default="rand/1")
    options = vars(parser.parse_args(arguments))
    function = cnn.logits_function(cnn.Network(layers.CIFAR10_CNN, rngs=nnx.Rngs(0)))
    count = options.pop("images")
    images = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), np.uint8)
    size = -(-options["population"] // -(-options["population"] // options["chunk"]))
    before = forward(function, 6400, size)
    rate, fooled = attack(function, images, **options)
    after = forward(function, 6400, size)
    print(f"forward pass, {size} at a time: {before} before; {after} after")
    print(f"attack: {rate}; {fooled:.0%} of {count} images fooled")
    print(f"overhead in processor time: {1 - 2 * rate.processor / (before.processor + after.processor):.0%}")


if __name__ == "__main__":
    main()
