"""`--network NAME_OR_FILE_OR_FUNCTION`: one option, one way to find what it names, one check that it fits.

A name is that of the store (`model.network.store`), which is also the name in the database. Where a file and
a stored network have one name, the stored one is meant, and `./NAME` is the file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from model.network import store
from model.network.cifar10_cnn import WEIGHTS
from model.network.refusal import CheckpointError
from model.network.sliding import Shape

if TYPE_CHECKING:
    from model.data.dataset import Dataset
    from model.data.registry import DataSource
    from model.network.checkpoint import Checkpoint

METAVAR = "NAME|FILE|FUNCTION"
HELP = (
    "a network of `xpixels network list`; a file: .safetensors, .h5, .keras, .onnx; or "
    "package.module:function of your own, which JAX can trace (default: the bundled one)"
)


class Images(NamedTuple):
    """What a network has to fit to: images of one shape, and their classes."""

    dataset: str  # name
    shape: Shape  # (H, W, C)
    class_names: tuple[str, ...]


def add_network_option(parser: argparse.ArgumentParser, *, weights: bool = True) -> None:
    """Add the option `--network` to a command. weights: also `--weights`, its name before version 0.7."""
    parser.add_argument("--network", metavar=METAVAR, help=HELP)
    if weights:
        parser.add_argument("--weights", dest="network", help=argparse.SUPPRESS)


def images_of(dataset: Dataset) -> Images:
    """What a network has to fit to, of a loaded split."""
    return Images(dataset.name, tuple(dataset.images.shape[1:]), tuple(dataset.class_names))


def images_of_source(source: DataSource) -> Images:
    """The same of a data set that is not loaded."""
    return Images(source.name, source.image_shape, tuple(source.class_names))


def is_function(text: str) -> bool:
    """Whether a text names a Python function, and no file that is there."""
    from model.network import function  # imports JAX

    return function.is_function(text) and not Path(text).exists()


def find(chosen: str | Path | None) -> Path:
    """The file of a network that is named by a name or a path; None is the bundled one.

    Raises LookupError where there is neither.
    """
    if chosen is None or chosen == "":
        return WEIGHTS
    if isinstance(chosen, str) and chosen in store.names():
        return store.find(chosen)
    path = Path(chosen).expanduser()
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    raise LookupError(
        f"network {chosen}: none of this name, and no such file: there are {', '.join(store.names())}; add "
        "your own with `xpixels network add FILE --name NAME`, or give a file, or package.module:function"
    )


def load(chosen: str | Path | None, images: Images) -> Checkpoint:
    """The network that is named, fit for these images.

    Raises LookupError for an unknown name; CheckpointError and ForeignError for what is no network, or for
    images of another shape or of other classes: one line, with both and the way out.
    """
    from model.network import checkpoint, function

    if isinstance(chosen, str) and is_function(chosen):
        return function.load(chosen, images.shape, len(images.class_names))
    loaded = checkpoint.load(find(chosen))
    require_fit(loaded, images)
    return loaded


def require_fit(loaded: Checkpoint, images: Images, *, classes: bool = True) -> None:
    """Check that a network takes images of this shape, and, with `classes`, that it knows their classes.

    Raises CheckpointError in one line with both, and the way out.
    """
    architecture = loaded.network.architecture
    if architecture.input_shape != images.shape:
        height, width, channels = architecture.input_shape
        size = f"--resize {height} {width}" if (height, width) != images.shape[:2] else ""
        colors = f"--colors {'gray' if channels == 1 else 'rgb'}" if channels != images.shape[2] else ""
        raise CheckpointError(
            f"network {architecture.name} takes images of {_words(architecture.input_shape)}, the data set "
            f"{images.dataset} has images of {_words(images.shape)}: give another --dataset or --network, or "
            f"make such images with `xpixels data add {f'{size} {colors}'.strip()}`"
        )
    if not classes:
        return
    if architecture.classes != len(images.class_names):
        raise CheckpointError(
            f"network {architecture.name} tells {architecture.classes} classes apart, the data set "
            f"{images.dataset} has {len(images.class_names)}: give another --dataset or --network, or fit "
            f"its last layer: `xpixels train --network {architecture.name} --dataset {images.dataset}`"
        )
    _require_names(architecture.name, loaded.class_names, images)


def portable(chosen: str | Path | None) -> str:
    """The text that names the same network to a process in another folder; "" is the bundled one."""
    if chosen is None or chosen == WEIGHTS:
        return ""
    if isinstance(chosen, str) and (chosen in store.names() or is_function(chosen)):
        return chosen
    return str(find(chosen).absolute())


def _require_names(network: str, names: Sequence[str], images: Images) -> None:
    if not names or tuple(names) == images.class_names:
        return
    place, name, other = next(
        (place, name, other)
        for place, (name, other) in enumerate(zip(names, images.class_names, strict=True))
        if name != other
    )
    raise CheckpointError(
        f"network {network} calls class {place} {name!r}, the data set {images.dataset} {other!r}: expected "
        "the same classes in the same order; a network without names of classes (`xpixels network add` "
        "without --classes) takes any of their number"
    )


def _words(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{height} x {width} pixels in {channels} channel{'s' if channels > 1 else ''}"
