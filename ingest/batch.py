"""What a batch is: which cases are wanted, from which data, by which attack, with which seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from db.vocabulary import METRIC, METRICS, PARTITIONS, SCREENINGS

EVOLUTION, SWEEP = METHODS = ("differential-evolution", "corner-sweep")
STRATEGIES = ("rand/1", "best/1")
STARTS = ("uniform", "latin-hypercube", "gaussian")
ANY, RANDOM, ALL = (
    "none",
    "random",
    "all",
)  # targets: any wrong class, one drawn for each image, every wrong one
FIRST_WEIGHTS = (0.5, 1.0)

# The random streams of a batch, by what is drawn from them. A stream keeps its number for good: with another
# one, the same seed would make other cases. Attacks draw by keys of their own, from `jax.random.key(seed)`.
STREAMS = {
    "order": 0,  # the order in which test images are attacked
    "targets": 1,  # the class, or the order of the classes, that an image is to be taken for
    "case ids": 2,  # the order in which cases get their ids
}


@dataclass(frozen=True)
class Batch:
    """The parameters of one ingest; the same parameters are the same batch, and are never done twice."""

    dataset: str = "cifar10"
    cases: int = 248  # adversarial ones wanted in each partition, and as many clean ones (paper: 248)
    partitions: tuple[str, ...] = PARTITIONS
    attack: str = EVOLUTION
    targets: str = ANY  # "none", "random", "all", or a class name
    screen: str | None = (
        None  # a sweep first; evolution then only where it left a pair "undecided" or "reachable"
    )
    levels: int = 2  # of each color channel in a sweep: 2 are the eight corners
    pixels: int = 1  # changed pixels, >= 1
    population: int = 400  # candidates a generation, >= 4
    generations: int = 75  # after the first population, >= 0
    strategy: str = "rand/1"  # base vector: "rand/1" a random individual, "best/1" the best one
    weight: tuple[float, float] = FIRST_WEIGHTS  # F, drawn anew between the two for every generation
    crossover_rate: float = 1.0  # CR in [0, 1]
    start: str = "uniform"  # first population: "uniform", "latin-hypercube" or "gaussian"
    seed: int = 0  # of the order of images, the random targets and the attack
    metrics: tuple[str, ...] = (METRIC,)
    layers: tuple[str, ...] = ()  # compared besides flatten, the dense ones and composed

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
        if not 2 <= self.levels <= 16:
            raise ValueError(f"--levels {self.levels}: expected 2..16; a sweep tries levels^3 colors")
        low, high = self.weight
        if not 0 <= low <= high < float("inf"):
            raise ValueError(f"--weight {low:g} {high:g}: expected two numbers, 0 <= LOW <= HIGH")
        if not 0 <= self.crossover_rate <= 1:
            raise ValueError(f"--crossover-rate {self.crossover_rate:g}: expected a number in [0, 1]")
        known = {"partitions": PARTITIONS, "metrics": METRICS}
        for name, choices in known.items():
            values = getattr(self, name)
            unknown = [value for value in values if value not in choices]
            if unknown or not values or len(set(values)) < len(values):
                raise ValueError(
                    f"--{name[:-1]} {' '.join(values)}: expected of {', '.join(choices)}, each once"
                )
        one_of = {"attack": METHODS, "strategy": STRATEGIES, "start": STARTS}
        for name, choices in one_of.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"--{name} {getattr(self, name)}: expected one of {', '.join(choices)}")
        if self.screen not in (None, *SCREENINGS):
            raise ValueError(f"--screen {self.screen}: expected one of {', '.join(SCREENINGS)}")
        if self.screen and self.attack == SWEEP:
            raise ValueError(
                f"--screen {self.screen}: a sweep before a sweep; use it with --attack {EVOLUTION}"
            )
        if self.sweeps and self.pixels > 1:
            raise ValueError(
                f"--pixels {self.pixels}: a sweep changes one pixel; use --attack {EVOLUTION} alone"
            )

    @property
    def sweeps(self) -> bool:
        """Whether images are swept in search of cases."""
        return self.attack == SWEEP or self.screen is not None

    @property
    def budget(self) -> int:
        """The most queries one attack by evolution may make."""
        return self.population * (1 + self.generations)

    def identity(self) -> dict:
        """What tells this batch from others: all but how many cases, where, in which metrics and layers.

        Asking for more cases, or for the other partition, goes on with the same batch.
        """
        names = ("dataset", "attack", "targets", "screen", "levels", "pixels", "population", "generations")
        names += ("strategy", "crossover_rate", "start", "seed")
        return {name: getattr(self, name) for name in names} | {"weight": list(self.weight)}

    def title(self, *, all_test: bool = False) -> str:
        """A name that tells it from most others, for one that nobody has named."""
        parts = [self.attack, *([f"screen {self.screen}"] if self.screen else [])]
        parts += [f"targets {self.targets}"] if self.targets != ANY else []
        parts += [f"{self.pixels} pixels"] if self.pixels > 1 else []
        parts += [f"{self.levels} levels"] if self.sweeps and self.levels > 2 else []
        parts += ["every test image"] if all_test else []
        return ", ".join((*parts, f"seed {self.seed}"))

    def as_json(self) -> dict:
        """All of it, for another process."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict) -> Batch:
        """What `as_json` gave."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    def settings(self) -> dict:
        """The columns of `attacks` that tell one way of attacking an image by evolution from another."""
        low, high = self.weight
        variant = f"{self.strategy} F {low:g}-{high:g} CR {self.crossover_rate:g}, {self.start} start"
        return {
            "method": EVOLUTION,
            "variant": f"{variant}, clip, log-probability",
            "pixel_count": self.pixels,
            "population": self.population,
            "budget": self.budget,
            "seed": self.seed,
        }

    def random(self, stream: str) -> np.random.Generator:
        """A new generator at the beginning of a stream of `STREAMS`; the same numbers for the same seed.

        Raises KeyError for a stream that is not in the register.
        """
        return np.random.default_rng([self.seed, STREAMS[stream]])

    def partition_of(self, place: int) -> str:
        """The partition of the image at a place of the seeded order: fixed, so a resumed batch agrees."""
        return PARTITIONS[place % len(PARTITIONS)]


def sweep_settings(levels: int, shape: tuple[int, ...]) -> dict:
    """The columns of `attacks` that tell a sweep of images (H, W, C) from other attacks."""
    candidates = shape[0] * shape[1] * levels**3
    return {
        "method": SWEEP,
        "variant": "corners" if levels == 2 else f"grid-{levels}",
        "pixel_count": 1,
        "population": candidates,
        "budget": candidates,
        "seed": 0,
    }


def check_possible(batch: Batch, images: int) -> None:
    """ValueError where a partition cannot hold the wanted cases even if every attack succeeded."""
    most = images // (2 * len(PARTITIONS))
    if batch.cases > most:
        raise ValueError(
            f"--cases {batch.cases}: {batch.dataset} has {images} test images that could become cases, "
            f"enough for {most} adversarial and {most} clean ones a partition; ask for fewer or use cifar10"
        )
