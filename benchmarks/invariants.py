"""Invariants of every database state that a reader may see, during an ingest or not.

In SQL: counts of violations, each 0 at any moment. In the dashboard: contradictions within one response.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from benchmarks.pages import components
from dashapp import ids
from db.read import PAGE_SIZE
from db.soundness import contradictions
from model.data.png import decode_png

# Checks of `xpixels db check` that hold only when an ingest is done: before, cases still lack these.
STAGED = ("without neighbors", "decisions missing", "do not count every case")
OWN = {
    "cases whose probabilities do not sum to 1": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM cases
            LEFT JOIN class_scores ON class_scores.case_id = cases.id GROUP BY cases.id
            HAVING COALESCE(ABS(SUM(probability) - 1), 1) > 1e-4) AS summed""",
    "adversarial cases without an attack, or others with one": """
        SELECT COUNT(*) FROM cases WHERE (kind = 'adversarial') <> (attack_id IS NOT NULL)""",
    "attacks without all their pixels": """
        SELECT COUNT(*) FROM attacks WHERE pixel_count <>
            (SELECT COUNT(*) FROM attack_pixels WHERE attack_pixels.attack_id = attacks.id)""",
    "cases without an activation of some layer, but composed ones": """
        SELECT COUNT(*) FROM cases JOIN layers ON layers.network_id = cases.network_id
        WHERE layers.kind <> 'composed' AND NOT EXISTS (SELECT 1 FROM case_activations
            WHERE case_activations.case_id = cases.id AND case_activations.layer_id = layers.id)""",
    "cases, layers and metrics with other than 50 neighbors": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM neighbors GROUP BY case_id, layer_id, metric
            HAVING COUNT(*) <> 50) AS counted""",
    "originals, layers and metrics with other than 50 neighbors": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM original_neighbors GROUP BY case_id, layer_id, metric
            HAVING COUNT(*) <> 50) AS counted""",
    "reference samples without the activations of flatten or a dense layer": """
        SELECT COUNT(*) FROM reference_samples
        JOIN layers ON layers.network_id = reference_samples.network_id
            AND layers.kind IN ('flatten', 'dense')
        WHERE NOT EXISTS (SELECT 1 FROM reference_activations
            WHERE reference_activations.reference_sample_id = reference_samples.id
                AND reference_activations.layer_id = layers.id)""",
    "operating points that do not count the decisions made at them": """
        SELECT COUNT(*) FROM operating_points AS point
        WHERE how_chosen = 'tuning' AND tp + fp + tn + fn <>
            (SELECT COUNT(*) FROM decisions JOIN cases ON cases.id = decisions.case_id
            WHERE cases.dataset_id = point.dataset_id AND decisions.layer_id = point.layer_id
                AND decisions.metric = point.metric AND decisions.rule = point.rule
                AND cases."partition" = point."partition")""",
    "detectors whose counts do not come to the cases of their network and data set": """
        SELECT COUNT(*) FROM (SELECT 1 AS broken FROM facet_cells GROUP BY network_id, dataset_id, detector
            HAVING SUM(cases) <> (SELECT COUNT(*) FROM case_facets
                WHERE case_facets.network_id = facet_cells.network_id
                    AND case_facets.dataset_id = facet_cells.dataset_id)) AS counted""",
}
ALWAYS = {what: text(count) for what, count in OWN.items()} | {
    what: count
    for what, count in contradictions.CONTRADICTIONS.items()
    if not any(one in what for one in STAGED)
}


def broken(connection: Connection, names: list[str]) -> Iterator[str]:
    """The current violations in the database of the invariants in ALWAYS with these names."""
    for name in names:
        if number := connection.scalar(ALWAYS[name]):
            yield f"{number:,} {name}"


def torn(address: str, data: bytes) -> Iterator[str]:
    """The contradictions in a response of the dashboard, unpacked."""
    if address.startswith("/images/"):
        digest = hashlib.sha256(decode_png(data).tobytes()).hexdigest()
        if digest not in address:
            yield "an image that is not the one of its address"
    elif address.startswith("/export/cases.csv"):
        for row in csv.DictReader(io.StringIO(data.decode())):
            yield from _torn_row(row)
    elif address == "/_dash-update-component":
        answer = json.loads(data)["response"]
        if "children" in answer.get(ids.PAGE, ()):
            page = answer[ids.PAGE]["children"]
            yield from _torn_list(page)
            yield from _torn_case(page)
        if ids.CASE_LIST in answer and "children" in answer[ids.CASE_LIST]:
            yield from _torn_layer(answer)


def _torn_row(row: dict[str, str]) -> Iterator[str]:
    """Check a case of an export: its count of alarming layers is the number that it lists."""
    named = row["alarming_layers"]
    alarming = [] if named in ("", "none") else named.split("+")
    if (named == "") != (row["alarms"] == "") or len(alarming) != int(row["alarms"] or 0):
        yield f"case {row['case_id']} has {row['alarms']} alarms, and they are '{named}'"
    if (row["kind"] == "adversarial") != (row["attacked_row"] != ""):
        yield f"case {row['case_id']} is {row['kind']}, its attacked row '{row['attacked_row']}'"


def _torn_list(page: dict) -> Iterator[str]:
    """Check the first page of a list: each filter's counts add up to its cases, and it has as many rows."""
    html = "".join(one["data-html"] for one in components(page) if "data-html" in one)
    if (match := re.search(r'list-count\b[^"]*">([\d,]+) of ([\d,]+) cases', html)) is None:
        return
    total, stored = (int(number.replace(",", "")) for number in match.groups())
    if total > stored:
        yield f"{total} cases of {stored}"
    for name in ("kind", "true", "predicted"):
        section = re.search(rf'data-facet="{name}">(.*?)</details>', html, re.DOTALL)
        numbers = re.findall(r'facet-count\b[^"]*">([\d,]+)', section[1])
        counts = [int(number.replace(",", "")) for number in numbers]
        chosen = "facet-on" in section[1]  # then the others count what they would add
        if not chosen and sum(counts) != total:
            yield f"{total} cases, and by {name} {sum(counts)}"
    rows = html.count('class="row-link"')  # of the table; a gallery has none
    if rows and rows != min(total, PAGE_SIZE):
        yield f"{rows} rows of {total} cases"


def _torn_case(page: dict) -> Iterator[str]:
    """Check the case view: the network's drawing and the decisions agree on each layer."""
    states: dict[str, set[str]] = {}
    for one in components(page):
        classes = str(one.get("className", "")).split()
        if "data-layer" in one and ("layer-compared" in classes or "decision" in classes):
            states.setdefault(one["data-layer"], set()).update(c for c in classes if c.startswith("is-"))
    for layer, layer_states in states.items():
        if len(layer_states) != 1:
            yield f"layer {layer} is {' and '.join(sorted(layer_states))}"


def _torn_layer(answer: dict) -> Iterator[str]:
    """Check a layer of a case: every neighbor rank occurs once, and scores sum to 1."""
    listed = [one for one in components(answer[ids.CASE_LIST]) if one.get("className") == "neighbor-rank"]
    ranks = [int(one["children"]) for one in listed]
    if ranks != list(range(1, len(ranks) + 1)):
        yield f"the neighbors have the ranks {ranks}"
    for bars in answer[ids.CASE_SOFTMAX]["figure"]["data"]:  # of the case, and of its original
        if (
            not 0.99 < sum(score or 0 for score in bars["x"]) < 1.0001
        ):  # the original's small ones are left out
            yield f"the scores {bars['x']} do not sum to 1"
