"""Read queries of the detectors' page: the table, the curves, accuracy against k, first divergences.

Every query is a text of SQL over the views: the text that a page shows beside a chart, to copy and to change,
is exactly the one that was run.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text

from db.query_types import AnyRow
from db.read.detector_page.query import ANY, HOW_CHOSEN, LABELS, EvidenceQuery
from db.scope import Scope

SORTED_BY = {"paired": "paired_auc"}  # sort name -> column, if they differ
MEASURES = ("auc", "paired_auc", "accuracy", "recovered")


class Question(NamedTuple):
    """A SELECT and the values of its parameters."""

    statement: str  # with parameters as `:name`
    values: Mapping[str, float | str | None]

    def ask(self, connection: Connection) -> Sequence[AnyRow]:
        """Run the query and return its rows."""
        return connection.execute(text(self.statement), self.values).all()

    def sql(self) -> str:
        """The statement with its values filled in, for `xpixels sql` and people."""
        return re.sub(r":(\w+)", lambda match: _literal(self.values[match[1]]), self.statement)


class Measure(NamedTuple):
    """A share in [0, 1] with the ends of its 95 % interval; None: not known."""

    value: float
    low: float | None
    high: float | None


class DetectorRow(NamedTuple):
    """How well one detector does on the cases of a set and partition."""

    detector: str
    kind: str  # neighbors, repair or baseline
    layer: str | None  # of the k-NN defense, like the three below
    metric: str | None
    rule: str | None
    reference: str | None
    k: int  # 0: a detector without neighbors
    threshold: float
    tp: int
    fp: int
    tn: int
    fn: int
    tpr: float
    fpr: float
    eer: float
    pairs: int
    located: float | None  # share of the adversarial cases
    layer_place: int | None  # of a flatten or dense layer, how many of them come before it
    auc: Measure | None
    paired_auc: Measure | None  # against the same images before the attack
    accuracy: Measure | None
    recovered: Measure | None  # of the adversarial cases


class CurvePoint(NamedTuple):
    """A threshold of a detector, and the rates of alarms above it; shares in [0, 1]."""

    detector: str
    threshold: float
    fpr: float
    tpr: float
    fnr: float
    accuracy: float


class KPoint(NamedTuple):
    """The accuracy of a k, at its threshold of the equal error rate on the tuning cases."""

    partition: str
    k: int
    threshold: int
    accuracy: float


class Divergence(NamedTuple):
    """Attacked cases of a true class whose neighbors leave it first in this layer; None: in no layer."""

    true_class: str
    layer: str | None
    cases: int


_PLAIN = DetectorRow._fields[: DetectorRow._fields.index("auc")]


def summary_question(query: EvidenceQuery, how: str = HOW_CHOSEN) -> Question:
    """The table: detectors that pass the filters; repair and the baselines always do.

    `how`: the way that k was chosen, one of `vocabulary.WAYS`.
    """
    values = _cases(query)
    labels = {name: getattr(query, name) for name in LABELS if getattr(query, name) != ANY}
    wanted = " AND ".join(f"{name} = :{name}" for name in labels)
    filtered = f"    AND (kind <> 'neighbors' OR ({wanted}))\n" if wanted else ""
    way = "DESC" if query.descending else "ASC"
    intervals = [f"{name}, {name}_low, {name}_high" for name in MEASURES]
    return Question(
        f"SELECT {_lines([*_PLAIN, *intervals])}\n"
        "FROM detector_summary\n"
        "WHERE network_id = :network AND dataset_id = :dataset\n"
        '    AND case_set = :set AND "partition" = :partition\n'
        f"    AND how_chosen = :how\n{filtered}"
        f"ORDER BY {SORTED_BY.get(query.sort, query.sort)} {way} NULLS LAST, detector",
        values | {"how": how} | labels,
    )


def curves_question(query: EvidenceQuery, rows: Sequence[DetectorRow]) -> Question:
    """The curves of these detectors, at least one, each at its k, on the cases of the query.

    One SELECT per detector. k-NN detectors are selected by layer, metric, rule, reference and k instead of by
    name, so that the database finds the points by their key.
    """
    values, parts = _cases(query), []
    for i, row in enumerate(rows):
        named = ("layer", *LABELS, "k") if row.kind == "neighbors" else ("kind", "detector")
        conditions = " AND ".join(f"{name} = :{name}_{i}" for name in named)
        values |= {f"{name}_{i}": getattr(row, name) for name in named}
        parts.append(
            "SELECT detector, threshold, fpr, tpr, fnr, accuracy FROM roc_curve\n"
            "WHERE network_id = :network AND dataset_id = :dataset\n"
            '    AND case_set = :set AND "partition" = :partition\n'
            f"    AND {conditions}"
        )
    return Question("\nUNION ALL\n".join(parts) + "\nORDER BY detector, threshold", values)


def k_question(query: EvidenceQuery, detector: str) -> Question:
    """Accuracy of a k-NN detector against k, on both partitions."""
    return Question(
        'SELECT "partition", k, threshold, accuracy\n'
        "FROM k_accuracy\n"
        "WHERE network_id = :network AND dataset_id = :dataset AND case_set = :set AND detector = :detector\n"
        'ORDER BY "partition", k',
        scope_values(query.scope) | {"set": query.set, "detector": detector},
    )


def divergence_question(query: EvidenceQuery) -> Question:
    """Attacked cases by true class and the first layer whose neighbors leave it.

    Without a chosen metric or rule it uses the default one, so that cases are not counted twice.
    """
    labels = {
        name: query.defaults.get(name) if getattr(query, name) == ANY else getattr(query, name)
        for name in ("metric", "rule")
    }
    return Question(
        "SELECT true_class, layer, SUM(cases) AS cases\n"
        "FROM first_divergence\n"
        'WHERE network_id = :network AND dataset_id = :dataset AND "partition" = :partition\n'
        "    AND metric = :metric AND rule = :rule\n"
        "GROUP BY true_class, true_class_id, layer, layer_position\n"
        "ORDER BY true_class_id, layer_position NULLS LAST",
        scope_values(query.scope) | {"partition": query.partition} | labels,
    )


def evidence_summary(engine: Engine, query: EvidenceQuery, how: str = HOW_CHOSEN) -> list[DetectorRow]:
    """Read the table, in the query's order."""
    return [_detector_row(row) for row in _answer(engine, summary_question(query, how))]


