"""`xpixels data add | list | show | remove`: the data sets that there are, and those of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from model.data.pictures.sizes import RESIZES, STRETCH
from text_table import aligned


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `xpixels data add`."""
    from model.data.convert import COLORS
    from model.data.formats.register import supported

    parser.epilog = f"What is read: {supported()}. A pickle is never opened.".replace("%", "%%")
    parser.add_argument("name", metavar="NAME", help="what to call the data set")
    parser.add_argument("path", metavar="PATH", help="the file or folder with its images and labels")
    help = "the share of each class that is for training, as 0.8, where the files have no test images"
    parser.add_argument("--split", type=float, metavar="SHARE", help=help)
    parser.add_argument("--seed", type=int, metavar="N", help="of the draw that --split makes (default: 0)")
    help = "resize all images to these rows and columns: a shrunk side is averaged (box), a grown one bicubic"
    parser.add_argument("--resize", nargs=2, type=int, metavar=("H", "W"), help=help)
    ways = "; ".join(f"{name}: {meaning}" for name, meaning in RESIZES.items())
    parser.add_argument(
        "--resize-by", choices=tuple(RESIZES), default=STRETCH, help=f"{ways} (default: %(default)s)"
    )
    help = "make all images gray (by luminance) or RGB (default: gray where all are)"
    parser.add_argument("--colors", choices=tuple(COLORS), help=help)
    help = "the values of black and white in an array, mapped to 0 and 255 (default: they are 0 and 255)"
    parser.add_argument("--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help=help)
    help = "leave out pictures that cannot be read, and say so, instead of refusing them all"
    parser.add_argument("--skip-unreadable", action="store_true", help=help)


def add_name_option(parser: argparse.ArgumentParser) -> None:
    """The argument of `xpixels data show` and `xpixels data remove`."""
    parser.add_argument("name", metavar="NAME", help="a data set, see `xpixels data list`")


def run_add(options: argparse.Namespace) -> None:
    """Add a data set, and say what has become of it."""
    from model.data.add import Options, add

    size, values = options.resize, options.range
    chosen = Options(
        share=options.split,
        seed=options.seed,
        size=None if size is None else (size[0], size[1]),
        how=options.resize_by,
        colors=options.colors,
        limits=None if values is None else (values[0], values[1]),
        skip_unreadable=options.skip_unreadable,
    )
    added = add(options.name, Path(options.path).expanduser(), chosen)
    meta = added.meta
    if not added.new:
        print(f"{meta.name} is there already, the same to the last byte (SHA-256 {meta.digest[:12]})")
        return
    print(f"{meta.name}: {meta.meaning}")
    for line in meta.said:
        print(f"  {line}")
    print(f"it is in {added.folder}; use it with --dataset {meta.name}")


def run_list(_options: argparse.Namespace) -> None:
    """Print a table of all data sets."""
    from model.data import registry
    from model.data.dataset import SPLITS

    rows: list[tuple[str, ...]] = [("NAME", "SIZE", "TRAIN", "TEST", "CLASSES", "SOURCE")]
    for name in registry.names():
        try:
            source = registry.source(name)
        except (ValueError, LookupError):
            rows.append((name, "-", "-", "-", "-", f"damaged: see `xpixels data show {name}`"))
            continue
        counts = [f"{source.counts[split]:,}" if split in source.counts else "-" for split in SPLITS]
        rows.append((name, source.kind, *counts, f"{len(source.class_names):,}", source.origin))
    print("\n".join(aligned(rows, right=(2, 3, 4))))


def run_show(options: argparse.Namespace) -> None:
    """Print what is known about a data set, after its images are verified."""
    import numpy as np

    from model.data import registry
    from model.data.added import read_meta
    from model.data.dataset import SPLITS, DataMissingError, sample_digest

    source = registry.source(options.name)
    facts = {"name": source.name, "source": source.origin, "images": source.meaning}
    if options.name not in registry.DATASETS:
        meta = read_meta(options.name)
        facts["added"] = meta.created_at
        facts["form"] = meta.form
        facts["digest"] = f"SHA-256 {meta.digest}"
        facts |= {name: _in_words(value) for name, value in meta.options.items()}
        facts |= {f"done {number}": line for number, line in enumerate(meta.said, 1)}
    try:
        parts = [registry.load(options.name, split) for split in SPLITS]
    except DataMissingError as error:
        print("\n".join(aligned([*facts.items(), ("missing", str(error))])))
        return
    for part in parts:
        facts[part.split] = f"SHA-256 {sample_digest(part.images, part.labels, part.positions)}, verified"
    print("\n".join(aligned(list(facts.items()))))
    print()
    counts = [np.bincount(part.labels, minlength=len(source.class_names)) for part in parts]
    rows = [("CLASS", "NAME", "TRAIN", "TEST")]
    for label, (name, train, test) in enumerate(zip(source.class_names, *counts, strict=True)):
        rows.append((str(label), name, f"{train:,}", f"{test:,}"))
    print("\n".join(aligned(rows, right=(0, 2, 3))))


def run_remove(options: argparse.Namespace) -> None:
    """Remove a data set that was added. Raises LookupError for others."""
    from model.data import registry
    from model.data.added import remove_added

    if options.name in registry.DATASETS:
        raise LookupError(f"the data set {options.name} is built in: expected one that was added")
    if options.name not in registry.names():
        registry.source(options.name)  # raises, with the names that there are
    folder = remove_added(options.name)
    print(f"{options.name} is removed from {folder.parent}; what databases hold of it stays")


def _in_words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
