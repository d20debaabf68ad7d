"""The parameters of a batch: which cases are wanted, from which data, by which attack, with which seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from db.vocabulary import K_MAX, METRIC, METRICS, PARTITIONS, SCREENINGS
from model.attacks.methods import EVOLUTION, METHODS, SWEEP, Method, all_parameters, stride_of

if TYPE_CHECKING:
    from model.data.dataset import Dataset

# Targets: any wrong class, one drawn for each image, every wrong one.
ANY, RANDOM, ALL = ("none", "random", "all")
MOST_ATTACKS = 1_000_000  # with all targets of all images: each is a row

# The random streams of a batch, by what is drawn from them. The number of a stream must never change: with
# another one, the same seed would make other cases. Attacks draw by keys from `jax.random.key(seed)`.
STREAMS = {
    "order": 0,  # the order in which test images are attacked
    "targets": 1,  # the target class of an image, or the order of its target classes
    "case ids": 2,  # the order in which cases get their ids
}


@dataclass(frozen=True, init=False)
class Batch:
    """The parameters of one ingest. Equal parameters are the same batch, which is never done twice.

    The parameters of attacks (`model.attacks.methods.METHODS`) are attributes, too: `batch.population`.
    """

    dataset: str = "cifar10"
    cases: int = 248  # adversarial ones wanted in each partition, and as many clean ones (paper: 248)
    partitions: tuple[str, ...] = PARTITIONS
    attack: str = EVOLUTION.name
    targets: str = ANY  # "none", "random", "all", or a class name
    # Sweep first, then attack only the pairs that the sweep left "undecided" or "reachable".
    screen: str | None = None
    seed: int = 0  # of the order of images, the random targets and the attack
    metrics: tuple[str, ...] = (METRIC,)
    layers: tuple[str, ...] = ()  # compared besides flatten, the dense ones and composed
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)  # of attacks, by name

    def __init__(self, *, parameters: Mapping[str, Any] | None = None, **values: Any) -> None:
        """Set values by name; those of attacks may also be in `parameters`. The others get their defaults.

        Raises TypeError for an unknown name and ValueError, in one line, for a value out of its range.
        """
        declared = all_parameters()
        of_attacks = {**(parameters or {}), **{name: values.pop(name) for name in declared if name in values}}
        chosen = {name: of_attacks.get(name, parameter.default) for name, parameter in declared.items()}
        for each in fields(self):
            if each.name != "parameters":
                object.__setattr__(self, each.name, values.pop(each.name, each.default))
        if values or of_attacks.keys() - declared.keys():
            raise TypeError(f"a batch has no {', '.join((*values, *(of_attacks.keys() - declared.keys())))}")
        object.__setattr__(self, "parameters", chosen)
        self._check_own()
        for parameter in declared.values():
            parameter.require(chosen[parameter.name])
        self._check_together()

    def __getattr__(self, name: str) -> Any:
        """The attack parameter of this name."""
        if name.startswith("__") or name not in self.__dict__.get("parameters", {}):
            raise AttributeError(f"a batch has no {name}")
        return self.parameters[name]

    def _check_own(self) -> None:
        for name, least in (("cases", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} {getattr(self, name)}: expected a whole number of at least {least}"
                )
        if self.seed >= 2**32:
            raise ValueError(f"--seed {self.seed}: expected a whole number below {2**32}")
        known: dict[str, Collection[str]] = {"partitions": PARTITIONS, "metrics": METRICS}
        for name, choices in known.items():
            values = getattr(self, name)
            unknown = [value for value in values if value not in choices]
            if unknown or not values or len(set(values)) < len(values):
                raise ValueError(
                    f"--{name[:-1]} {' '.join(values)}: expected of {', '.join(choices)}, each once"
                )
        if self.attack not in METHODS:
            raise ValueError(f"--attack {self.attack}: expected one of {', '.join(METHODS)}")

    def _check_together(self) -> None:
        complaint = self.method.complain(self.parameters)
        if complaint:
            raise ValueError(complaint)
        if self.screen not in (None, *SCREENINGS):
            raise ValueError(f"--screen {self.screen}: expected one of {', '.join(SCREENINGS)}")
        if self.screen and self.method.sweeps:
            raise ValueError(
                f"--screen {self.screen}: a sweep before a sweep; use it with --attack {EVOLUTION.name}"
            )
        if self.sweeps and self.pixels > 1:
            raise ValueError(
                f"--pixels {self.pixels}: a sweep changes one pixel; use --attack {EVOLUTION.name} alone"
            )

    @property
    def method(self) -> Method:
        """The attack's entry in the register."""
        return METHODS[self.attack]

    @property
    def sweeps(self) -> bool:
        """Whether images are swept in search of cases."""
        return self.method.sweeps or self.screen is not None

    def identity(self) -> dict[str, Any]:
        """The parameters that identify a batch: all but cases, partitions, metrics and layers.

        A command with more cases, or with the other partition, continues the same batch.
        """
        own = {name: getattr(self, name) for name in ("dataset", "attack", "targets", "screen", "seed")}
        methods = [self.method, *(METHODS[name] for name in self.method.combined)]
        parameters = [parameter for method in methods for parameter in method.parameters]
        values = {
            one.name: self.parameters[one.name]
            for one in parameters
            if not (one.late and self.parameters[one.name] == one.default)
        }
        return own | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def title(self, *, all_test: bool = False) -> str:
        """The default name of a batch, which differs from that of most others."""
        parts = [self.attack, *([f"screen {self.screen}"] if self.screen else [])]
        parts += [f"targets {self.targets}"] if self.targets != ANY else []
        parts += [f"{self.pixels} pixels"] if self.pixels > 1 else []
        parts += [f"{self.levels} levels"] if self.sweeps and self.levels > 2 else []
        parts += [f"stride {self.stride}"] if self.sweeps and self.stride else []
        parts += ["every test image"] if all_test else []
        return ", ".join((*parts, f"seed {self.seed}"))

    def as_json(self) -> dict[str, Any]:
        """All parameters as JSON values, for another process."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "parameters"}
        values = {**own, **self.parameters}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Batch:
        """The batch that `as_json` encoded."""
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**fields)

    def settings(self, shape: Sequence[int]) -> dict[str, Any]:
        """The columns of `attacks` that identify this batch's settings on images of shape (H, W, C)."""
        return attack_settings(self.method, self.parameters, shape, self.seed)

    def random(self, stream: str) -> np.random.Generator:
        """A new generator at the start of a stream of `STREAMS`; the same seed gives the same numbers.

        Raises KeyError for a stream that is not in the register.
        """
        return np.random.default_rng([self.seed, STREAMS[stream]])

    def partition_of(self, place: int) -> str:
        """The partition of the image at a place of the seeded order: fixed, so a resumed batch agrees."""
        return PARTITIONS[place % len(PARTITIONS)]


