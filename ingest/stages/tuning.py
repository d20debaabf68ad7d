"""The stage `tuning`: the k-NN defense's k and threshold (paper, 4.4), and its decisions on every case."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import Engine

from db import write
from db.engine import writing
from db.read.for_ingest import batches
from db.read.for_ingest.evaluated import last_case
from db.scope import Scope
from db.vocabulary import PARTITIONS
from ingest import decide, rows
from ingest.runs import stage
from model.detectors import tuning
from model.detectors import votes as defense
from model.progress import progress

K_MAX = tuning.K_MAX


def tune(
    engine: Engine, scope: Scope, metrics: Sequence[str], rules: Collection[str], *, again: bool = False
) -> bool:
    """Sweep every k and threshold on the tuning cases, choose, decide every case; returns whether it could.

    It needs adversarial and clean tuning cases to choose by. If no neighbors were added since the last tuning
    of these metrics and rules, nothing is done, unless `again`.
    """
    with engine.connect() as connection:
        searches = batches.neighbor_counts(connection, scope)
        kinds = batches.tuning_counts(connection, scope)
        last = batches.last_parameters(connection, scope, "tuning")
        compared = [row for row in batches.layer_rows(connection, scope.network_id) if row.compared]
        classes = batches.class_count(connection, scope.dataset_id)
        newest = last_case(connection, scope)
    if len(kinds) < 2:
        return False
    parameters = {
        "metrics": list(metrics),
        "rules": list(rules),
        "layers": [layer.name for layer in compared],
        "searches": {metric: searches.get(metric, 0) for metric in metrics},
        "last": newest,  # new cases may have replaced deleted ones
    }
    if last == parameters and not again:
        return True
    with (
        stage(engine, "tuning", scope, parameters) as run_id,
        progress("tuning", len(compared) * len(metrics) * len(rules), "sweeps") as bar,
    ):
        done = 0
        for metric in metrics:
            with engine.connect() as connection:
                every = {layer: batches.case_votes(connection, scope, layer.id, metric) for layer in compared}
            known = {layer: votes for layer, votes in every.items() if votes.case_ids}
            for rule in rules if known else ():
                judged = []
                for layer, votes in known.items():
                    judged.append(judge(votes, layer.id, metric, rule, classes))
                    done += 1
                    bar.to(done, f"{layer.name}, {metric}, {rule}")
                points, chosen, decided = (list(chain(*part)) for part in zip(*judged, strict=True))
                with writing(engine) as connection:  # lists show all layers together
                    write.replace_tuning(
                        connection,
                        scope,
                        [layer.id for layer in known],
                        metric,
                        rule,
                        run_id=run_id,
                        tuning_points=points,
                        operating_points=chosen,
                        decisions=decided,
                    )
    return True


def judge(
    votes: batches.CaseVotes, layer_id: int, metric: str, rule: str, classes: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `tuning_points`, `operating_points` and `decisions` of one layer, metric and rule.

    k and threshold are chosen on the tuning cases. If validation has both kinds of cases, they are reported
    there, too, and a second point has the k that is best on validation, as the paper's appendix picks it.
    """
    counts = defense.unexpected_counts(votes.labels, votes.predicted, rule, classes=classes)
    sweeps = {}
    for partition in PARTITIONS:
        inside = votes.partitions == partition
        if {True, False} <= set(votes.adversarial[inside].tolist()):
            sweeps[partition] = tuning.sweep(counts[inside], votes.adversarial[inside], K_MAX)
    chosen = {"tuning": tuning.choose(sweeps["tuning"])}
    if "validation" in sweeps:
        chosen["validation"] = appendix_choice(sweeps["tuning"], sweeps["validation"])
    key = {"layer_id": layer_id, "metric": metric, "rule": rule}
    points = [
        {**key, "partition": partition, **row}
        for partition, sweep in sweeps.items()
        for row in rows.make_tuning_rows(sweep)
    ]
    operating = [
        {
            **key,
            "how_chosen": how,
            "partition": partition,
            **rows.make_operating_row(tuning.evaluate(point, sweep)),
        }
        for how, point in chosen.items()
        for partition, sweep in sweeps.items()
    ]
    return points, operating, _decisions(votes, chosen["tuning"], key, classes)


def appendix_choice(on_tuning: tuning.Sweep, on_validation: tuning.Sweep) -> tuning.OperatingPoint:
    """The k that is most accurate on validation, each k with its threshold from tuning (figures 8 to 11)."""
    thresholds = tuning.equal_error_rates(on_tuning).thresholds
    accuracy = on_validation.accuracy[np.arange(on_validation.k_max), thresholds + 1]
    row = int(accuracy.argmax())
    return tuning.OperatingPoint(row + 1, int(thresholds[row]))


def _decisions(
    votes: batches.CaseVotes, point: tuning.OperatingPoint, key: dict[str, Any], classes: int
) -> list[dict[str, Any]]:
    decided = decide.decide_votes(
        votes.labels, votes.predicted, rule=key["rule"], **point._asdict(), classes=classes
    )
    counted = np.isin(votes.partitions, PARTITIONS)  # the truth about kept cases is unknown
    outcomes = decide.outcomes(decided.alarms, votes.adversarial, counted)
    return decide.vote_rows(votes.case_ids, decided, outcomes, key | point._asdict())
