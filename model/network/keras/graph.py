"""The graph in a Keras file's JSON: every use of a layer, those in models inside the model included."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from model.network.foreign import WAY_OUT, ForeignError
from model.network.keras.json import (
    MODELS,
    Call,
    History,
    Place,
    declared_shape,
    find_shifts,
    histories,
    list_layers,
    parse_call,
    read_kind,
    read_name,
    with_places,
)

MOST_CALLS = 4096  # uses of layers
MOST_DEPTH = 32  # models inside models


@dataclass(frozen=True)
class Tensor:
    """The output of a node by its number from 1; 0 is the image."""

    number: int


@dataclass(frozen=True)
class Node:
    """One use of a layer, or of a function, which Keras 3 calls `Relu`, Keras 2 `tf.nn.relu`."""

    kind: str
    config: Mapping[str, Any]
    places: tuple[Place, ...]  # its own last, after those of the models that it stands in
    arguments: tuple[Any, ...]  # each a Tensor, or a constant
    keywords: Mapping[str, Any]  # likewise

    @property
    def name(self) -> str:
        """The layer's name in its model."""
        return self.places[-1].name

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the tensors that it reads, in order."""
        given = (*self.arguments, *self.keywords.values())
        return tuple(each.number for each in given if isinstance(each, Tensor))

    def trains(self, version: int) -> bool:
        """Whether it behaves as in training even when it predicts, which Keras 3 never lets it."""
        return version < 3 and self.keywords.get("training") is True


@dataclass(frozen=True)
class Graph:
    """All uses of layers, each after those that it reads."""

    input_shape: tuple[int | None, ...]  # as the file has it, without the batch axis
    nodes: tuple[Node, ...]
    output: int  # the number of the tensor


def parse(model: Mapping[str, Any], path: Path, version: int) -> Graph:
    """The graph of the parsed JSON of a model, which this version of Keras wrote.

    Raises ForeignError for several inputs or outputs, for a cycle, for what is no model of layers, and for
    too many layers; LookupError, TypeError, AttributeError or ValueError for JSON of another form.
    """
    kind, config = model["class_name"], model["config"]
    expansion = _Expansion(path, version)
    if kind not in MODELS:
        raise expansion.fail(
            f"it holds a {str(kind)[:60]!r}: expected a Sequential or Functional model; {WAY_OUT}"
        )
    (_, *shape) = expansion.input_shape(kind, config)
    outputs = expansion.expand(kind, config, [Tensor(0)], ())
    if len(outputs) != 1:
        raise expansion.fail(f"it has {len(outputs)} outputs: expected one, the class scores")
    return Graph(tuple(shape), tuple(expansion.nodes), outputs[0].number)


@dataclass
class _Expansion:
    path: Path
    version: int
    nodes: list[Node] = field(default_factory=list)
    calls: int = 0

    def fail(self, message: str) -> ForeignError:
        return ForeignError(f"network {self.path}: {message}")

    def input_shape(self, kind: str, config: Any) -> list[int | None]:
        """The shape of a model's input, batch axis included."""
        if kind == "Sequential":
            first = list_layers(config)[0]
            if first["class_name"] in MODELS:
                return self.input_shape(first["class_name"], first["config"])
            built = config if isinstance(config, Mapping) else {}
            shape = declared_shape(first["config"]) or built.get("build_input_shape")
        else:
            inputs = histories(config["input_layers"])
            if len(inputs) != 1:
                raise self.fail(f"it has {len(inputs)} inputs: expected one, the image")
            entries = {read_name(entry): entry for entry in list_layers(config)}
            shape = declared_shape(entries[inputs[0].layer]["config"])
        if not shape or not isinstance(shape, list | tuple):
            raise self.fail("it does not say the shape of its input: build the model before you save it")
        return list(shape)

    def expand(self, kind: str, config: Any, inputs: list[Tensor], places: tuple[Place, ...]) -> list[Tensor]:
        """Add the nodes of a model that reads these tensors; returns its outputs."""
        if len(places) > MOST_DEPTH:
            raise self.fail(f"models stand in models, {len(places)} deep: expected at most {MOST_DEPTH}")
        entries = list(with_places(list_layers(config), places))
        if kind != "Sequential":
            return self._expand_graph(config, entries, inputs)
        tensors = inputs
        for entry, here in entries:
            if entry["class_name"] != "InputLayer":
                tensors = self._call(entry, here, Call([*tensors], {}))
        return tensors

    def _expand_graph(
        self,
        config: Mapping[str, Any],
        entries: list[tuple[Mapping[str, Any], tuple[Place, ...]]],
        inputs: list[Tensor],
    ) -> list[Tensor]:
        outputs = histories(config["output_layers"])
        known = {here[-1].name: (entry, here) for entry, here in entries}
        positions = {name: position for position, name in enumerate(known)}
        calls = {
            (name, use): parse_call(raw, known)
            for name, (entry, _) in known.items()
            for use, raw in enumerate(entry.get("inbound_nodes") or [])
        }
        shifts = find_shifts(calls, outputs)
        heads = histories(config["input_layers"])
        if len(heads) != len(inputs):
            raise self.fail(f"a model of {len(heads)} inputs reads {len(inputs)}: expected as many")
        values = {(head.layer, head.use): [tensor] for head, tensor in zip(heads, inputs, strict=True)}

        def locate(history: History) -> tuple[str, int]:
            return history.layer, history.use - shifts.get(history.layer, 0)

        def resolve(each: Any) -> Any:
            return values[locate(each)][each.output] if isinstance(each, History) else each

        for key in self._sort(calls, values, [locate(each) for each in outputs], locate, positions):
            entry, here = known[key[0]]
            call = calls[key]
            keywords = {word: resolve(each) for word, each in call.keywords.items()}
            values[key] = self._call(entry, here, Call([resolve(each) for each in call.arguments], keywords))
        return [resolve(each) for each in outputs]

    def _sort(
        self,
        calls: Mapping[tuple[str, int], Call],
        given: Mapping[tuple[str, int], Any],
        outputs: Sequence[tuple[str, int]],
        locate: Any,
        positions: Mapping[str, int],
    ) -> Iterator[tuple[str, int]]:
        """Uses of layers that the outputs need, each after what it reads, else as the file lists them."""
        sorter: TopologicalSorter[tuple[str, int]] = TopologicalSorter()
        waiting, seen = list(outputs), set(given)
        while waiting:
            key = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            if key not in calls:
                raise self.fail(f"a layer reads {str(key[0])[:80]!r} (use {key[1]}), which the file lacks")
            reads = [locate(each) for each in calls[key].reads()]
            sorter.add(key, *(each for each in reads if each not in given))
            waiting += reads
        try:
            sorter.prepare()
        except CycleError as error:
            names = " -> ".join(str(name)[:40] for name, _ in error.args[1][:6])
            raise self.fail(f"its layers form a cycle: {names}; expected each to read earlier ones") from None
        ready: list[tuple[int, int, str]] = []
        while sorter.is_active():
            for name, use in sorter.get_ready():
                heapq.heappush(ready, (positions[name], use, name))
            _, use, name = heapq.heappop(ready)
            yield name, use
            sorter.done((name, use))

    def _call(self, entry: Mapping[str, Any], here: tuple[Place, ...], call: Call) -> list[Tensor]:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise self.fail(f"it uses more than {MOST_CALLS:,} layers")
        kind, config = entry["class_name"], entry["config"]
        node = Node(read_kind(entry), config, here, tuple(call.arguments), call.keywords)
        if kind in MODELS:
            if node.trains(self.version):
                raise self.fail(f"model {node.name[:80]!r} is called with training=True; {WAY_OUT}")
            return self.expand(kind, config, [Tensor(number) for number in node.inputs], here)
        if not isinstance(config, Mapping):
            raise TypeError(f"the config of {node.name[:80]!r} is no mapping")
        self.nodes.append(node)
        return [Tensor(len(self.nodes))]
