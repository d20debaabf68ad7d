"""`xpixels network add | list | show | remove | export`: the networks that there are, and one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from model.network import store
from model.network.architecture import Pixels
from text_table import aligned


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `xpixels network add`."""
    from model.network.readers import SUPPORTED

    parser.epilog = f"What is read: {SUPPORTED}. A pickle is never opened."
    parser.add_argument("file", type=Path, metavar="FILE", help="the file with the network")
    parser.add_argument("--name", required=True, help="what to call the network, here and in the database")
    parser.add_argument(
        "--scale",
        choices=("unit", "byte"),
        help="pixels that the network expects: in 0..1, or bytes in 0..255 (default: unit)",
    )
    for name, what in (("mean", "is subtracted from"), ("std", "divides")):
        parser.add_argument(
            f"--{name}",
            type=float,
            nargs="+",
            metavar="NUMBER",
            help=f"what {what} the pixels in that scale: one number, or one a channel (default: none)",
        )
    help = "order of the channels that the network, --mean and --std expect (default: rgb)"
    parser.add_argument("--channels", choices=("rgb", "bgr"), help=help)
    help = "names of the classes in the network's order; a data set then has to have the same"
    parser.add_argument("--classes", nargs="+", default=(), metavar="NAME", help=help)


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of `xpixels network export`."""
    add_name_argument(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write, FILE.safetensors")
    parser.add_argument("--force", action="store_true", help="let FILE replace one that is there")


def add_name_argument(parser: argparse.ArgumentParser) -> None:
    """The argument of `xpixels network remove`."""
    parser.add_argument("name", metavar="NAME", help="a network, see `xpixels network list`")


def add_show_argument(parser: argparse.ArgumentParser) -> None:
    """The argument of `xpixels network show`."""
    help = "a network, see `xpixels network list`, or a file with one"
    parser.add_argument("network", metavar="NAME|FILE", help=help)


def run_add(options: argparse.Namespace) -> None:
    """Add a network, and say what it is and what was recognized."""
    from model.network import summary

    file, pixels = options.file.expanduser(), _pixels(options)
    added = store.add(file, options.name, pixels=pixels, class_names=options.classes)
    if not added.new:
        digest = added.loaded.sha256[:12]
        print(f"{options.name} is there already, the same to the last byte (SHA-256 {digest})")
        return
    print(f"{options.name}: {summary.size_in_words(added.loaded.network.architecture)}")
    print("\n".join(f"  {line}" for line in aligned(summary.facts(added.loaded))))
    print(f"it is in {added.path}; use it with --network {options.name}")


def run_list(_options: argparse.Namespace) -> None:
    """Print a table of all networks."""
    from model.network import summary
    from model.network.description import from_json

    rows: list[tuple[str, ...]] = [("NAME", "IMAGES", "CLASSES", "LAYERS", "PARAMETERS", "SOURCE")]
    for name in store.names():
        try:
            description = store.read_description(name)
            architecture = from_json(description["architecture"])
        except (ValueError, KeyError, TypeError, OSError):
            rows.append((name, "-", "-", "-", "-", f"damaged: see `xpixels network show {name}`"))
            continue
        counts = (architecture.classes, len(architecture.layers), summary.parameter_count(architecture))
        source = "ships with the code" if name == store.BUNDLED else summary.source_in_words(description)
        images = summary.images_in_words(architecture.input_shape)
        rows.append((name, images, *(f"{count:,}" for count in counts), source))
    print("\n".join(aligned(rows, right=(2, 3, 4))))


def run_show(options: argparse.Namespace) -> None:
    """Print what is known about a network."""
    from model.network import checkpoint, summary
    from model.network.chosen import find

    loaded = checkpoint.load(find(options.network))
    architecture = loaded.network.architecture
    named = [("name", architecture.name), ("network", summary.size_in_words(architecture))]
    facts = [*named, *summary.facts(loaded), ("digest", f"SHA-256 {loaded.sha256}")]
    print("\n".join(aligned(facts)))
    print()
    print("\n".join(aligned(summary.layer_rows(architecture), right=(4, 5))))


def run_remove(options: argparse.Namespace) -> None:
    """Remove a network. Raises LookupError for one that was not added."""
    folder = store.remove(options.name)
    print(f"{options.name} is removed from {folder}; what databases hold of it stays")


def run_export(options: argparse.Namespace) -> None:
    """Write a network to a file of its own."""
    from model.network import summary

    loaded = store.export(options.name, options.file, replace=options.force)
    print(f"{options.file}: {summary.size_in_words(loaded.network.architecture)}")


def _pixels(options: argparse.Namespace) -> Pixels | None:
    given = (options.scale, options.mean, options.std, options.channels)
    if given == (None, None, None, None):
        return None
    usual = Pixels()
    return Pixels(
        options.scale or usual.scale,
        tuple(options.mean or usual.mean),
        tuple(options.std or usual.std),
        options.channels or usual.channels,
    )
