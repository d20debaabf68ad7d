"""Data sets with their classes, networks with their layers, and which of them have met: each written once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from db import facets, write
from db.engine import insert_or_skip
from db.schema import classes, datasets, layers, network_datasets, networks, now, operating_points
from db.scope import Scope
from db.vocabulary import SINGLE_KINDS
from model.data.dataset import Dataset
from model.network.architecture import COMPOSED, SCALED, Architecture
from model.network.checkpoint import Checkpoint
from model.network.summary import parameter_count


def register_dataset(connection: Connection, dataset: Dataset) -> int:
    """The id of the data set, written with its classes if it is new."""
    return register_dataset_named(connection, dataset.name, dataset.source, dataset.class_names)


def register_dataset_named(connection: Connection, name: str, source: str, class_names: Sequence[str]) -> int:
    """The same, for a data set that is not loaded as a whole.

    Raises ValueError if the database has other content under this name, as after `xpixels data remove`.
    """
    known = connection.scalar(select(datasets.c.source).where(datasets.c.name == name))
    if known is not None and _content(known) != _content(source) and _content(known) and _content(source):
        raise ValueError(
            f"data set {name}: the database has other content under this name ({known}): add yours under "
            "another name with `xpixels data add`, or take another database"
        )
    facts = {"source": source, "created_at": now()}
    dataset_id = write.ensure(connection, datasets, {"name": name}, facts)
    names = enumerate(class_names)
    write.insert_missing(
        connection, classes, [{"dataset_id": dataset_id, "class": i, "name": class_} for i, class_ in names]
    )
    return dataset_id


def _content(source: str) -> str | None:
    """The digest in the words about a data set of the user's own; None of a built-in one."""
    match = re.search(r"SHA-256 ([0-9a-f]{12})", source)
    return match[1] if match else None


def register_network(connection: Connection, checkpoint: Checkpoint, dataset_id: int) -> Scope:
    """The network together with the data set; each is written if it is new, the network with its layers.

    Until it is measured, the accuracy is what the file tells of this data set, if anything.
    """
    architecture = checkpoint.network.architecture
    described = {**checkpoint.description, **_size(architecture)}
    facts = {"name": architecture.name, "description": described, "created_at": now()}
    network_id = write.ensure(connection, networks, {"sha256": checkpoint.sha256}, facts)
    _add_size(connection, network_id, architecture)
    write.insert_missing(connection, layers, _make_layer_rows(network_id, architecture))
    scope = Scope(network_id, dataset_id)
    if connection.execute(select(network_datasets).where(scope.of(network_datasets))).first() is None:
        name = connection.scalar(select(datasets.c.name).where(datasets.c.id == dataset_id))
        told = checkpoint.description
        accuracy = told.get("test_accuracy") if told.get("dataset") == name else None
        pair = {**scope._asdict(), "test_accuracy": accuracy, "created_at": now()}
        connection.execute(insert_or_skip(connection, network_datasets), pair)
    return scope


def compare_layers(
    connection: Connection, network_id: int, architecture: Architecture, names: Sequence[str]
) -> None:
    """Mark more layers of the network as compared: viewed maps, or `composed-scaled`.

    Lists of data sets that are not tuned yet show them at once, the others when they are tuned in them.
    Raises ValueError for a name that is neither.
    """
    maps = [name for name in architecture.viewed if name not in architecture.compared]
    changed = 0
    for name in names:
        if name not in (*maps, SCALED):
            known = ", ".join((SCALED, *maps))
            raise ValueError(f"--layer {name}: expected one of {known}; the others are compared anyway")
        if name == SCALED:
            row = _make_scaled_row(network_id, architecture)
            changed += write.insert_missing(connection, layers, [row])
        else:
            named = (layers.c.network_id == network_id) & (layers.c.name == name) & ~layers.c.compared
            changed += connection.execute(update(layers).where(named).values(compared=True)).rowcount
    for scope in _untuned(connection, network_id) if changed else ():
        facets.refresh(connection, scope)


def _size(architecture: Architecture) -> dict[str, int]:
    """Parameters, and multiply-adds of a pass; nothing of a function, whose layers are not known."""
    try:
        return {"parameters": parameter_count(architecture), "multiply_adds": architecture.multiply_adds()}
    except ValueError:
        return {}


def _add_size(connection: Connection, network_id: int, architecture: Architecture) -> None:
    """Add its size to a network from before version 0.7."""
    known = connection.execute(select(networks.c.description).where(networks.c.id == network_id)).scalar_one()
    if "parameters" not in known and (size := _size(architecture)):
        change = update(networks).where(networks.c.id == network_id)
        connection.execute(change.values(description={**known, **size}))


def _untuned(connection: Connection, network_id: int) -> list[Scope]:
    """The network with each of its data sets that it is not tuned on."""
    pairs, points = network_datasets.c, operating_points.c
    tuned = (
        select(points.dataset_id)
        .join(layers, layers.c.id == points.layer_id)
        .where(layers.c.network_id == network_id)
    )
    met = select(pairs.dataset_id).where(pairs.network_id == network_id, pairs.dataset_id.not_in(tuned))
    return [Scope(network_id, dataset_id) for dataset_id in connection.scalars(met)]


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
