"""The state of a case that its address describes: layer, metric and rule, the k and threshold in use."""

from typing import NamedTuple

from sqlalchemy import Engine

import db.read
from dashapp.decide import votes
from dashapp.pages.case.address import CaseView, case_view
from dashapp.words import decisions

UNTUNED_SHOWN = 12  # neighbors shown at first if no k has been chosen


class CaseState(NamedTuple):
    """The state that the address of a case describes."""

    view: CaseView
    metrics: tuple[str, ...]  # stored for this case
    rules: tuple[str, ...]  # tuned for the metric
    layer_id: int
    tuned: db.read.Tuned | None  # the layer's operating point
    k: int | None  # in use; None before tuning
    threshold: int | None

    @property
    def moved(self) -> bool:
        """Whether k or threshold differ from the tuned ones."""
        return self.tuned is not None and (self.k, self.threshold) != self.tuned

    def at(self, k: int, threshold: int) -> "CaseState":
        """The same state at another point; k is at least 1, the threshold at most k."""
        k = max(1, k)
        return self._replace(k=k, threshold=min(threshold, k))


def case_state(engine: Engine, case: db.read.CaseDetail, search: str) -> CaseState:
    """Read the address `search` ('?...' or '') of a case."""
    names = [layer.name for layer in case.compared_layers]
    metrics = db.read.case_metrics(engine, case.case_id)
    metric = case_view(search, names, metrics).metric
    rules = db.read.tuned_rules(engine, case.scope, metric)
    view = case_view(search, names, metrics, rules, len(case.class_names))
    layer_id = next(layer.layer_id for layer in case.compared_layers if layer.name == view.layer)
    tuned = db.read.tuned_point(engine, case.scope, layer_id, metric=view.metric, rule=view.rule)
    if tuned is None:
        return CaseState(view, metrics, rules, layer_id, None, None, None)
    k = view.k or tuned.k
    threshold = tuned.threshold if view.threshold is None else view.threshold
    if threshold > k:
        if view.threshold is not None:
            line = decisions.threshold_too_large_sentence(view.threshold, k)
            view = view._replace(complaints=(*view.complaints, line))
        threshold = k
    return CaseState(view, metrics, rules, layer_id, tuned, k, threshold)


def decide_case(
    case: db.read.CaseDetail, state: CaseState, neighbors: tuple[db.read.CaseNeighbor, ...]
) -> votes.Decided | None:
    """The decision about the case at the k and threshold in use; None before tuning."""
    if state.k is None or state.threshold is None or not neighbors:
        return None
    k = min(state.k, len(neighbors))
    return votes.decide(
        [neighbor.label for neighbor in neighbors],
        predicted=case.predicted_class,
        k=k,
        threshold=min(state.threshold, k),
        rule=state.view.rule,
        attacked=None if case.kind == "unknown" else case.kind == "adversarial",
    )
