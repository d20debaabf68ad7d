"""Results of every network on each of its data sets, from the view `network_results`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from db.forms import Column, declared_columns
from db.query_types import AnyRow
from db.read.detector_page.evidence import Measure
from db.read.detector_page.query import HOW_CHOSEN
from db.read.networks_page.query import NetworksQuery
from db.read.networks_page.share import measured_share
from db.schema import attacks, cases, detector_summary, network_results
from db.scope import Scope
from db.vocabulary import METRIC, RULE

INTERVALS = ("accuracy", "swept", "evolved")  # shares whose interval an export adds to the view's columns


class BestDetector(NamedTuple):
    """The best detector of a kind, and its measure."""

    detector: str
    measure: Measure


class NetworkDetector(NamedTuple):
    """One evaluated detector, on the validation cases."""

    detector: str
    kind: str  # neighbors, repair or baseline
    layer: str | None
    auc: Measure | None
    recovered: Measure | None


@dataclass(frozen=True)
class NetworkResult:
    """One network on one data set; a measure is None where nothing was measured."""

    scope: Scope
    network: str
    dataset: str
    height: int | None  # pixels; None: no image is stored yet
    width: int | None
    classes: int | None
    parameters: int | None  # None: not known
    multiply_adds: int | None
    accuracy: Measure | None  # share of the test images
    test_images: int  # predicted; 0: the accuracy comes from the network's file
    swept: Measure | None  # share of the swept images that fall
    swept_images: int
    positions: float | None  # vulnerable ones, mean of the swept images
    position_share: float | None  # the same, as a share of all positions
    evolved: Measure | None  # share of the images attacked by evolution that fall
    evolved_images: int
    evolved_budget: int | None  # queries an attack
    neighbors: BestDetector | None  # by AUC
    repair: BestDetector | None
    baseline: BestDetector | None
    recovered: BestDetector | None  # by the share of adversarial cases whose true class it names
    rate: float | None  # evaluations of candidates per second
    cases: int
    last_run_at: str | None
    methods: frozenset[str]  # of the attacks that its cases come from
    detectors: tuple[NetworkDetector, ...]  # the usual metric and rule, and those without neighbors

    @property
    def is_empty(self) -> bool:
        """Whether nothing was attacked or evaluated yet."""
        return not (self.swept or self.evolved or self.cases or self.detectors)

    def value(self, sort: str) -> Any:
        """The value to sort by; None comes last."""
        plain: dict[str, Any] = {"network": self.network.casefold(), "dataset": self.dataset.casefold()}
        plain |= {"positions": self.position_share, "rate": self.rate}
        if sort in plain:
            return plain[sort]
        if sort == "run":
            return self.last_run_at
        found = getattr(self, {"sweep": "swept", "evolution": "evolved"}.get(sort, sort))
        measure = found.measure if isinstance(found, BestDetector) else found
        return None if measure is None else measure.value


def read_network_results(connection: Connection, query: NetworksQuery) -> list[NetworkResult]:
    """The rows whose names have all words of the query, in its order; unknown values come last."""
    methods = _methods(connection)
    detectors = _detectors(connection)
    results = [
        _result(row, methods.get(scope, frozenset()), tuple(detectors.get(scope, ())))
        for row in connection.execute(select(network_results))
        for scope in [Scope(row.network_id, row.dataset_id)]
    ]
    words = query.find.casefold().split()
    named = [one for one in results if all(word in _names(one) for word in words)]
    return _in_order(named, query)


def exported_network_columns() -> list[Column]:
    """The columns of an export: those of the view, and the intervals."""
    ends = [Column(f"{name}_{end}", float) for name in INTERVALS for end in ("share", "low", "high")]
    return [*declared_columns(network_results), *ends]


def export_network_results(connection: Connection, query: NetworksQuery) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows of the page in its order, as one chunk."""
    chosen = [one.scope for one in read_network_results(connection, query)]
    rows = {Scope(row.network_id, row.dataset_id): row for row in connection.execute(select(network_results))}
    yield [[*rows[scope], *_ends(rows[scope])] for scope in chosen]


