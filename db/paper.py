"""The paper's own numbers (section 4.4), and whether a network on a data set is the one that they belong to.

Imports nothing of ours.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

DATASETS = ("cifar10", "cifar10-sample")
WIDTHS = {"flatten": 2304, "dense": 512, "logits": 10}  # the compared layers of its network, units of each
K = {"flatten": 13, "dense": 23, "logits": 12, "composed": 12}  # chosen there, by layer
FIRST_THRESHOLDS, FIRST_BY_K, ROC = 4, 8, 12  # its figures: 4 to 7, 8 to 11 in the order of K, and 12
NONE: Mapping[str, int] = MappingProxyType({})


def paper_ks(dataset: str, single_layers: Collection[tuple[str, int]]) -> Mapping[str, int]:
    """The paper's k by layer; nothing for another network or another data set.

    single_layers: the compared layers that join no others, each with its number of units.
    """
    return K if dataset in DATASETS and WIDTHS.items() <= set(single_layers) else NONE
