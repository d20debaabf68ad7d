"""What a batch is: which cases are wanted, from which data, by which attack, with which seed."""

from __future__ import annotations

from dataclasses import dataclass

from db.schema import METRICS, PARTITIONS

METHODS = ("differential-evolution",)
ANY, RANDOM = "none", "random"  # targets: any wrong class, or one drawn for each image


@dataclass(frozen=True)
class Batch:
    """The parameters of one ingest; the same parameters are the same batch, and are never done twice."""

    dataset: str = "cifar10"
    cases: int = 248  # adversarial ones wanted in each partition, and as many clean ones (paper: 248)
    partitions: tuple[str, ...] = PARTITIONS
    attack: str = METHODS[0]
    targets: str = ANY  # "none", "random", or a class name
    pixels: int = 1  # changed pixels, >= 1
    population: int = 400  # candidates a generation, >= 4
    generations: int = 75  # after the first population, >= 0
    seed: int = 0  # of the order of images, the random targets and the attack
    metrics: tuple[str, ...] = ("euclidean",)

    def __post_init__(self) -> None:
        """Check ranges; ValueError with the option's name, its value, and what it may be."""
        least = {"cases": 1, "pixels": 1, "population": 4, "generations": 0, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(
                    f"--{name} {getattr(self, name)}: expected a whole number of at least {bound}"
                )
        if self.seed >= 2**32:
            raise ValueError(f"--seed {self.seed}: expected a whole number below {2**32}")
        if self.budget >= 2**31:
            raise ValueError(
                f"--population {self.population} --generations {self.generations}: {self.budget:,} queries "
                f"an image; expected fewer than {2**31:,}"
            )
        known = {"partitions": PARTITIONS, "metrics": METRICS}
        for name, choices in known.items():
            values = getattr(self, name)
            unknown = [value for value in values if value not in choices]
            if unknown or not values or len(set(values)) < len(values):
                raise ValueError(
                    f"--{name[:-1]} {' '.join(values)}: expected of {', '.join(choices)}, each once"
                )
        if self.attack not in METHODS:
            raise ValueError(f"--attack {self.attack}: expected one of {', '.join(METHODS)}")

    @property
    def budget(self) -> int:
        """The most queries one attack may make."""
        return self.population * (1 + self.generations)

    def identity(self) -> dict:
        """What tells this batch from others: all but how many cases are wanted, where, and the metrics.

        Asking for more cases, or for the other partition, goes on with the same batch.
        """
        names = ("dataset", "attack", "targets", "pixels", "population", "generations", "seed")
        return {name: getattr(self, name) for name in names}

    def settings(self) -> dict:
        """The columns of `attacks` that tell one way of attacking an image from another."""
        return {
            "method": self.attack,
            "pixel_count": self.pixels,
            "population": self.population,
            "budget": self.budget,
            "seed": self.seed,
        }

    def partition_of(self, place: int) -> str:
        """The partition of the image at a place of the seeded order: fixed, so a resumed batch agrees."""
        return PARTITIONS[place % len(PARTITIONS)]


def check_possible(batch: Batch, images: int) -> None:
    """ValueError where a partition cannot hold the wanted cases even if every attack succeeded."""
    most = images // (2 * len(PARTITIONS))
    if batch.cases > most:
        raise ValueError(
            f"--cases {batch.cases}: {batch.dataset} has {images} test images that could become cases, "
            f"enough for {most} adversarial and {most} clean ones a partition; ask for fewer or use cifar10"
        )
