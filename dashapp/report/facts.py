"""The report's other sections: divergence, likeness, repairs, near-median attacks, timings."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from sqlalchemy import Engine

import db.read
from dashapp.report.tables import distinct, layer_order, markdown
from db.read import DetectorRow, EvidenceQuery
from db.read.detector_page import facts as ask
from db.read.for_ingest.likeness import NEAR_ACTIVATION, NEAR_PIXELS

REACHES = (8, 16, 32, 64, 128, 256)  # a channel differs from its neighbors' median by less than
PAIRS = 10  # class pairs that are shown


def sections(engine: Engine, query: EvidenceQuery) -> list[str]:
    """The sections that the database has data for."""
    makers = (_divergence, _likeness, _repair, _near_median, _timings)
    return [text for make in makers if (text := make(engine, query))]


def case_counts(engine: Engine, query: EvidenceQuery) -> str:
    """How many cases of each set and partition."""
    rows = db.read.facts(engine, ask.CaseCount, query.scope)
    head = ("attacks", "partition", "attacked", "clean", "pairs with the original")
    return markdown(head, rows, texts=2)


def distinct_section(engine: Engine, query: EvidenceQuery) -> str:
    """Compare the reference set without near-duplicates and hubs with the whole one; '' if not evaluated."""
    anything = dict.fromkeys(("metric", "rule"), db.read.ANY)
    rows = {
        reference: db.read.evidence_summary(engine, query.but(reference=reference, **anything))
        for reference in ("all", "distinct")
    }
    pairs = matched(rows["all"], rows["distinct"])
    if not pairs:
        return ""
    changes = [part.auc.value - whole.auc.value for whole, part in pairs if whole.auc and part.auc]
    said = (
        f"Without near-duplicates and hubs the AUC changes by {np.mean(changes):+.3f} on average, from "
        f"{min(changes):+.3f} to {max(changes):+.3f}, over {len(changes)} detectors."
        if changes
        else ""
    )
    return "\n\n".join(
        [
            "### Reference set: all, or distinct",
            said,
            f"<details>\n<summary>Each detector</summary>\n\n{distinct(pairs)}\n\n</details>",
        ]
    )


def matched(
    whole: Sequence[DetectorRow], parts: Sequence[DetectorRow]
) -> list[tuple[DetectorRow, DetectorRow]]:
    """Pairs of k-NN detectors of the same layer, metric and rule, in network order."""
    reduced = {(row.layer, row.metric, row.rule): row for row in parts if row.reference == "distinct"}
    pairs = [
        (row, other)
        for row in whole
        if row.layer and (other := reduced.get((row.layer, row.metric, row.rule))) is not None
    ]
    return sorted(pairs, key=lambda pair: (pair[0].rule, pair[0].metric, *layer_order(pair[0])))


def _divergence(engine: Engine, query: EvidenceQuery) -> str:
    rows = db.read.facts(engine, ask.FirstLayer, query.scope)
    if not rows:
        return ""
    layers = [layer for layer in dict.fromkeys(row.layer for row in rows) if layer]
    ways: dict[tuple[str, str], dict[str | None, int]] = {}
    for row in rows:
        ways.setdefault((row.metric, row.rule), {})[row.layer] = int(row.cases)
    lines = [
        (metric, rule, sum(of.values()), *(_percent(of.get(layer, 0), sum(of.values())) for layer in columns))
        for columns in [[*layers, None]]
        for (metric, rule), of in sorted(ways.items())
    ]
    head = ("metric", "rule", "attacked", *(f"{layer}, %" for layer in layers), "none, %")
    text = (
        "## Where neighbors first leave the true class\n\n"
        "Attacked validation images by the first layer, from the input, where the most frequent class among "
        "the first k neighbors is not the true class.\n\n"
    )
    return text + markdown(head, lines, texts=2) + "\n\n" + _pairs(engine, query, layers)


def _pairs(engine: Engine, query: EvidenceQuery, layers: list[str]) -> str:
    cases: dict[tuple[str, str], dict[str | None, int]] = {}
    for row in db.read.facts(engine, ask.ClassPair, query.scope):
        cases.setdefault((row.true_class, row.predicted_class), {})[row.layer] = int(row.cases)
    top = sorted(cases.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:PAIRS]
    lines = [
        (f"{true} → {seen}", sum(of.values()), *(of.get(layer, 0) for layer in (*layers, None)))
        for (true, seen), of in top
    ]
    text = (
        f"The {len(top)} most frequent pairs of classes, of both partitions (euclidean, total), in cases:\n\n"
    )
    return text + markdown(("true → predicted", "attacked", *layers, "none"), lines)


def _likeness(engine: Engine, query: EvidenceQuery) -> str:
    pairs = db.read.facts(engine, ask.Duplicates, query.scope, activation=NEAR_ACTIVATION, pixels=NEAR_PIXELS)
    hubs = db.read.facts(engine, ask.HubCount, query.scope)
    parts = ["## Near-duplicates and hubs"]
    if pairs:
        head = ("between", "pairs", "same picture", "different label", "with a case")
        lines = [
            (
                f"{row.split} and {row.other_split}",
                row.pairs,
                row.same_picture,
                row.other_label,
                row.with_case,
            )
            for row in pairs
        ]
        parts.append(
            f"Pairs of images at most {NEAR_ACTIVATION} apart in the last hidden layer (cosine) or "
            f"{NEAR_PIXELS:.0f} in the pixels (root of the mean squared difference, 0 to 255):\n\n"
            + markdown(head, lines)
        )
    if hubs:
        hub_head = (
            "metric",
            "layer",
            "ever a neighbor",
            "of a tenth of the cases",
            "most frequent one: cases",
            "%",
        )
        hub_lines = [
            (h.metric, h.layer, h.references, h.hubs, h.largest, f"{100 * h.largest_share:.1f}") for h in hubs
        ]
        parts.append(
            "Reference images that are among the 50 nearest of a case:\n\n"
            + markdown(hub_head, hub_lines, texts=2)
        )
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _repair(engine: Engine, query: EvidenceQuery) -> str:
    counts = db.read.facts(engine, ask.RepairCount, query.scope)
    if not counts:
        return ""
    head = (
        "partition",
        "kind",
        "cases",
        "answer changes",
        "pixel located",
        "true class recovered",
        "originals change",
    )
    lines = [
        (row.partition, row.kind, row.cases, row.changed)
        + (
            (row.located, row.recovered_right, row.originals_changed)
            if row.kind == "adversarial"
            else ("",) * 3
        )
        for row in counts
    ]
    text = (
        "## Repair (added here)\n\n"
        "Ours, not the paper's. Each pixel in turn becomes the median of its neighbors; where the answer "
        "changes, that pixel is suspected. Where none does, the pixel and the class that come nearest are "
        "still named. Numbers of cases:\n\n"
    )
    return text + markdown(head, lines, texts=2) + "\n\n" + _missed(engine, query)


def _missed(engine: Engine, query: EvidenceQuery) -> str:
    """Attacked cases by their pixel's distance from its neighbors, and by whether it is at the edge."""
    pixels = db.read.facts(engine, ask.RepairedPixel, query.scope)
    judged = db.read.evidence_summary(engine, query.but(partition="validation"))
    threshold = next((row.threshold for row in judged if row.kind == "repair"), 0.0)
    distances, edges = [], []
    for pixel in pixels:
        image = np.asarray(Image.open(io.BytesIO(pixel.png)).convert("RGB"))
        distances.append(neighbor_distance(image, pixel.row, pixel.column))
        edges.append(at_edge(image, pixel.row, pixel.column))
    groups = [
        (f"distance {low} to {high - 1}", [low <= d < high for d in distances])
        for low, high in zip((0, *REACHES), REACHES, strict=False)
    ]
    groups += [("at the edge", edges), ("inside", [not edge for edge in edges])]
    lines = []
    for name, mask in groups:
        of = [pixel for pixel, inside in zip(pixels, mask, strict=True) if inside]
        if of:
            missed = sum(pixel.score <= threshold for pixel in of)
            right = sum(bool(pixel.recovered_right) for pixel in of)
            located = sum(bool(pixel.located) for pixel in of)
            lines.append((name, len(of), missed, _percent(missed, len(of)), located, right))
    head = ("attacked pixel", "cases", "missed", "missed, %", "located", "recovered")
    text = (
        "Where it fails: attacked validation cases by how far the pixel is from the median of its up to "
        "eight neighbors, in the channel that differs most (0 to 255), and by its place. Missed: no alarm "
        "at the threshold of the tuning cases.\n\n"
    )
    return text + markdown(head, lines)


