"""The state of the detectors' page as the query string of an address: filters, sort, the chosen detector.

As in `db.read.case_list.query`, names and values are checked against the contents of the database before they
are used in SQL, and a wrong one raises `QueryError`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from db import schema, vocabulary
from db.read.chosen_scope import NAMES as SCOPE_NAMES
from db.read.chosen_scope import NetworkOption, choose, network_options, scope_fields
from db.read.query_string import read_once, write_search
from db.read.refusal import QueryError
from db.scope import Scope
from db.vocabulary import METRIC, RULE

HOW_CHOSEN = "tuning"  # k and threshold come from tuning cases only, to keep validation unbiased
ANY = "any"  # a filter that accepts every value
LABELS = ("metric", "rule", "reference")  # of a k-NN detector; the other detectors have none
FILTERS = ("set", "partition", *LABELS)
EVIDENCE_SORTS = (
    *("detector", "k", "threshold", "auc", "paired", "accuracy"),
    *("eer", "tpr", "fpr", "recovered", "located"),
)
DEFAULT_SORT = "-auc"
NAMES = (*SCOPE_NAMES, *FILTERS, "sort", "detector")


class DetectorOption(NamedTuple):
    """An evaluated detector; fields that only the k-NN defense has are None for the others."""

    name: str
    kind: str  # neighbors, repair or baseline
    layer: str | None
    metric: str | None
    rule: str | None
    reference: str | None


class EvidenceOptions(NamedTuple):
    """The values of each filter, for a network on a data set; no detectors: none was evaluated yet."""

    scope: Scope | None
    default: Scope | None  # without a choice: the one evaluated last
    networks: tuple[NetworkOption, ...]
    values: dict[str, tuple[str, ...]]  # filter -> its values, the default one first if it exists
    detectors: tuple[DetectorOption, ...]


@dataclass(frozen=True)
class EvidenceQuery:
    """Filters, sort and chosen detector of the page. Made by `evidence_query`, which checks it."""

    scope: Scope | None = None
    set: str = "all"
    partition: str = "validation"
    metric: str = METRIC
    rule: str = RULE
    reference: str = "all"
    sort: str = DEFAULT_SORT.removeprefix("-")
    descending: bool = True
    detector: str | None = None  # by its name; None: the page chooses
    defaults: dict[str, str] = field(default_factory=dict, compare=False)  # left out of addresses
    default_scope: Scope | None = field(default=None, compare=False)

    def search(self) -> str:
        """The query string, '?...' in a fixed order and without defaults, or ''."""
        values = {name: getattr(self, name) for name in FILTERS}
        values |= {"sort": self.sort_value, "detector": self.detector}
        others = {
            name: value for name, value in values.items() if value not in (None, self.defaults.get(name))
        }
        return write_search([*scope_fields(self.scope, self.default_scope), *others.items()])

    @property
    def sort_value(self) -> str:
        """The sort as addresses write it: the name, with '-' before it for descending."""
        return "-" * self.descending + self.sort

    def but(self, **changes: Any) -> "EvidenceQuery":
        """A copy with `changes`."""
        return replace(self, **changes)

    def narrowed(self, options: EvidenceOptions, name: str, value: str) -> "EvidenceQuery":
        """A copy with another filter; it replaces the chosen detector by its counterpart for that filter."""
        changed = self.but(**{name: value})
        chosen = next((one for one in options.detectors if one.name == self.detector), None)
        if chosen is None or name not in LABELS or value == ANY or chosen.kind != "neighbors":
            return changed
        wanted = chosen._replace(**{name: value})[2:]
        counterpart = next((one.name for one in options.detectors if one[2:] == wanted), None)
        return replace(changed, detector=counterpart)

    def passes(self, detector: DetectorOption) -> bool:
        """Whether a detector passes the filters; repair and the baselines always do."""
        labels = zip(LABELS, detector[3:], strict=True)
        return detector.kind != "neighbors" or all(getattr(self, n) in (ANY, value) for n, value in labels)


def evidence_query(engine: Engine, search: str) -> tuple[EvidenceQuery, EvidenceOptions]:
    """Read a query string ('?metric=cosine&...' or '') and check it against the database.

    Raises `QueryError` for an invalid name, value or repetition. Values are not checked before the first
    evaluation, as then there is nothing to choose from.
    """
    fields = read_once(search, NAMES)
    with engine.connect() as connection:
        options = _options(connection, *(fields.get(name) for name in SCOPE_NAMES))
    if not options.detectors:
        return EvidenceQuery(scope=options.scope, default_scope=options.default), options
    sorts = (*EVIDENCE_SORTS, *(f"-{name}" for name in EVIDENCE_SORTS))
    allowed = {name: (*options.values[name], *(ANY,) * (name in LABELS)) for name in FILTERS}
    allowed |= {"sort": sorts, "detector": tuple(detector.name for detector in options.detectors)}
    for name, values in allowed.items():
        if name in fields and fields[name] not in values:
            hint = (*EVIDENCE_SORTS, "each also with '-' before it, descending") if name == "sort" else values
            raise QueryError(f"The address asks for {name} '{fields[name]}', which does not exist", hint)
    defaults = {name: values[0] for name, values in options.values.items()}
    sort = fields.get("sort", DEFAULT_SORT)
    return EvidenceQuery(
        **{name: fields.get(name, defaults[name]) for name in FILTERS},
        scope=options.scope,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        detector=fields.get("detector"),
        defaults=defaults | {"sort": DEFAULT_SORT},
        default_scope=options.default,
    ), options


def _options(connection: Connection, network: str | None, dataset: str | None) -> EvidenceOptions:
    """The options for the network and data set with these texts as ids (None: not chosen)."""
    detectors, evaluations = schema.detectors, schema.evaluations
    pair = detectors.c.network_id, detectors.c.dataset_id
    judged = select(*pair).join(evaluations, evaluations.c.detector_id == detectors.c.id)
    known = {Scope(*row) for row in connection.execute(judged.distinct())}
    # Of several that an address may mean, one that was evaluated comes first.
    networks = tuple(sorted(network_options(connection), key=lambda option: option.scope not in known))
    newest = judged.order_by(evaluations.c.run_id.desc(), *(column.desc() for column in pair)).limit(1)
    default = next((Scope(*row) for row in connection.execute(newest)), None)
    scope = choose(networks, default, network, dataset)
    if scope not in known or scope is None:
        return EvidenceOptions(scope, default, networks, {}, ())
    found = connection.execute(
        select(
            *(detectors.c[name] for name in DetectorOption._fields),
            *(evaluations.c.case_set.label("set"), evaluations.c.partition),
        )
        .join(evaluations, evaluations.c.detector_id == detectors.c.id)
        .where(scope.of(detectors), evaluations.c.how_chosen == HOW_CHOSEN)
        .group_by(detectors.c.id, evaluations.c.case_set, evaluations.c.partition)
        .order_by(detectors.c.id)
    ).all()
    return EvidenceOptions(
        scope,
        default,
        networks,
        {name: _present({getattr(row, name) for row in found}, known) for name, known in _KNOWN.items()},
        tuple(dict.fromkeys(DetectorOption(*row[:6]) for row in found)),
    )


_KNOWN = {  # the first one present is the default
    "set": vocabulary.CASE_SETS,
    "partition": ("validation", "tuning"),
    "metric": tuple(vocabulary.METRICS),
    "rule": tuple(vocabulary.RULES),
    "reference": vocabulary.REFERENCES,
}


def _present(found: set[str | None], known: tuple[str, ...]) -> tuple[str, ...]:
    """The values that are present, in their usual order; at least one, so that there is a default."""
    return tuple(value for value in known if value in found) or known[:1]
