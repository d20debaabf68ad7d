"""`xpixels study`: the paper's section 4.4 and appendix at its own scale, and questions that it leaves open.

Sweeps find two sets of cases, targeted as in the paper and untargeted, with the originals of all attacked
images. Every layer, metric and rule is evaluated beside the repair sweep and the baselines, and once more
without near-duplicates and hubs. A further attack keeps the color near the median. Each stage does only what
is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from db import engine as databases
from db import migrate
from db.read.for_ingest import evaluated
from db.runs.batch_names import normal_name
from db.scope import Scope
from db.vocabulary import METRICS, PARTITIONS, REFERENCES, RULES
from ingest.batch import ALL, ANY, MOST_ATTACKS, RANDOM, Batch, count_attacks
from ingest.command import add_parameter, add_scheduler, say_batch
from model.attacks.methods import STRIDE, SWEEP
from model.data.registry import add_dataset_option
from model.network.architecture import SCALED
from model.network.chosen import add_network_option

if TYPE_CHECKING:
    from ingest.task import Crew, Task
    from model.data.dataset import Dataset

NEAR_MEDIAN_IMAGES = 96
PAPER_CASES = 248  # in a partition (paper, section 4.4)
IMAGES_A_CASE = 16  # test images for each adversarial case of a partition of a set


@dataclass(frozen=True)
class Plan:
    """The parameters of a study."""

    dataset: str = "cifar10"
    # Adversarial ones in each partition of each set, and as many clean ones; None: by the data set's size.
    cases: int | None = None
    seed: int = 0
    metrics: tuple[str, ...] = tuple(METRICS)
    layers: tuple[str, ...] = (SCALED,)  # compared besides flatten, the dense ones and composed
    distances: tuple[int, ...] = (16, 32, 64, 128)  # from the median, for the attack that stays near it
    name: str | None = None  # of the sets, which add their own names; None: as usual
    stride: int = 0  # of the positions that a sweep tries; 0: the usual one for images of that size
    targets: str = ALL  # of the targeted set

    def names(self) -> dict[str, str | None]:
        """The name of each set; None: as usual. Raises ValueError for an invalid name."""
        if self.name is None:
            return dict.fromkeys(self.batches())
        return {set_: normal_name(f"{self.name} {set_}") for set_ in self.batches()}

    def batches(self) -> dict[str, Batch]:
        """The two sets of cases; targets as in the paper, and any wrong class."""
        sets = {"targeted": self.targets, "untargeted": ANY}
        return {
            name: Batch(
                dataset=self.dataset,
                cases=self.cases or PAPER_CASES,
                attack=SWEEP.name,
                targets=targets,
                seed=self.seed,
                stride=self.stride,
                metrics=self.metrics,
                layers=self.layers,
            )
            for name, targets in sets.items()
        }

    def fitted(self, test: Dataset) -> Plan:
        """The plan for a data set: as many cases as its test images allow, up to the paper's 248.

        Two sets with two partitions take 4 adversarial and 4 clean images a case, and not every image falls:
        a sixteenth of the images leaves enough to choose from. Where all targets of all images would be too
        many attacks, one is drawn for each image.
        """
        cases = self.cases or max(1, min(PAPER_CASES, len(test) // IMAGES_A_CASE))
        targets = self.targets if count_attacks(test) <= MOST_ATTACKS else RANDOM
        return replace(self, cases=cases, targets=targets)

    def describe(self, test: Dataset) -> str:
        """One line about the sizes of a fitted plan."""
        line = (
            f"{test.name} has {len(test):,} test images: {self.cases} adversarial and as many clean cases in "
            f"each partition of each set (the paper: {PAPER_CASES})"
        )
        if self.targets == RANDOM:
            line += f"; one target drawn for each image, as all would be over {MOST_ATTACKS:,} attacks"
        return line


@dataclass(frozen=True)
class Outcome:
    """The result of a study."""

    scope: Scope
    lacking: dict[tuple[str, str, str], int]  # missing cases by set, partition and kind
    evaluated: bool


def study(
    engine: Engine,
    plan: Plan,
    *,
    weights: str | Path | None = None,
    load: Callable[[str, str], Dataset] | None = None,
    crew: Crew | None = None,
) -> Outcome:
    """Do the missing parts of a study. Errors and `crew` as in `ingest.pipeline.ingest`."""
    from ingest.pipeline import Naming, add_cases, explain_cases, turn_on
    from ingest.stages.evaluation import evaluate_detectors
    from ingest.stages.near_median import attack_near_median
    from model.data import registry
    from model.network import checkpoint

    weights, load = weights or checkpoint.BUNDLED, load or registry.load
    lacking: dict[tuple[str, str, str], int] = {}
    plan = plan.fitted(load(plan.dataset, "test"))
    with turn_on(engine, load) as turn:
        for set_, batch in plan.batches().items():
            naming = Naming(plan.names()[set_], f"study {set_}")
            added = add_cases(engine, batch, weights=weights, load=load, crew=crew, turn=turn, naming=naming)
            lacking |= {(set_, *key): count for key, count in added.missing.items()}
        task = added.task
        explain_cases(task, plan.metrics, maps=False)
        attack_near_median(task, _fooled(task), plan.distances)
        done = evaluate_detectors(engine, task.scope, plan.metrics, RULES, REFERENCES)
    return Outcome(task.scope, lacking, done)


def _fooled(task: Task) -> list[int]:
    """Indices of some test images that a corner color fools: the first adversarial cases of validation."""
    with task.engine.connect() as connection:
        positions = evaluated.attacked_case_positions(connection, task.scope, PARTITIONS[1])
    places = {int(position): index for index, position in enumerate(task.test.positions)}
    return [places[position] for position in positions[:NEAR_MEDIAN_IMAGES]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a study, with their defaults."""
    usual = Plan()
    add_dataset_option(parser, usual.dataset)
    parser.add_argument(
        "--cases",
        type=int,
        default=usual.cases,
        metavar="N",
        help="adversarial cases in each partition of each set, and as many clean ones (default: a sixteenth "
        f"of the test images, at most the paper's {PAPER_CASES})",
    )
    parser.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="(default: %(default)s)")
    help = "name of its batches, followed by `targeted` and `untargeted` (default: study)"
    parser.add_argument("--name", help=help)
    parser.add_argument(
        "--metric", action="append", choices=METRICS, help="repeat for several (default: all)"
    )
    parser.add_argument(
        "--layer",
        action="append",
        metavar="NAME",
        help=f"compare this one too: a conv layer, or {SCALED} (default: {SCALED})",
    )
    add_parameter(parser, STRIDE)
    add_network_option(parser)
    add_scheduler(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="folder to write tables and figures of the database into",
    )


