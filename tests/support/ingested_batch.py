"""A real ingest, as small as can be: a network, usually the bundled one, on a part of the bundled sample."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from sqlalchemy import Engine

from db.commands import upkeep
from ingest.batch import Batch
from model.data import registry
from model.data.dataset import Dataset
from tests.support import contents

BATCH = Batch(dataset="cifar10-sample", cases=2, population=48, generations=2)
SIZES = {"train": 400, "test": 160}


def cut(sample, name: str, split: str) -> Dataset:
    """A split of the bundled sample, cut to what a test can wait for."""
    assert name == "cifar10-sample"
    part = getattr(sample, split)
    chosen = np.sort(np.random.default_rng(0).permutation(len(part))[: SIZES[split]])
    return replace(
        part, images=part.images[chosen], labels=part.labels[chosen], positions=part.positions[chosen]
    )


def load(name: str, split: str) -> Dataset:
    """The same, for a process that has no sample at hand."""
    return cut(SimpleNamespace(**{split: registry.load("cifar10-sample", split)}), name, split)


def require_the_same(engine: Engine, expected: dict) -> None:
    """Returns where a database is sound, nobody is at work on it, and its contents are these."""
    different = contents.differences(contents.contents(engine), expected)
    assert different == [], different
    assert upkeep.check(engine) == []
    with engine.connect() as connection:
        assert contents.running(connection) == 0
