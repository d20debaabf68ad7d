"""`xpixels check`: read, judge, report and keep images, in chunks."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Engine

from db import migrate
from db.opening import opened
from db.read.for_ingest.detectors import KnownNetwork, TunedOn, known_networks
from ingest.check import verdict
from ingest.check.channels import fit_channels
from ingest.check.options import add_options, check_together
from ingest.check.output import Output
from ingest.check.tuned import FEW_CASES, asked_detectors, choose_network, tuned_words
from model.data.pictures import files as picture_files
from model.data.pictures.headers import PictureError
from model.data.pictures.reading import Picture

if TYPE_CHECKING:
    from ingest.check.judge import Checker
    from model.detectors.repair import Repair
    from model.network.checkpoint import Checkpoint
    from model.progress import Progress

    # images (N, H, W, C) uint8, their names if any, their whole repair sweep if any -> ids of their cases
    Keep = Callable[[np.ndarray, Sequence[str | None], Repair | None], list[int]]

__all__ = ["add_options", "run_options", "stopped"]

CHUNK = 256  # images judged and reported together
FEW = 64  # up to so many images, compiling the incremental pass, which takes seconds, does not pay


def stopped(options: argparse.Namespace) -> str:
    """The message after a check was stopped."""
    if options.forget:
        return "nothing is removed until that is said"
    if options.keep:
        return "the images that were told are kept, and the same command keeps the others"
    return "it only reads: nothing was kept"


def run_options(options: argparse.Namespace) -> int:
    """Judge the images of parsed options and print the verdicts; returns the exit status.

    Raises LookupError or ValueError, in one line, if nothing can be judged.
    """
    check_together(options)
    if options.forget:
        from ingest.check.forget import forget

        return forget(options)
    with opened(options.database, read_only=not options.keep, existing=True) as database:
        return check_images(database, options)


def check_images(database: Engine, options: argparse.Namespace) -> int:
    """Judge images and print the verdicts; returns the exit status. Errors as in `run_options`."""
    began = time.monotonic()
    migrate.require_current(database)
    with database.connect() as connection:
        networks = known_networks(connection)
    from ingest.check.network import load_judge  # JAX is loaded only after the options are checked
    from model import devices

    passed: Counter[str] = Counter()
    files = list(picture_files.find(options.images, passed))
    if passed:
        print(picture_files.passed_over(passed), file=sys.stderr)
    few = len(files) <= FEW
    if not few:  # each device compiles for itself
        devices.use_all_cores()
    loaded, text, wanted = load_judge(networks, options.network, options.weights)
    network = choose_network(networks, loaded.sha256, wanted, options.dataset, text)
    checker = ready(database, network, loaded, options, few=few)
    tuned_on = TunedOn(*map(min, zip(*(detector.tuned_on for detector in checker.detectors), strict=True)))
    if options.json and min(tuned_on) < FEW_CASES:
        print(f"{network.title}: {tuned_words(tuned_on)}", file=sys.stderr)
    heading = verdict.heading(network, options.metric, options.rule, tuned_on)
    output = Output(network, heading, json=options.json)
    with output, _keeping(options.keep, database, network, loaded) as keep, _progress(len(files)) as bar:
        for some in evenly(files, CHUNK):
            _judge(some, checker, options.resize, keep, output)
            bar.to(output.count)
    if len(files) > 1:
        output.summary(time.monotonic() - began)
    return output.status


def ready(
    database: Engine, network: KnownNetwork, loaded: Checkpoint, options: argparse.Namespace, *, few: bool
) -> Checker:
    """The checker for these options; wanted detectors that are not tuned are listed on standard error.

    few: whether there are few images.

    Raises LookupError if no detector is left, or one is unknown.
    """
    from ingest.check.judge import Checker
    from ingest.check.reference_set import load_reference

    with database.connect() as connection:
        asked = asked_detectors(connection, network.scope, options.metric, options.rule, options.detector)
        if not asked.detectors:
            raise LookupError(
                f"no detector of {network.title} is tuned ({options.metric}, {options.rule}): run "
                "`xpixels ingest` and `xpixels tune`"
            )
        wanted = [one.search()[:2] for one in asked.detectors if one.kind == "neighbors"]
        reference = (
            load_reference(database, connection, network.scope, loaded.network, wanted, options.metric)
            if wanted
            else None
        )
    if asked.missing:
        names = ", ".join(asked.missing)
        print(f"not tuned, so not asked: {names} (`xpixels ingest`, `xpixels tune`)", file=sys.stderr)
    return Checker(
        network,
        loaded,
        asked.detectors,
        reference,
        metric=options.metric,
        rule=options.rule,
        counting=options.detector,
        all_pixels=options.all_pixels,
        kept=options.keep,
        few=few,
        sweeps=options.keep and asked.repairs,
    )


def _judge(
    files: Sequence[tuple[str, PictureError | None]],
    checker: Checker,
    how: str | None,
    keep: Keep | None,
    output: Output,
) -> None:
    """Read some files, judge the readable ones, and report all in order; how: the method of resizing."""
    height, width, channels = checker.checkpoint.network.architecture.input_shape
    pictures: dict[str, Picture] = {}
    errors = {name: error for name, error in files if error}
    for name, error in files:
        if error is None:
            try:
                pictures[name] = fit_channels(picture_files.read(name, height, width, how), channels)
            except PictureError as failed:
                errors[name] = failed
    verdicts_of, kept = {}, {}
    if pictures:
        images = np.stack([picture.image for picture in pictures.values()])
        found = checker.judge(images)
        verdicts_of = dict(zip(pictures, found.verdicts, strict=True))
        if keep:
            names = [picture_files.own_name(name) for name in pictures]
            kept = dict(zip(pictures, keep(images, names, found.repair), strict=True))
    for name, _ in files:
        if name in errors:
            output.failure(name, str(errors[name]))
        else:
            output.verdict(name, verdicts_of[name], pictures[name].read, kept.get(name))


def evenly(items: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """Split items into parts of at most `most`, as equal as possible: a program compiled for one fits all."""
    count = -(-len(items) // most)
    edges = [len(items) * i // max(count, 1) for i in range(count + 1)]
    for first, last in pairwise(edges):
        yield items[first:last]


def _keeping(
    wanted: bool, database: Engine, network: KnownNetwork, loaded: Checkpoint
) -> AbstractContextManager[Keep | None]:
    if not wanted:
        return nullcontext()
    from ingest.check.keep import open_keeping_run

    return open_keeping_run(database, network, loaded)


def _progress(total: int) -> AbstractContextManager[Progress | SimpleNamespace]:
    """A progress bar if there are many images and the lines do not go to a terminal."""
    from model.progress import progress

    many = total > CHUNK and not sys.stdout.isatty()
    return (
        progress("checked", total, "images") if many else nullcontext(SimpleNamespace(to=lambda done: None))
    )
