"""The forms in which Keras 1, 2 and 3 write the layers of a model, and what each reads, as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

MODELS = ("Sequential", "Functional", "Model")
PACKAGES = ("keras", "tf_keras", "tensorflow")  # whose classes are known
CONSTANT = "_CONSTANT_VALUE"  # Keras 2's name for a number in the place of a layer


class Place(NamedTuple):
    """Where a layer stands in the list of its model."""

    name: str
    kind: str  # its class
    number: int  # how many layers of its class stand before it


class History(NamedTuple):
    """A tensor as the file names it: an output of the use of a layer."""

    layer: str
    use: int
    output: int


class Call(NamedTuple):
    """What one use of a layer reads: tensors, and constants."""

    arguments: list[Any]
    keywords: dict[str, Any]

    def reads(self) -> list[History]:
        """The tensors, in order."""
        return [each for each in (*self.arguments, *self.keywords.values()) if isinstance(each, History)]


def snake_case(name: str) -> str:
    """A class's name as Keras 3 writes it in files of weights: `batch_normalization`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def list_layers(config: Any) -> list[Mapping[str, Any]]:
    """The layers of a model, which Keras 1 and early 2 list without more for a Sequential."""
    layers = config if isinstance(config, list) else config["layers"]
    if not isinstance(layers, list) or not layers:
        raise TypeError("a model without layers")
    return layers


def read_name(entry: Mapping[str, Any]) -> str:
    """The layer's name; Keras 1 gives none to a list of layers."""
    config = entry["config"]
    name = entry.get("name") or (config["name"] if isinstance(config, Mapping) else entry["class_name"])
    if not isinstance(name, str):
        raise TypeError(f"a layer is called {str(name)[:60]}")
    return name


def read_kind(entry: Mapping[str, Any]) -> str:
    """The layer's class, also of a function of Keras 3; `tf.nn.relu` for a function of Keras 2.

    One that is not Keras's own has its package before it, so that it is taken for none of them.
    """
    kind, registered = str(entry["class_name"]), entry.get("registered_name")
    if kind == "TFOpLambda":
        return f"tf.{entry['config']['function']}"
    if isinstance(registered, str) and ">" in registered:
        return registered
    module = entry.get("module")
    return kind if module is None or str(module).startswith(PACKAGES) else f"{module}.{kind}"


def with_places(
    entries: list[Mapping[str, Any]], places: tuple[Place, ...]
) -> Iterator[tuple[Mapping[str, Any], tuple[Place, ...]]]:
    """Each layer of a model with its places, which follow those of the model."""
    counts: Counter[str] = Counter()
    for entry in entries:
        kind = read_kind(entry)
        yield entry, (*places, Place(read_name(entry), kind, counts[kind]))
        counts[kind] += 1


def declared_shape(config: Mapping[str, Any]) -> Any:
    """The shape that a layer's config gives its input, batch axis included, or None."""
    return config.get("batch_shape") or config.get("batch_input_shape")


def histories(raw: Any) -> list[History]:
    """Inputs or outputs of a model: one `[name, use, output]`, a list of them, or named ones."""
    if isinstance(raw, Mapping):
        raw = list(raw.values())
    if raw and isinstance(raw[0], str):
        raw = [raw]
    return [History(str(name), int(use), int(output)) for name, use, output in raw]


def parse_call(raw: Any, known: Mapping[str, Any]) -> Call:
    """What one use of a layer reads, as Keras 3 writes it (a mapping) or Keras 1 and 2 (lists)."""
    if isinstance(raw, Mapping):
        arguments = [each for argument in raw["args"] for each in _flatten(argument)]
        keywords = {
            f"{word}.{number}" if number else word: each
            for word, given in raw["kwargs"].items()
            for number, each in enumerate(_flatten(given))
        }
        return Call(arguments, keywords)
    arguments, keywords = [], {}
    for name, use, output, *more in [raw] if raw and isinstance(raw[0], str) else raw:
        arguments.append(output if name == CONSTANT else History(name, int(use), int(output)))
        for word, given in (more[0] if more else {}).items():
            is_tensor = isinstance(given, list) and len(given) == 3 and str(given[0]) in known
            keywords[word] = History(*given) if is_tensor else given
    return Call(arguments, keywords)


def _flatten(given: Any) -> Iterator[Any]:
    """The tensors of an argument of Keras 3, or the argument itself where it is a constant."""
    if isinstance(given, Mapping) and given.get("class_name") == "__keras_tensor__":
        yield History(*given["config"]["keras_history"])
    elif isinstance(given, list) and given and all(isinstance(each, Mapping | list) for each in given):
        for each in given:
            yield from _flatten(each)
    elif isinstance(given, Mapping) and given.get("class_name") in ("__numpy__", "__tensor__"):
        yield given["config"]["value"]
    else:
        yield given


def find_shifts(calls: Mapping[tuple[str, int], Call], outputs: list[History]) -> dict[str, int]:
    """What uses are counted from, by layer: Keras 2 counts those of a model inside a model from 1.

    Each use in a file is read by another, so the highest one that is read tells.
    """
    uses = Counter(name for name, _ in calls)
    highest: dict[str, int] = {}
    for each in (*outputs, *(each for call in calls.values() for each in call.reads())):
        highest[each.layer] = max(each.use, highest.get(each.layer, 0))
    return {name: 1 for name, use in highest.items() if name in uses and use == uses[name]}
