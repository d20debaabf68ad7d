"""`xpixels check`: options, what is said of each image, and the exit status."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Engine

from db import engine as engines
from db import migrate
from db.read.detectors import KnownNetwork, known_networks
from db.schema import METRICS, RULES
from ingest import verdicts
from ingest.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.checker import Checker
    from model.checkpoint import Checkpoint
    from model.pictures import PictureError

    Keep = Callable[[np.ndarray], list[int]]  # images (N, H, W, 3) uint8 to the ids of their cases

ALARMED = 3
CHUNK = 256  # images judged, and told, together
FEW = 64  # images for which compiling the incremental pass, which takes seconds, does not pay

EPILOG = """\
The verdict of an image is an alarm when a detector that counts alarms: the layers of the k-NN defence and
the repair sweep; with --detector, those that are named. The baselines confidence and logit-margin are there
to compare. Images are PNG: RGB, greyscale or palette, 8 bits a channel, nothing transparent, and as large as
the network wants them.

Exit status: 0 no alarm; 3 an alarm; 1 an image could not be judged, whatever was said of the others, or
another failure; 2 wrong usage.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to judge, and by what."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    add = parser.add_argument
    add(
        "images", nargs="+", type=Path, metavar="IMAGE", help="PNG files, and folders with *.png at any depth"
    )
    add("--json", action="store_true", help="a list of objects, one an image, for other programs")
    add(
        "--keep", action="store_true", help="add the images to the database as cases of the partition checked"
    )
    add(
        "--detector",
        action="append",
        metavar="NAME",
        help="ask only this one: flatten, dense, logits, composed, repair, confidence or logit-margin; "
        "repeat for several (default: all)",
    )
    add(
        "--metric",
        default="euclidean",
        choices=METRICS,
        help="distance of the neighbours (default: %(default)s)",
    )
    add("--rule", default="total", choices=RULES, help="which neighbours are counted (default: %(default)s)")
    add(
        "--all-pixels",
        action="store_true",
        help="repair every pixel, not only the most promising ones: exact, and slower",
    )
    add("--network", metavar="NAME", help="or id; (default: the newest with these weights)")
    add("--weights", type=Path, metavar="FILE", help="npz of another network (default: the bundled one)")


def stopped(options: argparse.Namespace) -> str:
    """What is true of a check that is stopped."""
    if options.keep:
        return "the images that were told are kept, and the same command keeps the others"
    return "it only reads: nothing was kept"


def run_options(options: argparse.Namespace) -> int:
    """Judge what parsed options name and say it; gives the exit status.

    Raises LookupError or ValueError, in one line, where nothing can be judged.
    """
    began = time.monotonic()
    database = engines.create(options.database, read_only=not options.keep, existing=True)
    migrate.require_current(database)
    with database.connect() as connection:
        networks = known_networks(connection)
    from model import checkpoint, devices, pictures  # JAX is loaded only once the options are understood

    files = list(pictures.find(options.images))
    few = len(files) <= FEW
    if not few:  # each device compiles for itself
        devices.use_all_cores()
    weights = options.weights or checkpoint.BUNDLED
    loaded = checkpoint.load(weights)
    network = choose_network(networks, loaded.sha256, options.network, weights)
    checker = ready(database, network, loaded, options, few=few)
    told = _Told(json=options.json)
    with told, _keeping(options.keep, database, network, loaded) as keep, _progress(len(files)) as shown:
        for some in evenly(files, CHUNK):
            _judge(some, checker, keep, told)
            shown.to(told.count)
    if len(files) > 1:
        line = verdicts.summary(told.alarmed, told.quiet, told.failed, time.monotonic() - began)
        print(line, file=sys.stderr if options.json else sys.stdout)
    return told.status


def choose_network(
    networks: Sequence[KnownNetwork], sha256: str, wanted: str | None, weights: Path
) -> KnownNetwork:
    """The newest network of these weights; wanted: its name or id.

    Raises LookupError where there is none, and where its weights are others.
    """
    if not networks:
        raise LookupError("no network in this database: make one with `xpixels ingest`")
    named = [one for one in networks if wanted is None or wanted in (one.name, str(one.id))]
    known = ", ".join(f"{one.id} ({one.name}, weights {one.sha256[:12]})" for one in networks)
    if not named:
        raise LookupError(f"--network {wanted}: expected one of {known}")
    right = [one for one in named if one.sha256 == sha256]
    if not right:
        raise LookupError(
            f"{weights} has sha256 {sha256[:12]}, and the database knows {known}: name a network's own file "
            "with --weights"
        )
    return right[-1]


