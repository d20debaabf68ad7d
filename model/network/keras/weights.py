"""Where the weights of a layer stand in a Keras file: by name in `.h5`, by place in `.keras`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import h5py
import numpy as np

from model.network.foreign import ForeignError
from model.network.keras.hdf5 import Hdf5
from model.network.keras.json import Place, snake_case
from model.network.sliding import Shape

ALIASES = {  # what a role is called by some layer or version
    "kernel": ("W", "depthwise_kernel"),
    "bias": ("b",),
    "moving_mean": ("running_mean",),
    "moving_variance": ("running_std",),  # which Keras 1 calls so, though it holds the variance
    "depthwise_kernel": ("kernel",),
}
ROLES = (
    *(
        "depthwise_kernel",
        "pointwise_kernel",
        "kernel",
        "bias",
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    ),
    *("running_mean", "running_std", "mean", "variance", "count", "W", "b"),
)
NAME = re.compile(rf"(?:(.*?)[/_])?({'|'.join(ROLES)})(?:_\d+)?(?::\d+)?", re.DOTALL)
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # of Keras 3, and of Keras 2.12 to 2.15


class Weights(Protocol):
    """The weights of a file."""

    def take(self, places: Sequence[Place], shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
        """The weights of a layer by role, each of this shape, in the order in which Keras writes them.

        Raises ForeignError for missing ones, for more, and for what `Hdf5.read` refuses.
        """


class _Stored(NamedTuple):
    name: str
    owner: str  # the layer, as far as the name tells
    role: str
    dataset: h5py.Dataset


@dataclass
class NamedWeights:
    """The weights of a `.h5` file: a group for each layer, and names such as `conv2d_1/kernel:0`."""

    file: Hdf5
    root: h5py.Group
    known: dict[str, list[_Stored]] = field(default_factory=dict)

    def take(self, places: Sequence[Place], shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
        """See `Weights`; those of a layer in a model in the model stand with the outer one."""
        stored = self._list(places[0].name)
        if len(places) > 1:
            stored = _owned(stored, [place.name for place in places])
        by_role = {
            role: [each for each in stored if each.role in (role, *ALIASES.get(role, ()))] for role in shapes
        }
        if len(stored) == len(shapes) and all(len(found) == 1 for found in by_role.values()):
            stored = [found[0] for found in by_role.values()]
        if len(stored) != len(shapes):
            raise _miscounted(self.file, places, shapes, [each.name for each in stored])
        return {
            role: self.file.read(each.dataset, each.name, shape)
            for (role, shape), each in zip(shapes.items(), stored, strict=True)
        }

    def _list(self, layer: str) -> list[_Stored]:
        """The weights of a layer of the outermost model, without counters and states of random numbers."""
        if layer not in self.known:
            group = self.file.group(self.root, layer)
            names = [] if group is None else self.file.texts(group, "weight_names") or []
            self.known[layer] = []
            for name in names:
                dataset = self.file.dataset(group, name)
                if dataset is None:
                    raise self.file.fail(
                        f"layer {layer[:80]!r} names weights {name[:80]!r} that the file lacks"
                    )
                match = NAME.fullmatch(name)
                owner, role = (match[1] or "", match[2]) if match else ("", "")
                if dataset.dtype.kind not in "iu" and role != "count":
                    self.known[layer].append(_Stored(name, owner, role, dataset))
        return self.known[layer]


@dataclass
class PlacedWeights:
    """The weights of a `.keras` file: groups such as `layers/conv2d_1/vars/0`, counted by class."""

    file: Hdf5
    known: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def take(self, places: Sequence[Place], shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
        """See `Weights`."""
        group: h5py.Group | None = self.file.root
        for place in places:
            group = None if group is None else self._enter(group, place)
        stored = None if group is None else self.file.group(group, "vars")
        names = [] if stored is None else sorted((name for name in stored if name.isdecimal()), key=int)
        datasets = {name: self.file.dataset(stored, name) for name in names}
        label = "/".join(place.name for place in places)
        weights = {
            f"{label}/{name}": each
            for name, each in datasets.items()
            if each is not None and each.dtype.kind not in "iu"  # a counter
        }
        if len(weights) != len(shapes):
            raise _miscounted(self.file, places, shapes, list(weights))
        return {
            role: self.file.read(dataset, f"{name} ({role})", shape)
            for (role, shape), (name, dataset) in zip(shapes.items(), weights.items(), strict=True)
        }

    def _enter(self, group: h5py.Group, place: Place) -> h5py.Group | None:
        """The group of a layer of the model whose group this is."""
        for container_name in CONTAINERS:
            container = self.file.group(group, container_name)
            if container is None:
                continue
            by_kind = self.known.setdefault(container.name, {}) or self._sort(container)
            self.known[container.name] = by_kind
            kinds = ("functional", "model") if place.kind == "Model" else (snake_case(place.kind),)
            for kind in kinds:
                if place.number < len(by_kind.get(kind, [])):
                    return self.file.group(container, by_kind[kind][place.number])
        return None

    def _sort(self, container: h5py.Group) -> dict[str, list[str]]:
        """The names of groups by class: `conv2d`, `conv2d_1`, `conv2d_2`; Keras 2 leaves some out."""
        by_kind: dict[str, dict[int, str]] = {}
        for name in container:
            match = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", name, re.DOTALL)
            if match:
                by_kind.setdefault(match[1], {})[int(match[2] or 0)] = name
        return {kind: [names[number] for number in sorted(names)] for kind, names in by_kind.items()}


def _owned(stored: list[_Stored], path: list[str]) -> list[_Stored]:
    """Those of a layer in a model in the model: by the longest part of its path that tells them apart."""
    for start in range(len(path)):
        whole = "/".join(path[start:])
        for owned in (
            [each for each in stored if each.owner == whole],
            [each for each in stored if each.owner.endswith(f"/{whole}")],
        ):
            if owned and len({each.owner for each in owned}) == 1:
                return owned
    return []


def _miscounted(
    file: Hdf5, places: Sequence[Place], shapes: Mapping[str, Shape], names: list[str]
) -> ForeignError:
    layer = "/".join(place.name for place in places)
    needed = ", ".join(f"{role} {shape}" for role, shape in shapes.items())
    found = ", ".join(names)[:120] or "none"
    return file.fail(f"layer {layer[:80]!r} needs the weights {needed}; the file has {found}")
