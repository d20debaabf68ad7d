"""Data sets with their classes, and networks with their layers: each is written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, update

from db import write
from db.schema import classes, datasets, layers, networks, now
from db.vocabulary import SINGLE_KINDS
from model.data.dataset import Dataset
from model.network.architecture import COMPOSED, SCALED, Architecture
from model.network.checkpoint import Checkpoint


def register_dataset(connection: Connection, dataset: Dataset) -> int:
    """The id of the data set, written with its classes if it is new."""
    return register_dataset_named(connection, dataset.name, dataset.source, dataset.class_names)


def register_dataset_named(connection: Connection, name: str, source: str, class_names: Sequence[str]) -> int:
    """The same, for a data set that is not loaded as a whole."""
    facts = {"source": source, "created_at": now()}
    dataset_id = write.ensure(connection, datasets, {"name": name}, facts)
    names = enumerate(class_names)
    write.insert_missing(
        connection, classes, [{"dataset_id": dataset_id, "class": i, "name": class_} for i, class_ in names]
    )
    return dataset_id


def register_network(connection: Connection, checkpoint: Checkpoint, dataset_id: int) -> int:
    """The id of the network on a data set, written with its layers if it is new."""
    architecture = checkpoint.network.architecture
    facts = {
        "name": architecture.name,
        "description": checkpoint.description,
        "test_accuracy": checkpoint.description.get("test_accuracy"),
        "created_at": now(),
    }
    key = {"sha256": checkpoint.sha256, "dataset_id": dataset_id}
    network_id = write.ensure(connection, networks, key, facts)
    write.insert_missing(connection, layers, _make_layer_rows(network_id, architecture))
    return network_id


def compare_layers(
    connection: Connection, network_id: int, architecture: Architecture, names: Sequence[str]
) -> None:
    """Mark more layers as compared: viewed maps, or `composed-scaled`.

    Raises ValueError for a name that is neither.
    """
    maps = [name for name in architecture.viewed if name not in architecture.compared]
    for name in names:
        if name not in (*maps, SCALED):
            known = ", ".join((SCALED, *maps))
            raise ValueError(f"--layer {name}: expected one of {known}; the others are compared anyway")
        if name == SCALED:
            write.insert_missing(connection, layers, [_make_scaled_row(network_id, architecture)])
        else:
            named = (layers.c.network_id == network_id) & (layers.c.name == name)
            connection.execute(update(layers).where(named).values(compared=True))


def _make_layer_rows(network_id: int, architecture: Architecture) -> list[dict[str, Any]]:
    """Rows of `layers`, from the input to the output, `composed` last."""
    rows, notes, kinds = [], architecture.notes(), architecture.kinds()
    for position, (name, shape) in enumerate(architecture.activation_shapes().items()):
        rows.append(
            {
                "network_id": network_id,
                "name": name,
                "kind": kinds[name],
                "position": position,
                "shape": list(shape),
                "compared": kinds[name] == COMPOSED or kinds[name] in SINGLE_KINDS,
                "title": name,
                "note": notes[name],
            }
        )
    return rows


def _make_scaled_row(network_id: int, architecture: Architecture) -> dict[str, Any]:
    """The row of `layers` for `composed-scaled`, which comes after all others."""
    last = _make_layer_rows(network_id, architecture)[-1]
    named = {"name": SCALED, "title": SCALED, "note": architecture.notes()[SCALED]}
    return {**last, **named, "position": last["position"] + 1}