def neighbor_distance(image: np.ndarray, row: int, column: int) -> int:
    """How far a pixel is from the median of its up to eight neighbors, in the channel that differs most.

    image: (H, W, 3) uint8; the result is 0..255.
    """
    rows, columns = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
    around = image[rows, columns].reshape(-1, image.shape[2]).astype(int)
    own = (row - rows.start) * image[rows, columns].shape[1] + column - columns.start
    median = np.rint(np.median(np.delete(around, own, axis=0), axis=0))
    return int(np.abs(image[row, column] - median).max())


def at_edge(image: np.ndarray, row: int, column: int) -> bool:
    """Whether a pixel has fewer than eight neighbors."""
    return row in (0, image.shape[0] - 1) or column in (0, image.shape[1] - 1)


def _near_median(engine: Engine, query: EvidenceQuery) -> str:
    rows = db.read.facts(engine, ask.NearMedian, query.scope)
    if not rows:
        return ""
    head = ("channels differ", "attacks", "succeed", "%", "of these repaired", "located", "recovered")
    lines = [
        (
            *(row.variant, row.attacks, row.succeeded, _percent(row.succeeded, row.attacks)),
            *(row.repaired, row.located, row.recovered_right),
        )
        for row in rows
    ]
    text = (
        "## The attacker who knows the repair sweep\n\n"
        "Attacks that keep every channel of the pixel near the median of its neighbors. Repaired: replacing "
        "one pixel changes the answer.\n\n"
    )
    return text + markdown(head, lines)


def _timings(engine: Engine, query: EvidenceQuery) -> str:
    rows = db.read.facts(engine, ask.StageTime, query.scope)
    head = ("stage", "status", "runs", "seconds")
    lines = [(r.stage, r.status, r.runs, "" if r.seconds is None else f"{r.seconds:,.1f}") for r in rows]
    whole = sum(r.seconds or 0.0 for r in rows)
    text = f"## Timings\n\nOf every run of a stage, together {whole / 60:.0f} minutes.\n\n"
    return text + markdown(head, lines, texts=2) if lines else ""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else ""
