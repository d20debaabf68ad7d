"""The detectors' page without a browser: what it shows for an address, and where its links lead."""

import json
import re

import pytest
from test_app import routed, text_of
from test_evidence_figures import row

from dashapp import ids
from dashapp.app import create_app
from dashapp.pages.detectors import page as detectors
from dashapp.pages.detectors import parts, table
from dashapp.words import decisions
from db.read import Divergence, EvidenceQuery, Measure
from tests.support import database

OTHERS = {"repair", "confidence", "logit-margin"}


@pytest.fixture(scope="module")
def app(fresh):
    engine = fresh()
    database.fill(engine, per_group=4, references=60)
    return create_app(engine)


def page(app, search=""):
    return routed(app, "/detectors", search)


def links(answer):
    found = re.findall(r'"href": ?"([^"]*)"', json.dumps(answer[ids.PAGE]))
    return {link.replace("\\u0026", "&") for link in found}


def rows_of(answer):
    """Detector -> its row's text."""
    found = {}

    def walk(node):
        if isinstance(node, list):
            for child in node:
                walk(child)
        if not isinstance(node, dict):
            return
        if node.get("type") == "Tr":
            match = re.search(r'"part": "detector", "value": "([^"]+)"', json.dumps(node))
            if match:
                found[match[1]] = node
        walk(node.get("props", {}).get("children"))

    walk(answer[ids.PAGE]["children"])
    return found


def test_the_page_has_its_title_its_status_and_its_link_in_the_header(app):
    assert app.server.test_client().get("/detectors").status_code == 200
    assert app.server.test_client().get("/detectors/more").status_code == 404
    assert page(app)[ids.PAGE_TITLE]["data"] == "Detectors · Explainable Pixels"
    assert '"/detectors"' in json.dumps(app.server.test_client().get("/_dash-layout").json)


def test_the_table_has_the_layers_and_always_repair_and_the_baselines(app):
    found = rows_of(page(app))
    layers = {f"{layer} euclidean total" for layer in ("flatten", "dense", "logits", "composed")}
    assert set(found) == layers | OTHERS
    assert "added here" in text_of(found["repair"])
    assert "baseline" in text_of(found["confidence"])
    assert "baseline" not in text_of(found["dense euclidean total"])
    assert set(rows_of(page(app, "?metric=cosine&reference=distinct"))) >= OTHERS


def test_what_filters_leave_open_is_said_in_the_row(app):
    found = rows_of(page(app, "?metric=any&reference=any"))
    assert len(found) == 16 + 3
    assert "cosine · distinct references" in text_of(found["dense cosine total distinct"])


def test_the_best_of_a_column_is_marked_and_equals_are_marked_alike():
    one, two = row(eer=0.1), row(eer=0.1004)
    worse = row(eer=0.3)
    column = next(column for column in table.COLUMNS if column.sort == "eer")
    assert table.best_value([one, two, worse], column) == 0.1
    assert table.best_value([one, two], column) is None  # nothing is better than another
    threshold = next(column for column in table.COLUMNS if column.sort == "threshold")
    assert table.best_value([one, worse], threshold) is None


def test_bars_stand_on_one_axis_a_column():
    rows = [row(auc=Measure(0.9, 0.85, 0.95)), row(auc=Measure(0.36, 0.33, 0.4)), row(auc=None)]
    assert table.axis_start(rows, "auc") == 0.3
    assert table.axis_start(rows, "recovered") == 0
    style = table.bar_style(Measure(0.8, 0.7, 0.9), 0.4, chance=True)
    assert style == {"--low": "0.5000", "--high": "0.8333", "--value": "0.6667", "--chance": "0.1667"}


def test_every_address_the_page_links_to_can_be_shown(app):
    found = links(page(app, "?metric=any&detector=dense+euclidean+total"))
    assert len(found) > 25
    for link in sorted(found):
        assert app.server.test_client().get(link).status_code == 200, link
        if link.startswith("/detectors"):
            said = text_of(page(app, link.removeprefix("/detectors"))[ids.PAGE]["children"])
            assert "cannot be shown" not in said, link


def test_a_header_sorts_better_ones_first_and_then_the_other_way(app):
    assert "/detectors?sort=eer" in links(page(app))
    assert "/detectors?sort=-eer" in links(page(app, "?sort=eer"))
    assert "/detectors?sort=-recovered" in links(page(app))


def test_an_address_that_means_nothing_says_what_and_what_is_allowed(app):
    said = text_of(page(app, "?metric=hamming")[ids.PAGE]["children"])
    assert "metric 'hamming'" in said
    assert "euclidean, cosine" in said


