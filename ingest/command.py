"""`xpixels ingest` and `xpixels tune`: the options of a batch, and the summary that is printed at the end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from db import engine, migrate
from db.opening import opened
from db.read import batch_list
from db.read.for_ingest import batches
from db.read.for_ingest.detectors import known_networks
from db.read.network_titles import network_titles
from db.runs.batch_names import normal_name
from db.scope import Scope
from db.vocabulary import ATTACKS, METRICS, PARTITIONS, SCREENINGS
from ingest.batch import ALL, ANY, RANDOM, Batch
from ingest.check.tuned import named_networks
from model.attacks.methods import EVOLUTION, METHODS, SWEEP, all_parameters
from model.attacks.parameters import Parameter
from model.data.registry import add_dataset_option
from model.network.chosen import add_network_option

EVALUATIONS = ("auto", "incremental", "full")
NAME_HELP = "name of the batch in lists and filters; another name for the same batch renames it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a batch, with their defaults."""
    fallback = Batch()

    def option(name: str, help: str, **settings: Any) -> None:
        field = name.removeprefix("--").replace("-", "_")
        if "action" not in settings:
            settings.setdefault("default", getattr(fallback, field, None))
            help += " (default: %(default)s)" if settings["default"] is not None else ""
        parser.add_argument(name, help=help, **settings)

    add_dataset_option(parser, fallback.dataset)
    option(
        "--cases",
        "adversarial cases in each partition, and as many clean ones",
        type=int,
        metavar="N",
    )
    option("--partition", "repeat for both (default: both)", action="append", choices=PARTITIONS)
    option(
        "--attack",
        "; ".join(f"{name}: {ATTACKS[name].meaning}" for name in METHODS)
        + f" (default: {EVOLUTION.name}; with --all-test: {SWEEP.name})",
        choices=tuple(METHODS),
        default=None,
    )
    option(
        "--targets",
        f"{ANY}: any wrong class; {RANDOM}: one drawn for each image; {ALL}: every wrong class; or a class",
        metavar="WHICH",
    )
    option(
        "--screen",
        "sweep first, and evolve only the (image, target) pairs that the sweep left with this result",
        choices=SCREENINGS,
    )
    option(
        "--all-test",
        "attack every test image that the network gets right, and make no cases",
        action="store_true",
    )
    for parameter in all_parameters().values():
        add_parameter(parser, parameter)
    option("--seed", "another seed is another batch", type=int, metavar="N")
    parser.add_argument("--name", help=NAME_HELP + " (default: a short form of its settings)")
    option(
        "--metric",
        "distance of the neighbors; repeat for several (default: euclidean)",
        action="append",
        choices=METRICS,
    )
    option(
        "--layer",
        "also compare this layer: a conv layer, or composed-scaled; repeat for several",
        action="append",
        metavar="NAME",
    )
    add_network_option(parser)
    option(
        "--evaluation",
        "of candidates: exact incremental passes, full ones, or what is faster",
        default="auto",
        choices=EVALUATIONS,
    )
    add_scheduler(parser)
    option(
        "--no-maps",
        "leave out the vulnerability maps and the repair sweeps of the cases",
        action="store_true",
    )