def attack_settings(
    method: Method, values: Mapping[str, Any], shape: Sequence[int], seed: int = 0
) -> dict[str, Any]:
    """The columns of `attacks` that identify the settings of an attack on images of shape (H, W, C).

    Raises ValueError, in one line, for parameters that do not go with such images.
    """
    return {
        "method": method.name,
        "variant": method.variant(values, shape),
        "pixel_count": method.pixel_count(values),
        "population": method.population(values, shape),
        "budget": method.queries(values, shape),
        "seed": 0 if method.sweeps else seed,
    }


def sweep_settings(values: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """The same for a sweep; values: its parameters, among others."""
    return attack_settings(SWEEP, values, shape)


def stride_words(values: Mapping[str, Any], shape: Sequence[int]) -> str:
    """Which positions a sweep of images of shape (H, W, C) leaves out, in words; "": none."""
    stride = stride_of(values, shape)
    if stride == 1:
        return ""
    tried = " x ".join(str(len(range(0, side, stride))) for side in shape[:2])
    return f"{tried} of {shape[0]} x {shape[1]} positions, as --stride {stride} does (1 tries them all)"


def count_attacks(test: Dataset) -> int:
    """How many attacks all targets of all images are."""
    return len(test) * (len(test.class_names) - 1)


def check_possible(batch: Batch, images: int) -> None:
    """Raise ValueError if a partition could not get the wanted cases even if every attack succeeded."""
    most = images // (2 * len(PARTITIONS))
    if batch.cases > most:
        raise ValueError(
            f"--cases {batch.cases}: {batch.dataset} has {images} test images that could become cases, "
            f"enough for {most} adversarial and {most} clean ones a partition; ask for fewer, or take a data "
            "set with more"
        )


def check_reference(batch: Batch, images: int) -> None:
    """Raise ValueError if a case could not get its neighbors from so many training images."""
    if images < K_MAX:
        raise ValueError(
            f"{batch.dataset} has {images} training images that could be neighbors, and a case has {K_MAX}: "
            "take a data set with more, or a network that knows more of them"
        )
