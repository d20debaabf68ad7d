"""Choose the network of a check with the data set that it is judged by, and the detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from db import vocabulary
from db.address import hide_passwords
from db.read.for_ingest import batches
from db.read.for_ingest.detectors import KnownNetwork, TunedDetector, TunedOn, tuned_detectors
from db.scope import Scope
from model.detectors.registry import DETECTORS

FEW_CASES = 20  # of a kind: with fewer, thresholds are unreliable


class Asked(NamedTuple):
    """The detectors of a check, and wanted ones that are not tuned."""

    detectors: list[TunedDetector]
    missing: list[str]
    repairs: bool  # whether the repair sweep is tuned, wanted or not


def choose_network(
    networks: Sequence[KnownNetwork],
    sha256: str,
    wanted: str | None,
    dataset: str | None,
    weights: object,
) -> KnownNetwork:
    """The network of these weights on a data set; of several data sets, the only one that it is tuned on.

    weights: names it in errors.

    wanted: its id, its name or NAME@DATASET. dataset: the name of the data set; both None: any.
    Raises LookupError, with the choices, if there is none, if there are several, and if the wanted one has
    other weights.
    """
    if not networks:
        raise LookupError("no network in this database: make one with `xpixels ingest`")
    right = [one for one in named_networks(networks, wanted, dataset) if one.sha256 == sha256]
    if not right:
        raise LookupError(
            f"{weights} has sha256 {sha256[:12]}, and the database knows {_listed(networks)}: name one of "
            "them, or its own file, with --network"
        )
    tuned = [one for one in right if one.tuned_on is not None]
    if len(right) > 1 and len(tuned) != 1:
        what = "these weights met several data sets" if wanted is None else f"--network {wanted} fits several"
        raise LookupError(f"{what}: {_listed(right)}; name one by --dataset")
    return tuned[0] if len(right) > 1 else right[0]


def named_networks(
    networks: Sequence[KnownNetwork], wanted: str | None, dataset: str | None = None
) -> list[KnownNetwork]:
    """The networks with this id, name or NAME@DATASET, on the data set of this name; None: all.

    Raises LookupError if there is none.
    """
    named = [one for one in networks if wanted is None or wanted in (str(one.id), one.name, full_name(one))]
    fitting = [one for one in named if dataset in (None, one.dataset)]
    if not named and wanted is not None:
        raise LookupError(
            f"--network {hide_passwords(wanted)}: expected {_listed(networks) or 'one, but there is none'}"
        )
    if not fitting and dataset is not None:
        raise LookupError(
            f"--dataset {hide_passwords(dataset)}: expected {_listed(named) or 'one, but there is none'}"
        )
    return fitting


def full_name(network: KnownNetwork) -> str:
    """NAME@DATASET."""
    return f"{network.name}@{network.dataset}"


def _shown(network: KnownNetwork) -> str:
    """The same, but for a function: MODULE:FUNCTION@DATASET would be taken for an address with a password."""
    return f"{network.name} on {network.dataset}" if ":" in network.name else full_name(network)


def tuned_words(on: TunedOn | None) -> str:
    """The number of cases that a network or a detector was tuned on, in words."""
    if on is None:
        return "not tuned"
    few = ", which is very few" if min(on) < FEW_CASES else ""
    return f"tuned on {on.adversarial:,} adversarial and {on.clean:,} clean cases{few}"


def asked_detectors(
    connection: Connection, scope: Scope, metric: str, rule: str, chosen: Sequence[str] | None
) -> Asked:
    """The tuned detectors of a network on a data set; chosen: their names, None for all.

    Raises LookupError for a name that no detector of the network has.
    """
    tuned = tuned_detectors(connection, scope, metric, rule)
    compared = [row.name for row in batches.layer_rows(connection, scope.network_id) if row.compared]
    known = list(dict.fromkeys((*compared, *(detector.name for detector in tuned), *vocabulary.DETECTORS)))
    for name in chosen or ():
        if name not in known:
            raise LookupError(f"--detector {name}: expected one of {', '.join(known)}")
    wanted = chosen or known
    selected = [detector for detector in tuned if detector.name in wanted]
    names = {detector.name for detector in selected}
    repairs = any(map(needs_repairs, tuned))
    return Asked(selected, [name for name in wanted if name not in names], repairs)


def needs_repairs(detector: TunedDetector) -> bool:
    """Whether a detector uses the repair sweep, according to the register."""
    return detector.kind != "neighbors" and DETECTORS[detector.name].repairs


def _listed(networks: Sequence[KnownNetwork]) -> str:
    return ", ".join(
        f"{one.id} ({_shown(one)}, weights {one.sha256[:12]}, {tuned_words(one.tuned_on)})"
        for one in networks
    )