def _ends(row: AnyRow) -> list[float | None]:
    return [end for measure in _shares(row) for end in (measure or (None, None, None))]


def _shares(row: AnyRow) -> tuple[Measure | None, Measure | None, Measure | None]:
    """The shares in `INTERVALS`."""
    accuracy = None
    if row.test_accuracy is not None:
        right = round(row.test_accuracy * row.test_images)
        accuracy = measured_share(right, row.test_images) or Measure(row.test_accuracy, None, None)
    swept = measured_share(int(row.swept_fallen), row.swept_images)
    return accuracy, swept, measured_share(int(row.evolved_fallen), row.evolved_images)


def _result(row: AnyRow, methods: frozenset[str], detectors: tuple[NetworkDetector, ...]) -> NetworkResult:
    accuracy, swept, evolved = _shares(row)
    return NetworkResult(
        scope=Scope(row.network_id, row.dataset_id),
        **{name: getattr(row, name) for name in ("network", "dataset", "height", "width", "classes")},
        **{name: getattr(row, name) for name in ("parameters", "multiply_adds", "test_images", "cases")},
        **{name: getattr(row, name) for name in ("swept_images", "evolved_images", "evolved_budget")},
        accuracy=accuracy,
        swept=swept,
        positions=row.vulnerable_positions,
        position_share=row.vulnerable_share,
        evolved=evolved,
        neighbors=_best(row, "neighbors", "neighbors_auc"),
        repair=_best(row, "repair", "repair_auc"),
        baseline=_best(row, "baseline", "baseline_auc"),
        recovered=_best(row, "recovered", "recovered"),
        rate=row.evaluations_per_second,
        last_run_at=row.last_run_at,
        methods=methods,
        detectors=detectors,
    )


def _best(row: AnyRow, name: str, value: str) -> BestDetector | None:
    detector = getattr(row, f"{name}_detector")
    if detector is None:
        return None
    ends = (getattr(row, f"{name}_{end}") for end in ("low", "high"))
    return BestDetector(detector, Measure(getattr(row, value), *ends))


def _methods(connection: Connection) -> dict[Scope, frozenset[str]]:
    """The methods of the attacks behind the cases."""
    query = (
        select(cases.c.network_id, cases.c.dataset_id, attacks.c.method)
        .join(attacks, attacks.c.id == cases.c.attack_id)
        .distinct()
    )
    found: dict[Scope, set[str]] = {}
    for network_id, dataset_id, method in connection.execute(query):
        found.setdefault(Scope(network_id, dataset_id), set()).add(method)
    return {scope: frozenset(of_scope) for scope, of_scope in found.items()}


def _detectors(connection: Connection) -> dict[Scope, list[NetworkDetector]]:
    """The evaluated detectors with the usual metric and rule, and those without; the largest AUC first."""
    of = detector_summary.c
    plain = (of.metric == METRIC) & (of.rule == RULE) & (of.reference == "all")
    query = (
        select(detector_summary)
        .where(of.how_chosen == HOW_CHOSEN, of.partition == "validation", of.case_set == "all")
        .where((of.kind != "neighbors") | plain)
        .order_by(of.auc.desc().nulls_last(), of.detector)
    )
    found: dict[Scope, list[NetworkDetector]] = {}
    for row in connection.execute(query):
        measures = (
            Measure(getattr(row, name), getattr(row, f"{name}_low"), getattr(row, f"{name}_high"))
            if getattr(row, name) is not None
            else None
            for name in ("auc", "recovered")
        )
        one = NetworkDetector(row.detector, row.kind, row.layer, *measures)
        found.setdefault(Scope(row.network_id, row.dataset_id), []).append(one)
    return found


def _names(result: NetworkResult) -> str:
    return f"{result.network} {result.dataset} #{result.scope.network_id}".casefold()


def _in_order(results: Iterable[NetworkResult], query: NetworksQuery) -> list[NetworkResult]:
    results = sorted(results, key=lambda one: one.scope)
    known = [one for one in results if one.value(query.sort) is not None]
    unknown = [one for one in results if one.value(query.sort) is None]
    return sorted(known, key=lambda one: one.value(query.sort), reverse=query.descending) + unknown
