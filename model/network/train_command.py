"""`xpixels train`: train on a data set, write weights and a log, show progress."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from model.data.registry import add_dataset_option
from whole_file import FORCE, require_place

RECIPE_OPTIONS = {
    "epochs": (int, "passes over the training images"),
    "batch_size": (int, "images per step"),
    "learning_rate": (float, "peak of the one-cycle schedule"),
    "weight_decay": (float, "of AdamW, applied to kernels only"),
    "seed": (int, "of initial weights, order of images, augmentation and dropout"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `xpixels train`; the recipe's defaults are in `model.network.train.Recipe`."""
    add_dataset_option(parser)
    parser.add_argument(
        "--output",
        type=_weights_file,
        default=Path("checkpoints/cifar10-cnn.npz"),
        metavar="FILE",
        help="weights to write, FILE.npz; .json, .log and .state.npz go beside it (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="let --output replace files that are there")
    for name, (kind, text) in RECIPE_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)


def _weights_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".npz":
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in .npz")
    return path


def train(options: argparse.Namespace) -> None:
    """Train by the recipe and write weights, description and log; resumes a stopped training.

    Raises FileExistsError where the files exist and do not belong to a training to resume.
    """
    from model import devices
    from model.data import registry
    from model.network import checkpoint
    from model.network import train as training
    from model.network.cnn import accuracy
    from model.progress import progress

    changed = {name: getattr(options, name) for name in RECIPE_OPTIONS if getattr(options, name) is not None}
    recipe = replace(training.Recipe(), **changed)
    devices.use_all_cores(recipe.batch_size)
    state, log = options.output.with_suffix(".state.npz"), options.output.with_suffix(".log")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if not state.exists():  # nothing to resume: existing files are not ours
        if log.exists() and not log.stat().st_size:  # from a training stopped in its first epoch
            log.unlink()
        for path in (options.output, options.output.with_suffix(".json"), log):
            require_place(path, replace=options.force, way_out=FORCE)
    images, test = registry.load(options.dataset, "train"), registry.load(options.dataset, "test")
    if not state.exists():
        log.unlink(missing_ok=True)
    total, done = recipe.epochs * len(images), training.epochs_done(state) * len(images)
    with progress("training", total, "images", done=done) as meter, log.open("a", encoding="utf-8") as lines:

        def report(epoch: training.Epoch) -> None:
            line = (
                f"epoch {epoch.epoch:3d}/{recipe.epochs}  loss {epoch.loss:.4f}  "
                f"train accuracy {epoch.train_accuracy:.4f}  test accuracy {epoch.test_accuracy:.4f}  "
                f"{epoch.images_per_second:.0f} images/s"
            )
            print(line, file=lines, flush=True)
            meter.to(epoch.epoch * len(images), f"test accuracy {epoch.test_accuracy:.4f}")

        def tick(epoch: int, done: int, loss: float) -> None:
            meter.to((epoch - 1) * len(images) + done, f"loss {loss:.3f}")

        network = training.train(
            images.images,
            images.labels,
            test=(test.images, test.labels),
            recipe=recipe,
            state_path=state,
            report=report,
            tick=tick,
        )
        correct = accuracy(network, test.images, test.labels)
        print(f"test accuracy {correct:.4f} on {len(test)} images", file=lines)
    checkpoint.save(
        options.output, network, dataset=options.dataset, test_accuracy=correct, training=asdict(recipe)
    )
    print(f"{options.output}: test accuracy {correct:.4f} on {len(test)} images; log in {log}")
