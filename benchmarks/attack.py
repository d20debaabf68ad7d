"""Evaluations per second of the one-pixel attack beside the plain compiled forward pass, in one run.

    python -m benchmarks.attack [--images N] [--population P] [--generations G] [--chunk C] [--batch-size B]

The network has random weights unless a checkpoint is named: the speed does not depend on them. Images whose
attack succeeds leave early; the figure counts the candidates that were evaluated.
"""

import argparse
import time

import jax
import numpy as np
from flax import nnx

from model import cnn, layers
from model.attack import attack_stream
from model.attack_step import logits_of


def forward_rate(function, candidates: int, chunk: int) -> float:
    """Images a second of the compiled forward pass over chunks, best of three, inputs already painted."""
    images = np.random.default_rng(0).integers(0, 256, (chunk, 32, 32, 3), np.uint8)
    logits_of(function, images).block_until_ready()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(candidates // chunk):
            result = logits_of(function, images)
        result.block_until_ready()
        seconds.append(time.perf_counter() - began)
    return candidates // chunk * chunk / min(seconds)


def attack_rate(function, images: np.ndarray, **options) -> tuple[float, float]:
    """Evaluations a second of the attack after compilation, and the share of images it fooled."""
    labels = np.asarray(function(images.astype(np.float32) / np.float32(255))).argmax(1)
    last = []
    results = list(
        attack_stream(function, images, labels, key=jax.random.key(0), progress=last.append, **options)
    )
    success = np.concatenate([result.success for _, result in results])
    return last[-1].evaluations / last[-1].seconds, success.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--population", type=int, default=400)
    parser.add_argument("--generations", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--strategy", default="rand/1")
    options = vars(parser.parse_args())
    function = cnn.logits_function(cnn.Network(layers.CIFAR10_CNN, rngs=nnx.Rngs(0)))
    count = options.pop("images")
    images = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), np.uint8)
    size = -(-options["population"] // -(-options["population"] // options["chunk"]))
    before = forward_rate(function, 6400, size)
    attack, fooled = attack_rate(function, images, **options)
    after = forward_rate(function, 6400, size)
    print(f"forward pass, chunks of {size}: {before:,.0f} before, {after:,.0f} after (images/s)")
    print(f"attack: {attack:,.0f} evaluations/s, {fooled:.0%} of {count} images fooled")
    print(f"overhead of the attack against the faster: {1 - attack / max(before, after):.0%}")


if __name__ == "__main__":
    main()
