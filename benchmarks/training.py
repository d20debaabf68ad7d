"""Images per second of training: plain JAX, our forms of its slow operations, and one device a core.

    python -m benchmarks.training [--images N]

Each figure comes from a process of its own, since the number of devices is fixed once JAX has begun.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

VARIANTS = {
    "plain JAX, one device": ("plain", "one"),
    "our pool and convolutions, one device": ("ours", "one"),
    "our pool and convolutions, one device a core": ("ours", "all"),
}


def measure(forms: str, devices: str, images: int) -> float:
    """Images per second of the second of two epochs: the first one compiles."""
    from jax import lax

    from model import devices as cores
    from model.network import cnn, train

    if devices == "all":
        cores.use_all_cores(train.Recipe().batch_size)
    if forms == "plain":
        cnn.convolve = lax.conv_general_dilated
        cnn.max_pool = lambda x, window: lax.reduce_window(
            x, -np.inf, lax.max, (1, window, window, 1), (1, window, window, 1), "VALID"
        )
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (images, 32, 32, 3), np.uint8)
    labels = random.integers(0, 10, images).astype(np.int32)
    epochs: list[train.Epoch] = []
    train.train(pictures, labels, recipe=train.Recipe(epochs=2), report=epochs.append)
    return epochs[-1].images_per_second


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=3200)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(f"{measure(*options.one, options.images):.0f}")
        return
    for title, variant in VARIANTS.items():
        command = [
            sys.executable,
            "-m",
            "benchmarks.training",
            "--images",
            str(options.images),
            "--one",
            *variant,
        ]
        folder = Path(__file__).parents[1]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=folder)
        print(f"{title}: {result.stdout.strip()} images/s", flush=True)


if __name__ == "__main__":
    main()
