"""`xpixels train`: train on a data set, write weights and a log, show progress."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from model.data.registry import add_dataset_option
from model.network import store
from model.network.chosen import METAVAR, find, images_of_source, is_function, require_fit
from model.network.foreign import name_layer
from whole_file import FORCE, require_place

if TYPE_CHECKING:
    from model.data.registry import DataSource
    from model.network.cnn import Network
    from model.network.train import Recipe

RECIPE_OPTIONS = {
    "epochs": (int, "passes over the training images"),
    "batch_size": (int, "images per step"),
    "learning_rate": (float, "peak of the one-cycle schedule"),
    "weight_decay": (float, "of AdamW, applied to kernels only"),
    "seed": (int, "of initial weights, order of images, augmentation and dropout"),
}
FOLDER = Path("checkpoints")


class Start(NamedTuple):
    """What a training begins with."""

    network: Network | None  # None: a new one
    architecture: Any
    notes: list[str]  # what was changed to fit the data set
    facts: dict[str, Any]  # that stay true of the trained network


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `xpixels train`; the recipe's defaults are in `model.network.train.Recipe`."""
    add_dataset_option(parser)
    help = (
        "a stored network or a file to train on (default: a new network, like cifar10-cnn, for the data set)"
    )
    parser.add_argument("--network", metavar=METAVAR.rpartition("|")[0], help=help)
    help = "store the network by this name when it is trained, see `xpixels network list`"
    parser.add_argument("--name", help=help)
    parser.add_argument(
        "--output",
        type=_weights_file,
        metavar="FILE",
        help=f"weights to write, FILE.safetensors; .log and .state.npz go beside it (default: {FOLDER}/NAME"
        ".safetensors)",
    )
    parser.add_argument("--force", action="store_true", help="let --output and --name replace what is there")
    help = "flip half of the images left to right (default: color images, not gray ones)"
    parser.add_argument("--flip", action=argparse.BooleanOptionalAction, help=help)
    for name, (kind, text) in RECIPE_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)


def _weights_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != store.SUFFIX:
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in {store.SUFFIX}")
    return path


def train(options: argparse.Namespace) -> None:
    """Train by the recipe and write weights and log; resumes a stopped training.

    Raises FileExistsError where the files exist and do not belong to a training to resume, ValueError for a
    network that does not fit to the data set.
    """
    from model import devices
    from model.data import registry
    from model.network import checkpoint
    from model.network import train as training
    from model.network.cnn import accuracy
    from model.progress import progress

    source = registry.source(options.dataset)
    name = _name(options)
    output = options.output or FOLDER / f"{name}{store.SUFFIX}"
    recipe = _recipe(options, source)
    devices.use_all_cores(recipe.batch_size)
    state, log = output.with_suffix(".state.npz"), output.with_suffix(".log")
    output.parent.mkdir(parents=True, exist_ok=True)
    if not state.exists():  # nothing to resume: existing files are not ours
        if log.exists() and not log.stat().st_size:  # from a training stopped in its first epoch
            log.unlink()
        for path in (output, log):
            require_place(path, replace=options.force, way_out=FORCE)
        if options.name:
            store.require_free(name, replace=options.force)
    start = _start(options, source, name, recipe.seed)
    images, test = registry.load(options.dataset, "train"), registry.load(options.dataset, "test")
    if not state.exists():
        log.unlink(missing_ok=True)
    for line in (_plan(options, name, recipe), *start.notes):
        print(line, flush=True)
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
            architecture=start.architecture,
            network=start.network,
            state_path=state,
            report=report,
            tick=tick,
        )
        correct = accuracy(network, test.images, test.labels)
        print(f"test accuracy {correct:.4f} on {len(test)} images", file=lines)
    facts = {
        **start.facts,
        "dataset": options.dataset,
        "class_names": list(test.class_names),
        "test_accuracy": correct,
        "training": asdict(recipe),
    }
    checkpoint.save(output, network, **facts)
    print(f"{output}: test accuracy {correct:.4f} on {len(test)} images; log in {log}")
    if options.name:
        store.put(checkpoint.of_network(network, facts), name, replace=options.force)
        print(f"use it with --network {name}")


def _name(options: argparse.Namespace) -> str:
    """What the network is called: as asked, as its file, or after what it is trained on."""
    if options.name:
        store.require_name(options.name)
        return str(options.name)
    if options.output:
        return name_layer(options.output.stem, ())
    if options.network:
        return name_layer(f"{Path(options.network).stem}-{options.dataset}", ())
    return name_layer(f"{options.dataset}-trained", ())


def _recipe(options: argparse.Namespace, source: DataSource) -> Recipe:
    from model.network.train import FINE_TUNING, Recipe

    usual = FINE_TUNING if options.network else Recipe()
    height, width, channels = source.image_shape
    changed = {name: getattr(options, name) for name in RECIPE_OPTIONS if getattr(options, name) is not None}
    flip = channels > 1 if options.flip is None else options.flip
    return replace(usual, shift=round(min(height, width) / 10), flip=flip, **changed)


def _start(options: argparse.Namespace, source: DataSource, name: str, seed: int) -> Start:
    """The network to train on, or the architecture of a new one. Raises ValueError where it does not fit."""
    from model.network import adapt, checkpoint

    classes = len(source.class_names)
    if not options.network:
        architecture, notes = adapt.fitted(name, source.image_shape, classes)
        return Start(None, architecture, notes, {})
    if is_function(options.network):
        raise ValueError(
            f"--network {options.network}: the layers of a Python function are not known, so it cannot be "
            "trained here: expected a name or a file"
        )
    loaded = checkpoint.load(find(options.network))
    require_fit(loaded, images_of_source(source), classes=False)
    network, notes = adapt.with_classes(loaded.network, name, classes, seed)
    before = {"name": loaded.network.architecture.name, "sha256": loaded.sha256}
    facts = {"fine_tuned_from": before}
    if "origin" in loaded.facts:
        facts["origin"] = loaded.facts["origin"]
    return Start(network, network.architecture, notes, facts)


def _plan(options: argparse.Namespace, name: str, recipe: Recipe) -> str:
    what = f"fine-tuning {options.network} as" if options.network else "training"
    flips = "flips and " if recipe.flip else ""
    return (
        f"{what} {name} on {options.dataset}: {recipe.epochs} epochs, peak rate {recipe.learning_rate:g}, "
        f"{flips}shifts of up to {recipe.shift} pixels"
    )