def ready(
    database: Engine, network: KnownNetwork, loaded: Checkpoint, options: argparse.Namespace, *, few: bool
) -> Checker:
    """What judges; detectors that would be asked but were not tuned are named on standard error.

    few: whether few images will come.

    Raises LookupError where no detector is left, or one is unknown.
    """
    from ingest.checker import Checker, load_reference, tuned

    with database.connect() as connection:
        detectors = tuned(connection, network.id, options.metric, options.rule, options.detector)
        layers = [layer.name for layer in detectors.layers]
        if not layers and not detectors.scores:
            raise LookupError(
                f"no detector of {network.name} is tuned ({options.metric}, {options.rule}): run "
                "`xpixels ingest` and `xpixels tune`"
            )
        reference = load_reference(connection, network.id, layers) if layers else None
    if detectors.missing:
        names = ", ".join(detectors.missing)
        print(f"not tuned, so not asked: {names} (`xpixels ingest`, `xpixels tune`)", file=sys.stderr)
    return Checker(
        network,
        loaded,
        detectors,
        reference,
        metric=options.metric,
        rule=options.rule,
        counting=options.detector,
        all_pixels=options.all_pixels,
        few=few,
    )


@dataclass
class _Told:
    """What was said so far: lines, or the entries of a JSON list."""

    json: bool
    alarmed: int = 0
    quiet: int = 0
    failed: int = 0

    @property
    def count(self) -> int:
        """Images."""
        return self.alarmed + self.quiet + self.failed

    @property
    def status(self) -> int:
        """What the command ends with."""
        return 1 if self.failed else ALARMED if self.alarmed else 0

    def __enter__(self) -> _Told:
        """Begin the list."""
        if self.json:
            sys.stdout.write("[")
        return self

    def __exit__(self, *_) -> None:
        """End the list, whatever ends it: what was judged can be read."""
        if self.json:
            sys.stdout.write("\n]\n" if self.count else "]\n")

    def failure(self, path: Path, error: str) -> None:
        """One that could not be judged."""
        if self.json:
            self._entry({"file": str(path), "error": error})
        else:
            print(f"xpixels: {verdicts.shown(path)}: {error}", file=sys.stderr)
        self.failed += 1

    def verdict(self, path: Path, verdict: Verdict, case_id: int | None) -> None:
        """One that was judged."""
        if self.json:
            self._entry(verdicts.as_entry(path, verdict, case_id))
        else:
            print(verdicts.as_lines(path, verdict, case_id), flush=True)
        self.alarmed += verdict.alarm
        self.quiet += not verdict.alarm

    def _entry(self, entry: dict) -> None:
        sys.stdout.write(",\n" if self.count else "\n")
        sys.stdout.write(json.dumps(entry))


def _judge(
    files: Sequence[tuple[Path, PictureError | None]], checker: Checker, keep: Keep | None, told: _Told
) -> None:
    """Read some files, judge those that can be, and tell of all in their order."""
    from model import pictures

    height, width, _ = checker.checkpoint.network.architecture.input_shape
    images, errors = {}, {path: error for path, error in files if error}
    for path, error in files:
        if error is None:
            try:
                images[path] = pictures.read(path, height, width)
            except pictures.PictureError as failed:
                errors[path] = failed
    judged, kept = {}, {}
    if images:
        together = np.stack(list(images.values()))
        judged = dict(zip(images, checker.judge(together), strict=True))
        kept = dict(zip(images, keep(together), strict=True)) if keep else {}
    for path, _ in files:
        if path in errors:
            told.failure(path, str(errors[path]))
        else:
            told.verdict(path, judged[path], kept.get(path))


def evenly(items: Sequence, most: int) -> Iterator[Sequence]:
    """In parts of at most so many, as equal as can be: what is compiled for one part does for all."""
    count = -(-len(items) // most)
    edges = [len(items) * i // max(count, 1) for i in range(count + 1)]
    for first, last in pairwise(edges):
        yield items[first:last]


def _keeping(
    wanted: bool, database: Engine, network: KnownNetwork, loaded: Checkpoint
) -> AbstractContextManager[Keep | None]:
    if not wanted:
        return nullcontext()
    from ingest.keep import keeping

    return keeping(database, network, loaded)


def _progress(total: int):
    """Progress where there is much to do and nobody sees the lines themselves."""
    from model.progress import progress

    many = total > CHUNK and not sys.stdout.isatty()
    return (
        progress("checked", total, "images") if many else nullcontext(SimpleNamespace(to=lambda done: None))
    )
