"""The results of queries about one case: its parts as typed rows."""

from typing import Literal, NamedTuple

from db.scope import Scope

Color = tuple[int, int, int]  # red, green, blue, each 0..255


class CaseImage(NamedTuple):
    """A stored image, by its content."""

    sha256: str
    height: int
    width: int
    gray: bool = False


class CasePixel(NamedTuple):
    """A pixel that an attack changed; rows and columns count from 0 at the top left."""

    row: int
    column: int
    color: Color
    original: Color


class CaseAttack(NamedTuple):
    """The attack that made an adversarial case."""

    method: str
    target_class: int | None  # None: any class but the true one
    queries: int
    generations: int
    seconds: float
    pixels: tuple[CasePixel, ...]


class CaseBatch(NamedTuple):
    """The batch that a case came from: the request of one command."""

    batch_id: int
    name: str
    seed: int


class CaseLayer(NamedTuple):
    """A layer of the network, in the order of `position`."""

    layer_id: int
    name: str
    kind: str
    position: int  # from the input to the output, from 0
    shape: tuple[int, ...]
    compared: bool  # whether neighbors are searched here
    title: str  # people read it in place of the name
    note: str  # what the layer holds, in a few words


class CaseScore(NamedTuple):
    """The network's score for a class."""

    class_id: int
    logit: float
    probability: float  # [0, 1]


class CaseDetail(NamedTuple):
    """A case with everything that does not depend on the chosen layer."""

    case_id: int
    network_id: int
    dataset_id: int
    network: str
    dataset: str  # of a kept case the one that it is judged by
    class_names: tuple[str, ...]  # by class id
    kind: Literal["clean", "adversarial", "unknown"]
    partition: Literal["tuning", "validation", "checked"]
    split: str
    position: int  # of the sample in its split
    sample_name: str | None  # of the file that it came from, if it came from one
    true_class: int | None  # None: of an unknown case
    predicted_class: int
    confidence: float  # softmax probability of the predicted class
    image: CaseImage  # what the network saw
    original: CaseImage  # the sample itself; for a clean case the same
    attack: CaseAttack | None
    batch: CaseBatch | None  # None: of an unknown case
    scores: tuple[CaseScore, ...]  # in class order
    layers: tuple[CaseLayer, ...]  # in network order

    @property
    def scope(self) -> Scope:
        """The network and the data set that it belongs to."""
        return Scope(self.network_id, self.dataset_id)

    @property
    def true_name(self) -> str | None:
        """The name of the true class; None: unknown."""
        return None if self.true_class is None else self.class_names[self.true_class]

    @property
    def compared_layers(self) -> tuple[CaseLayer, ...]:
        """The layers that the defense uses, in network order."""
        return tuple(layer for layer in self.layers if layer.compared)


class CaseDecision(NamedTuple):
    """The defense's decision in a layer."""

    layer: str
    metric: str
    rule: str
    k: int
    threshold: int  # -1..k; alarm when unexpected_count is greater
    unexpected_count: int
    alarm: bool
    majority_class: int | None  # None: several classes are most frequent
    recovered_class: int | None
    outcome: Literal["TP", "FP", "TN", "FN"] | None  # None: of an unknown case


class CaseNeighbor(NamedTuple):
    """A reference sample near a case in a layer."""

    rank: int  # from 1
    distance: float  # in the metric's own unit
    reference_sample_id: int
    label: int
    position: int  # of the sample in the training split
    image: str  # sha256


class CaseActivation(NamedTuple):
    """A layer's stored activations for a case: little-endian float16, C order."""

    layer: str
    shape: tuple[int, ...]
    encoding: Literal["raw", "zlib"]
    data: bytes
