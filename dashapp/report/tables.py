"""Convert rows to Markdown tables; pure."""

from collections.abc import Iterable, Mapping, Sequence

from dashapp.words import decisions
from db.read import DetectorRow, Measure
from db.vocabulary import COMPOSITIONS, DETECTORS, METRIC, RULE

NAMES = {detector.name: detector.title for detector in DETECTORS.values()}
SUMMARY = ("detector", "k", "alarm above", "AUC", "paired AUC", "accuracy", "EER", "TPR", "FPR", "recovered")


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1) -> str:
    """A table; the first `texts` columns are left-aligned, the rest, numbers, right-aligned."""
    lines = [head, ["---"] * texts + ["---:"] * (len(head) - texts), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def summary(rows: Sequence[DetectorRow]) -> str:
    """A table with one line per detector, in the order of `rows`."""
    best = {name: max((_value(row, name) for row in rows), default=0) for name in ("auc", "paired_auc")}
    return markdown(SUMMARY, [_summary_row(row, best) for row in rows])


def shown_first(rows: Sequence[DetectorRow]) -> list[DetectorRow]:
    """The detectors to show before all others: of the paper's metric and rule, or without any."""
    usual = [row for row in rows if row.metric in (None, METRIC) and row.rule in (None, RULE)]
    return usual or list(rows)


def best_sentence(rows: Sequence[DetectorRow]) -> str:
    """Compare the best k-NN detector with the best baseline and the repair sweep, in a line."""
    tops: dict[str, tuple[float, DetectorRow]] = {}  # by kind, with the AUC
    for row in rows:
        if row.auc is not None and (row.kind not in tops or row.auc.value > tops[row.kind][0]):
            tops[row.kind] = row.auc.value, row
    best = {kind: row for kind, (_, row) in tops.items()}
    said = {"neighbors": "best k-NN detector", "baseline": "best baseline", "repair": "repair (added here)"}
    parts = [
        f"{what}: {best[kind].detector}, AUC {_share(best[kind].auc)}, paired {_share(best[kind].paired_auc)}"
        for kind, what in said.items()
        if kind in best
    ]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def ways(found: Mapping[str, Sequence[DetectorRow]]) -> str:
    """The detectors of a way to choose k, of single layers and their concatenation; one line for each way."""
    lines = []
    every = [row for rows in found.values() for row in rows]
    for layer in dict.fromkeys(row.layer for row in sorted(every, key=layer_order)):
        for how, rows in found.items():
            lines += [
                (layer, how, row.k, decisions.threshold(row.threshold), *_measures(row), _percent(row.fpr))
                for row in rows
                if row.layer == layer
            ]
    head = ("layer", "chosen by", "k", "alarm above", "AUC", "paired AUC", "accuracy", "EER", "FPR")
    return markdown(head, lines, texts=2)


def distinct(pairs: Sequence[tuple[DetectorRow, DetectorRow]]) -> str:
    """Compare detectors with the whole reference set and without its near-duplicates and hubs."""
    head = ("layer", "metric", "rule", "AUC, all", "AUC, distinct", "accuracy, all", "accuracy, distinct")
    lines = [
        (
            *(whole.layer, whole.metric, whole.rule),
            *(_share(whole.auc), _share(part.auc)),
            *(_share(whole.accuracy, percent=True), _share(part.accuracy, percent=True)),
        )
        for whole, part in pairs
    ]
    return markdown(head, lines, texts=3)


def layer_order(row: DetectorRow) -> tuple[int, int]:
    """Sort key of a detector: layers as in the network, then compositions, others and none last."""
    if row.layer_place is not None:
        return 0, row.layer_place
    return (1, list(COMPOSITIONS).index(row.layer)) if row.layer in COMPOSITIONS else (2, 0)


def _summary_row(row: DetectorRow, best: dict[str, float]) -> list[object]:
    name = NAMES.get(row.detector, row.detector) + (" *(baseline)*" if row.kind == "baseline" else "")
    measures = _measures(row)
    for place, measure in enumerate(("auc", "paired_auc")):
        if _value(row, measure) == best[measure]:
            measures[place] = f"**{measures[place]}**"
    return [
        name,
        row.k or "",
        decisions.threshold(row.threshold),
        *measures,
        _percent(row.tpr),
        _percent(row.fpr),
        _share(row.recovered, percent=True),
    ]


def _measures(row: DetectorRow) -> list[str]:
    return [
        _share(row.auc),
        _share(row.paired_auc),
        _share(row.accuracy, percent=True),
        _percent(row.eer),
    ]


def _value(row: DetectorRow, name: str) -> float:
    measure = getattr(row, name)
    return -1.0 if measure is None else round(measure.value, 3)


def _share(measure: Measure | None, *, percent: bool = False) -> str:
    """A value with its interval: '.873 [.841, .902]' or '86.2 [82.1, 90.0]'."""
    if measure is None:
        return ""

    def text(share: float) -> str:
        return f"{100 * share:.1f}" if percent else f"{share:.3f}".removeprefix("0")

    if measure.low is None or measure.high is None:
        return text(measure.value)
    return f"{text(measure.value)} [{text(measure.low)}, {text(measure.high)}]"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|")
