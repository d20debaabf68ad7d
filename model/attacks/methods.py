"""The attacks by name, with their parameters: options of commands, checks and labels derive from them.

To add one, write a file with a function like `Stream`, a row here, and a row with the words for people in
`db.vocabulary.ATTACKS` (CONTRIBUTING.md). Imports no JAX: a command's help is printed without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from model.attacks.grid import MOST_LEVELS, count_colors, count_positions, usual_stride
from model.attacks.parameters import STARTS, STRATEGIES, Parameter, choice, whole

if TYPE_CHECKING:
    import numpy as np
    from jax import Array

    from model.attacks.loop import AttackResult

MOST_QUERIES = 2**31

Values = Mapping[str, Any]  # of parameters, by name
Shape = Sequence[int]  # of an image: (H, W, C)


class Stream(Protocol):
    """An attack on images: yields (indices (n,), AttackResult of n rows) as goals are done.

    function: from images to logits, as `model.network.cnn.logits_function` or an `Incremental`; images
    (N, H, W, C) uint8; labels (N,); targets (N, T), -1 for none, or None: any wrong class. Indices then count
    target by target. key: for its random numbers; identities (N,): an image's random numbers depend only
    on these and the key. batch_size: the most images in flight. It also takes the method's parameters.
    """

    def __call__(
        self,
        function: Callable[[Array], Array],
        images: np.ndarray,
        labels: np.ndarray,
        /,
        *,
        targets: np.ndarray | None,
        key: Array,
        identities: np.ndarray,
        batch_size: int,
        **parameters: Any,
    ) -> Iterator[tuple[np.ndarray, AttackResult]]:
        """Attack the images."""
        ...


@dataclass(frozen=True)
class Method:
    """An attack that can make a batch."""

    name: str
    parameters: tuple[Parameter, ...]
    # From the parameters and the shape of an image: a short description of how it was done
    # (`attacks.variant`), how many candidates are tried together (`attacks.population`), and the most queries
    # that one attack may make (`attacks.budget`).
    variant: Callable[[Values, Shape], str]
    population: Callable[[Values, Shape], int]
    queries: Callable[[Values, Shape], int]
    load: Callable[[], Stream] | None = None  # imports it; None: it sweeps images (`model.attacks.sweep`)
    # Other methods that a batch may combine with this one: their parameters identify its batches, too.
    combined: tuple[str, ...] = ()
    # One line about parameters that do not go together; None: they do.
    complain: Callable[[Values], str | None] = lambda values: None

    def pixel_count(self, values: Values) -> int:
        """How many pixels it changes: its parameter `pixels`, where it has one, else 1."""
        return int(values["pixels"]) if any(one.name == "pixels" for one in self.parameters) else 1

    @property
    def sweeps(self) -> bool:
        """Whether it tries all candidates, on all classes at once."""
        return self.load is None


def _load_evolution() -> Stream:
    from model.attacks.one_pixel import attack_stream

    return cast(Stream, attack_stream)  # its parameters are those of EVOLUTION


def _name_evolution(values: Values, shape: Shape) -> str:
    (low, high), rate = values["weight"], values["crossover_rate"]
    variant = f"{values['strategy']} F {low:g}-{high:g} CR {rate:g}, {values['start']} start"
    return f"{variant}, clip, log-probability"


def _count_evolution(values: Values, shape: Shape = ()) -> int:
    return int(values["population"] * (1 + values["generations"]))


def _limit_evolution(values: Values) -> str | None:
    queries = _count_evolution(values)
    if queries < MOST_QUERIES:
        return None
    options = f"--population {values['population']} --generations {values['generations']}"
    return f"{options}: {queries:,} queries an image; expected fewer than {MOST_QUERIES:,}"


def stride_of(values: Values, shape: Shape) -> int:
    """The stride of a sweep of images of this shape: the one that is asked for, or the usual one."""
    return int(values["stride"]) or usual_stride(shape)


def _name_sweep(values: Values, shape: Shape) -> str:
    levels = values["levels"]
    color = "corners" if levels == 2 else f"grid-{levels}"
    return _name_strided(color if shape[2] == 3 else f"grays-{levels}", values, shape)


def _name_near_median(values: Values, shape: Shape) -> str:
    return _name_strided(f"within {values['within']}", values, shape)


def _name_strided(name: str, values: Values, shape: Shape) -> str:
    stride = stride_of(values, shape)
    return name if stride == 1 else f"{name}, stride {stride}"


def _count_sweep(values: Values, shape: Shape) -> int:
    return count_positions(shape, stride_of(values, shape)) * count_colors(values["levels"], shape[2])


def _count_near_median(values: Values, shape: Shape) -> int:
    return count_positions(shape, stride_of(values, shape)) * count_colors(2, shape[2])  # corners of a box


LEVELS = Parameter(
    "levels",
    2,
    "of each color channel in a sweep; 2: the eight corners, of gray images black and white",
    lambda value: 2 <= value <= max(MOST_LEVELS.values()),
    f"2..{MOST_LEVELS[3]}, of grays 2..{MOST_LEVELS[1]}; a sweep tries levels^3 colors, or that many grays",
    metavar="N",
)
STRIDE = Parameter(
    "stride",
    0,
    "a sweep tries every N-th row and column; 0: each of them up to 64 x 64 pixels, of larger images as many "
    "as give at most 64 x 64 positions",
    lambda value: 0 <= value <= 256,
    "0..256",
    metavar="N",
    late=True,
)
WEIGHT = Parameter(
    "weight",
    (0.5, 1.0),
    "F, drawn anew for every generation",
    lambda value: 0 <= value[0] <= value[1] < float("inf"),
    "two numbers, 0 <= LOW <= HIGH",
    metavar=("LOW", "HIGH"),
)
CROSSOVER_RATE = Parameter(
    "crossover_rate",
    1.0,
    "CR: a trial's chance to take a gene from its mutant",
    lambda value: 0 <= value <= 1,
    "a number in [0, 1]",
    metavar="CR",
)
EVOLUTION = Method(
    "differential-evolution",
    (
        whole("pixels", 1, "pixels changed", 1, "P"),
        whole("population", 400, "candidates a generation", 4),
        whole("generations", 75, "after the first population", 0),
        choice("strategy", "rand/1", "base vector: a random individual, or the best one", STRATEGIES),
        choice("start", "uniform", "first population", STARTS),
        WEIGHT,
        CROSSOVER_RATE,
    ),
    variant=_name_evolution,
    population=lambda values, shape: int(values["population"]),
    queries=_count_evolution,
    load=_load_evolution,
    complain=_limit_evolution,
    combined=("corner-sweep",),
)
SWEEP = Method(
    "corner-sweep",
    (LEVELS, STRIDE),
    variant=_name_sweep,
    population=_count_sweep,
    queries=_count_sweep,
    combined=("differential-evolution",),
)
# The stage `near-median` makes it of images that are already cases: no batch can ask for it.
NEAR_MEDIAN = Method(
    "near-median",
    (),  # no options: the stage says within how much of the median, and the stride
    variant=_name_near_median,
    population=_count_near_median,
    queries=_count_near_median,
)
METHODS: dict[str, Method] = {method.name: method for method in (EVOLUTION, SWEEP)}


def all_parameters() -> dict[str, Parameter]:
    """The parameters of all methods by name; methods may share one only if it means the same."""
    return {one.name: one for method in METHODS.values() for one in method.parameters}
