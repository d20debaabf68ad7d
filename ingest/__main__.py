"""`python -m ingest` and `xpixels ingest`: the options of a batch, and what is said when it is done."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from db import engine, migrate
from db.read import batches
from db.schema import METRICS, PARTITIONS, RULES
from ingest.batch import ANY, METHODS, RANDOM, Batch


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a batch, with their defaults."""
    fallback = Batch()
    option = parser.add_argument
    option(
        "--dataset",
        default=fallback.dataset,
        choices=("cifar10", "cifar10-sample"),
        help="default: %(default)s",
    )
    option(
        "--cases",
        type=int,
        default=fallback.cases,
        metavar="N",
        help="adversarial cases wanted in each partition, and as many clean ones (default: %(default)s)",
    )
    option(
        "--partition",
        action="append",
        choices=PARTITIONS,
        help="repeat for both (default: both)",
    )
    option("--attack", default=fallback.attack, choices=METHODS, help="default: %(default)s")
    option(
        "--targets",
        default=fallback.targets,
        metavar="WHICH",
        help=f"{ANY}: any wrong class; {RANDOM}: one drawn for each image; or a class (default: %(default)s)",
    )
    option(
        "--pixels",
        type=int,
        default=fallback.pixels,
        metavar="P",
        help="pixels changed (default: %(default)s)",
    )
    option(
        "--population",
        type=int,
        default=fallback.population,
        metavar="N",
        help="candidates a generation (default: %(default)s)",
    )
    option(
        "--generations",
        type=int,
        default=fallback.generations,
        metavar="N",
        help="after the first population (default: %(default)s)",
    )
    option(
        "--seed",
        type=int,
        default=fallback.seed,
        metavar="N",
        help="another seed is another batch (default: %(default)s)",
    )
    option(
        "--metric",
        action="append",
        choices=METRICS,
        help="distance of the neighbours; repeat for several (default: euclidean)",
    )
    option("--weights", type=Path, metavar="FILE", help="npz of another network (default: the bundled one)")


def batch_of(options: argparse.Namespace) -> Batch:
    """The batch that parsed options describe. Raises ValueError for values out of range."""
    fallback = Batch()
    return Batch(
        dataset=options.dataset,
        cases=options.cases,
        partitions=tuple(dict.fromkeys(options.partition or fallback.partitions)),
        attack=options.attack,
        targets=options.targets,
        pixels=options.pixels,
        population=options.population,
        generations=options.generations,
        seed=options.seed,
        metrics=tuple(dict.fromkeys(options.metric or fallback.metrics)),
    )


def run(url: str, batch: Batch, weights: Path | None = None) -> None:
    """Ingest the batch and say in a few lines what came of it."""
    from ingest.pipeline import ingest  # JAX is loaded only once the options have been understood
    from model.checkpoint import BUNDLED

    report = ingest(engine.create(url), batch, weights=weights or BUNDLED)
    if report.added:
        added = ", ".join(
            f"{count} {kind} {partition}" for (partition, kind), count in sorted(report.added.items())
        )
        print(f"added {added} cases")
    elif not report.missing:
        print("no case to add: this batch is complete (another --seed makes another)")
    reasons = {
        "adversarial": "every candidate was attacked; a larger --population or --generations, more --pixels "
        "or the full cifar10 would find more",
        "clean": "no correctly classified image is left that was neither attacked nor used; the full cifar10 "
        "has more",
    }
    for (partition, kind), count in sorted(report.missing.items()):
        print(f"{count} {kind} cases are missing in {partition}: {reasons[kind]}")
    if not report.tuned:
        print("not tuned yet: tuning needs adversarial and clean cases in the tuning partition")


def retune(url: str) -> None:
    """Tune every network of a database anew and say so. Raises LookupError where nothing can be tuned."""
    from ingest.defense import find_neighbors, tune

    engine.create(url, read_only=True).dispose()  # a missing database is an error here, not a new one
    database = engine.create(url)
    migrate.require_current(database)
    with database.connect() as connection:
        known = {
            network: batches.neighbor_counts(connection, network)
            for network in batches.network_ids(connection)
        }
    for network, metrics in known.items():
        find_neighbors(
            database, network, sorted(metrics) or Batch().metrics
        )  # what a stopped ingest left to do
    tuned = [
        network
        for network, metrics in known.items()
        if tune(database, network, sorted(metrics) or Batch().metrics, RULES, again=True)
    ]
    if not tuned:
        raise LookupError(
            "nothing to tune: it takes adversarial and clean cases in the tuning partition; make them with "
            "`xpixels ingest`"
        )
    print(f"tuned {len(tuned)} of {len(known)} networks")


if __name__ == "__main__":
    from xpixels import main

    sys.exit(main(["ingest", *sys.argv[1:]]))
