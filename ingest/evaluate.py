"""`xpixels evaluate`: measure a network's accuracy on the test images, and store its predictions."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sqlalchemy import Engine

from db import address, engine, migrate
from db.engine import writing
from ingest.workers.lease import Turn
from model.data.registry import add_dataset_option
from model.network.chosen import add_network_option


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: what to evaluate, and where to store the predictions."""
    add_network_option(parser)
    add_dataset_option(parser)
    parser.add_argument(
        "--database",
        metavar="URL",
        help="path or URL of the database that stores the predictions for all test images (default: "
        f"${address.ENVIRONMENT}, else {address.DEFAULT} if it exists)",
    )


def run_options(options: argparse.Namespace) -> None:
    """Print the accuracy, and store the predictions if there is a database for them."""
    from model.data import registry
    from model.network import chosen
    from model.network.cnn import predict

    test = registry.load(options.dataset, "test")
    loaded = chosen.load(options.network, chosen.images_of(test))
    database = _database(options.database)
    began = time.perf_counter()
    logits = predict(loaded.network, test.images)
    rate = len(test) / (time.perf_counter() - began)
    right = float((logits.argmax(-1) == test.labels).mean())
    name = loaded.network.architecture.name
    print(f"test accuracy {right:.4f} on {len(test)} images of {test.name}, network {name}")
    print(f"{rate:.0f} images/s, compilation included; weights {loaded.sha256[:12]}", file=sys.stderr)
    if database is None:
        print(
            "the predictions are not kept: --database names, or makes, a database for them", file=sys.stderr
        )
        return
    from ingest import record
    from ingest.stages.predictions import write_missing_predictions
    from ingest.stages.transfer import write_missing_transfers

    with Turn(database) as turn:
        turn.take()
        with writing(database) as connection:
            dataset_id = record.register_dataset(connection, test)
            scope = record.register_network(connection, loaded, dataset_id)
        write_missing_predictions(database, scope, test, logits)
        transferred = write_missing_transfers(database, scope, loaded.network)
    if transferred:
        print(f"{transferred} adversarial cases of other networks evaluated, too", file=sys.stderr)
    both = f"network_id = {scope.network_id} and dataset_id = {scope.dataset_id}"
    print(f'by class: xpixels sql "select * from class_accuracy where {both}"')


def stopped(options: argparse.Namespace) -> str:
    """The message after an evaluation was stopped: it writes only at its very end."""
    return "no prediction was written"


def _database(given: str | None) -> Engine | None:
    """The database of the option or the environment, made if missing; else the default file if it exists."""
    usual = address.default()
    if given is None and usual == address.DEFAULT and not Path(usual).exists():
        return None
    database = engine.create(given or usual)
    migrate.make_or_require_current(database)
    return database