def run_options(options: argparse.Namespace) -> Outcome:
    """Run the study that parsed options describe, and print a short summary."""
    from ingest.workers.dask import crew_at
    from model import devices
    from model.data import registry

    usual = Plan()
    plan = Plan(
        dataset=options.dataset,
        cases=options.cases,
        seed=options.seed,
        metrics=tuple(dict.fromkeys(options.metric or usual.metrics)),
        layers=tuple(dict.fromkeys(options.layer or usual.layers)),
        name=options.name,
        stride=options.stride,
    )
    plan.names()  # report an invalid name before any work
    devices.use_all_cores()
    test = registry.load(plan.dataset, "test")
    plan = plan.fitted(test)
    database = databases.create(options.database)
    if migrate.current(database) is not None:
        migrate.require_current(database)
    print(plan.describe(test), flush=True)
    with crew_at(options.scheduler, database) as crew:
        outcome = study(database, plan, weights=options.network, crew=crew)
    for batch in plan.batches().values():
        say_batch(database, outcome.scope, batch)
    wanted = plan.cases or 0
    for (set_, partition, kind), count in sorted(outcome.lacking.items()):
        print(
            f"{set_}, {partition}: {wanted - count} of {wanted} {kind} cases; every image was tried "
            "(fewer --cases, or a data set with more test images, would do)"
        )
    if not outcome.evaluated:
        print("nothing could be evaluated: that takes adversarial and clean cases in the tuning partition")
    return outcome