def test_a_chosen_detector_that_the_filters_leave_out_is_said(app):
    said = text_of(page(app, "?metric=cosine&detector=dense+euclidean+total")[ids.PAGE]["children"])
    assert "The filters leave out dense euclidean total" in said


def test_tuning_cases_come_with_a_warning(app):
    assert "these results are too optimistic" in text_of(page(app, "?partition=tuning")[ids.PAGE]["children"])


def test_every_chart_has_its_query_and_a_detector_without_k_none_for_k(app):
    for search, count in (("", 5), ("?detector=repair", 4)):
        shown = json.dumps(page(app, search)[ids.PAGE])
        assert shown.count('"Summary"') == count
        assert shown.count('"Clipboard"') == count
    assert "there is no k" in text_of(page(app, "?detector=repair")[ids.PAGE]["children"])


def drawn(app, search, theme="light"):
    outputs = [(i, "figure") for i in (ids.DETECTORS_ROC, ids.DETECTORS_THRESHOLDS, ids.DETECTORS_K)]
    response = app.server.test_client().post(
        "/_dash-update-component",
        json={
            "output": f"..{'...'.join(f'{i}.{p}' for i, p in outputs)}..",
            "outputs": [{"id": i, "property": p} for i, p in outputs],
            "inputs": [
                {"id": ids.DETECTORS_SEARCH, "property": "data", "value": search},
                {"id": ids.THEME, "property": "data", "value": theme},
            ],
            "changedPropIds": [],
        },
    )
    return response.status_code, response.json


@pytest.mark.parametrize("search", ["", "?detector=repair", "?metric=any&reference=any", "?set=untargeted"])
def test_the_charts_of_an_address_are_drawn(app, search):
    status, answer = drawn(app, search)
    assert status == 200
    roc = answer["response"][ids.DETECTORS_ROC]["figure"]
    assert len([trace for trace in roc["data"] if trace["mode"] == "lines"]) == 1 + 4 + 3
    thresholds = answer["response"][ids.DETECTORS_THRESHOLDS]["figure"]
    assert all(trace["x"] for trace in thresholds["data"])


def test_charts_are_left_alone_while_the_page_is_left(app):
    assert drawn(app, None)[0] == 204


def test_one_curve_a_layer_is_drawn_the_chosen_one_or_the_best():
    weak = row("dense cosine total", metric="cosine", auc=Measure(0.6, 0.5, 0.7))
    rows = [weak, row(), row("repair", kind="repair")]
    names = [one.detector for one in detectors.compared_rows(rows, rows[1])]
    assert sorted(names) == ["dense euclidean total", "repair"]
    assert weak in detectors.compared_rows(rows, weak)
    assert row() not in detectors.compared_rows(rows, weak)
    assert detectors.chosen_row(rows, EvidenceQuery()).detector == "dense euclidean total"
    assert detectors.chosen_row(rows, EvidenceQuery(detector="repair")).detector == "repair"
    assert detectors.chosen_row([], EvidenceQuery()) is None


def test_shares_of_divergence_are_of_the_class_and_of_all():
    found = [Divergence("cat", "flatten", 1), Divergence("cat", None, 3), Divergence("dog", "dense", 4)]
    layers, shares, totals = parts.divergence_shares(found)
    assert layers == ["flatten", "dense", "none"]
    assert shares["cat"] == [0.25, 0, 0.75]
    assert shares["all"] == [0.125, 0.5, 0.375]
    assert totals == {"all": 8, "cat": 4, "dog": 4}


def test_a_database_without_evaluations_says_what_to_run(fresh):
    engine = fresh()
    said = text_of(routed(create_app(engine), "/detectors")[ids.PAGE]["children"])
    assert "xpixels ingest" in said
    assert "xpixels study" in said


def test_under_a_base_path_every_link_is_below_it(app, fresh):
    engine = fresh()
    database.fill(engine, per_group=2, references=50)
    based = create_app(engine, base_path="/pixels")
    assert based.server.test_client().get("/pixels/detectors").status_code == 200
    found = links(routed(based, "/pixels/detectors"))
    assert found
    assert all(link.startswith("/pixels/") for link in found), found


def test_thresholds_and_intervals_are_short_and_typeset():
    assert [decisions.threshold(value) for value in (3.0, -1.0, 0.20991, -1.7215)] == [
        "3",
        "−1",
        "0.21",
        "−1.72",
    ]
    assert decisions.interval(0.8281, 0.8765) == ".83–.88"
    assert decisions.interval(0.94, 1.0) == ".94–1.0"
