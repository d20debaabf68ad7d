"""Load the network that judges: by a name in the database, or as `--network` of other commands names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from db.read.for_ingest.detectors import KnownNetwork
from ingest.check.tuned import full_name
from model.data import registry
from model.network import checkpoint, chosen, function
from model.network.checkpoint import Checkpoint


class Judge(NamedTuple):
    """A network that was loaded, and what tells which of the database's it is."""

    loaded: Checkpoint
    text: str  # names it in messages
    wanted: str | None  # its name, id or NAME@DATASET there; None: whichever has its digest


def load_judge(networks: Sequence[KnownNetwork], wanted: str | None, weights: str | None) -> Judge:
    """Load the network of a check.

    networks: of the database. wanted: one of them by its name, id or NAME@DATASET; or a stored network, a
        file or a function. weights: a file of its own; None: it is found by its name.

    Raises LookupError for a name that is nowhere, or whose file is not stored, and the errors of
    `model.network.checkpoint.load`.
    """
    if weights is not None:
        return Judge(checkpoint.load(chosen.find(weights)), weights, wanted)
    known = [one for one in networks if wanted in (str(one.id), one.name, full_name(one))]
    if wanted is None:
        # Without a name the bundled network judges, but for a database of another one alone.
        bundled = checkpoint.load()
        if len({one.sha256 for one in networks}) != 1 or networks[0].sha256 == bundled.sha256:
            return Judge(bundled, bundled.network.architecture.name, None)
        known = list(networks)
    if known:
        return Judge(_load_known(known[0]), known[0].name, wanted)
    assert wanted is not None  # else there was no network, or one of them
    return Judge(checkpoint.load(chosen.find(wanted)), wanted, None)


def _load_known(network: KnownNetwork) -> Checkpoint:
    """A network of the database, found by its name."""
    if chosen.is_function(network.name):
        source = registry.source(network.dataset)
        return function.load(network.name, source.image_shape, len(source.class_names))
    try:
        path = chosen.find(network.name)
    except LookupError:
        raise LookupError(
            f"the network {network.name} of the database is none of `xpixels network list`: name its file "
            "with --network FILE, or add it by this name"
        ) from None
    return checkpoint.load(path)