def evidence_curves(
    engine: Engine, query: EvidenceQuery, rows: Sequence[DetectorRow]
) -> dict[str, list[CurvePoint]]:
    """Read the curves of these detectors, by name in the order given, thresholds ascending.

    Points without a rate, because a partition lacks one kind of case, are left out.
    """
    curves: dict[str, list[CurvePoint]] = {row.detector: [] for row in rows}
    for row in _answer(engine, curves_question(query, rows)) if rows else ():
        if None not in row:
            curves[row.detector].append(CurvePoint(*row))
    return curves


def evidence_by_k(engine: Engine, query: EvidenceQuery, detector: str) -> list[KPoint]:
    """Read the accuracy of a k-NN detector against k, on both partitions."""
    return [KPoint(*row) for row in _answer(engine, k_question(query, detector))]


def evidence_divergence(engine: Engine, query: EvidenceQuery) -> list[Divergence]:
    """Read where the neighbors of attacked cases first leave the true class."""
    return [Divergence(row[0], row[1], int(row[2])) for row in _answer(engine, divergence_question(query))]


def _detector_row(row: AnyRow) -> DetectorRow:
    """A row of `detector_summary`, its shares with their intervals."""
    measured: dict[str, Any] = {
        name: None
        if getattr(row, name) is None
        else Measure(getattr(row, name), getattr(row, f"{name}_low"), getattr(row, f"{name}_high"))
        for name in MEASURES
    }
    return DetectorRow(**{name: getattr(row, name) for name in _PLAIN}, **measured)


def _answer(engine: Engine, question: Question) -> Sequence[AnyRow]:
    with engine.connect() as connection:
        return question.ask(connection)


def _cases(query: EvidenceQuery) -> dict[str, float | str | None]:
    return scope_values(query.scope) | {"set": query.set, "partition": query.partition}


def scope_values(scope: Scope | None) -> dict[str, float | str | None]:
    """The parameters `network` and `dataset` of a query."""
    return dict(zip(("network", "dataset"), scope or (None, None), strict=True))


def _literal(value: float | str | None) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(value)


def _lines(names: list[str], width: int = 90) -> str:
    """Names separated by commas, in lines of readable length."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > width:
            lines.append("")
        lines[-1] += f"{name}, "
    return "\n    ".join(line.rstrip() for line in lines).rstrip(",")