def add_parameter(parser: argparse.ArgumentParser, parameter: Parameter) -> None:
    """The option of a parameter of an attack."""
    usual = parameter.default if isinstance(parameter.default, tuple) else (parameter.default,)
    usual_text = " ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in usual)
    parser.add_argument(
        parameter.option,
        type=parameter.type,
        default=parameter.default,
        nargs=len(usual) if isinstance(parameter.default, tuple) else None,
        choices=parameter.choices or None,
        metavar=parameter.metavar,
        help=f"{parameter.help} (default: {usual_text})",
    )


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """The option for the workers that do the long stages."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run the long stages on the workers of a Dask cluster: tcp://HOST:PORT, or local for a cluster "
        "on this machine",
    )


def batch_of(options: argparse.Namespace) -> Batch:
    """The batch that parsed options describe. Raises ValueError for values out of range."""
    fallback = Batch()
    values = {name: getattr(options, name) for name in all_parameters()}
    return Batch(
        **{name: getattr(options, name) for name in ("dataset", "cases", "targets", "screen", "seed")},
        attack=options.attack or (SWEEP.name if options.all_test else EVOLUTION.name),
        parameters={name: tuple(v) if isinstance(v, list) else v for name, v in values.items()},
        partitions=tuple(dict.fromkeys(options.partition or fallback.partitions)),
        metrics=tuple(dict.fromkeys(options.metric or fallback.metrics)),
        layers=tuple(dict.fromkeys(options.layer or fallback.layers)),
    )


def run_options(options: argparse.Namespace) -> None:
    """Run the ingest that parsed options describe."""
    how = {"evaluation": options.evaluation, "scheduler": options.scheduler}
    how["name"] = None if options.name is None else normal_name(options.name)
    if options.all_test:
        run_all(options.database, batch_of(options), options.network, **how)
    else:
        run(options.database, batch_of(options), options.network, **how, sweeps=not options.no_maps)


def run(
    url: str,
    batch: Batch,
    weights: str | Path | None = None,
    *,
    evaluation: str = "auto",
    sweeps: bool = True,
    scheduler: str | None = None,
    name: str | None = None,
    usual_name: str | None = None,
) -> None:
    """Ingest the batch and print a short summary.

    weights: names a network as `--network` does; None: the bundled one.
    name: of the batch; usual_name: of a new batch that is given no name.
    """
    from ingest.pipeline import Naming, ingest
    from ingest.workers.dask import crew_at  # JAX is loaded only after the options are parsed
    from model import devices
    from model.network.checkpoint import BUNDLED

    devices.use_all_cores()
    database = engine.create(url)
    with crew_at(scheduler, database) as crew:
        report = ingest(
            database,
            batch,
            weights=weights or BUNDLED,
            evaluation=evaluation,
            maps=sweeps,
            repairs=sweeps,
            crew=crew,
            naming=Naming(name, usual_name),
        )
    say_batch(database, report.scope, batch)
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


def run_all(
    url: str,
    batch: Batch,
    weights: str | Path | None = None,
    *,
    evaluation: str = "auto",
    scheduler: str | None = None,
    name: str | None = None,
) -> None:
    """Attack every test image and print how many fell."""
    from ingest.pipeline import Naming, attack_all
    from ingest.workers.dask import crew_at
    from model import devices
    from model.network.checkpoint import BUNDLED

    devices.use_all_cores()
    database = engine.create(url)
    with crew_at(scheduler, database) as crew:
        task = attack_all(
            database,
            batch,
            weights=weights or BUNDLED,
            evaluation=evaluation,
            crew=crew,
            naming=Naming(name),
        )
    say_batch(database, task.scope, batch, all_test=True)
    with database.connect() as connection:
        totals = batches.attack_totals(connection, task.scope)
    for total in totals:
        aim = "(image, target) pairs" if total.targeted else "images"
        name = f"{total.method}, {total.variant}"
        name += f", {total.screened} to a sweep" if total.screened else ""
        share = f"{100 * total.successes / total.attacks:.2f} %"
        print(f"{name}: {total.successes:,} of {total.attacks:,} {aim} fell ({share})")
        if total.targeted:
            print(f"  {total.images_fallen:,} of {total.images:,} images were led to at least one target")
    print('by class: xpixels sql "select * from attack_matrix"')


def say_batch(database: Engine, scope: Scope, batch: Batch, *, all_test: bool = False) -> None:
    """Print which batch it was, if the database has it."""
    from ingest.record import find_batch

    with database.connect() as connection:
        batch_id = find_batch(connection, scope, batch, all_test=all_test)
        if batch_id is not None:
            print(batch_list.batch_of(connection, batch_id))


def add_tune_options(parser: argparse.ArgumentParser) -> None:
    """The options of a retuning: which networks, by their names in the database."""
    help = "only this network of the database: its name, id, or NAME@DATASET (default: all)"
    parser.add_argument("--network", metavar="NAME", help=help)
    parser.add_argument("--dataset", metavar="NAME", help="only networks on this data set (default: all)")


def tune(options: argparse.Namespace) -> None:
    """Retune the networks of a database that parsed options name."""
    retune(options.database, options.network, options.dataset)


def retune(url: str, network: str | None = None, dataset: str | None = None) -> None:
    """Retune networks on their data sets, and print which; network, dataset: as `named_networks` takes them.

    Raises LookupError if nothing can be tuned, or nothing has this name.
    """
    from ingest.retune import retune_network
    from ingest.workers.lease import Turn

    with opened(url, existing=True) as database:
        migrate.require_current(database)
        with Turn(database) as turn:
            turn.take()
            with database.connect() as connection:
                networks = named_networks(known_networks(connection), network, dataset)
                titles = network_titles(connection)
            tuned = [titles[one.scope] for one in networks if retune_network(database, one.scope)]
    if not tuned:
        raise LookupError(
            "nothing to tune: it takes adversarial and clean cases in the tuning partition; make them with "
            "`xpixels ingest`"
        )
    print(f"tuned {len(tuned)} of {len(networks)} networks on their data sets: {', '.join(tuned)}")
