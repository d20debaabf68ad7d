"""The batch of `xpixels demo`: enough of a data set to look at, in a few minutes on two cores."""

from __future__ import annotations

from ingest.batch import Batch

SHAPE = (32, 32, 3)  # of the sample's images
NAME = "demo"  # of its batch
DEMO = Batch(dataset="cifar10-sample", cases=32, population=100, generations=5)


def explain(batch: Batch) -> str:
    """One sentence that names the smaller budget."""
    usual = Batch()

    def queries(one: Batch) -> int:
        return one.method.queries(one.parameters, SHAPE)

    return (
        f"demo: {batch.cases} adversarial and {batch.cases} clean cases in each partition, from "
        f"{batch.dataset}; attacks may make {queries(batch):,} queries each ({batch.population} candidates, "
        f"{batch.generations} generations) instead of the usual {queries(usual):,}, so fewer images fall"
    )
