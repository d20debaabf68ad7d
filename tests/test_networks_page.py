"""The page of all networks without a browser: rows, links, empty states, exports."""

import csv
import io
import re

import pytest
from sqlalchemy import insert
from test_app import routed, text_of

from dashapp import ids
from dashapp.app import create_app
from db import schema
from db.engine import writing
from tests.support import database
from tests.support.two_networks import add_second


@pytest.fixture(scope="module")
def app(fresh):
    engine = fresh()
    database.fill(engine, per_group=8, references=60)
    add_second(engine)
    return create_app(engine, base_path="/pixels/")


def html_of(app, search="", path="/networks"):
    """The HTML of the page's drawn part."""
    page = routed(app, f"/pixels{path}", search)[ids.PAGE]["children"]
    return page["props"]["children"]["props"]["data-html"]


def links(html):
    return {link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*)"', html)}


def rows_of(html):
    """The text of each row that has a name."""
    rows = re.findall(r"<tr[^>]*><th scope=\"row\" class=\"n-network\">.*?</tr>", html)
    return [re.sub(r"<[^>]+>", " ", row) for row in rows]


def test_the_page_is_in_the_menu_and_has_its_title_and_status(app):
    client = app.server.test_client()
    assert client.get("/pixels/networks").status_code == 200
    assert client.get("/pixels/networks/more").status_code == 404
    assert routed(app, "/pixels/networks")[ids.PAGE_TITLE]["data"] == "Networks · Explainable Pixels"


def test_each_network_on_each_data_set_is_a_row(app):
    one, two = rows_of(html_of(app, "?sort=network"))
    assert "cifar10-cnn" in one
    assert "cifar10" in one
    assert "32 × 32 · 10 classes" in one
    assert "87.5" in one  # 4 of 32 predictions are wrong
    assert "of 32 images" in one
    assert "second" in two
    assert "1.23 M parameters" in two
    assert "81.2" in two  # 6 of them


@pytest.mark.sqlite("the pages that it leads to have tests on both")
def test_all_numbers_lead_to_pages_that_can_be_shown(app):
    found = links(html_of(app, "?sort=network"))
    assert len(found) > 25
    for link in sorted(found):
        address = link.removeprefix("/pixels")
        assert link.startswith("/pixels/"), link
        assert app.server.test_client().get(link).status_code == 200, link
        path, _, search = address.partition("?")
        if not path.startswith("/export"):
            page = routed(app, f"/pixels{path}", f"?{search}" if search else "")[ids.PAGE]
            shown = text_of(page["children"])
            assert "cannot be shown" not in shown, link


def test_the_best_detector_leads_to_its_charts(app):
    (link,) = {link for link in links(html_of(app)) if link.endswith("detector=repair")}
    page = text_of(routed(app, "/pixels/detectors", link.partition("?")[2])[ids.PAGE]["children"])
    assert "repair: what the threshold does" in page


def test_a_header_says_how_it_sorts_and_sorts_the_other_way(app):
    html = html_of(app, "?sort=-accuracy")
    (header,) = re.findall(r'<th scope="col"[^>]*aria-sort[^>]*>.*?</th>', html)
    assert 'aria-sort="descending"' in header
    assert 'href="/pixels/networks?sort=accuracy"' in header
    assert [("second" in row) for row in rows_of(html)] == [False, True]
    assert [("second" in row) for row in rows_of(html_of(app, "?sort=accuracy"))] == [True, False]
    assert "/pixels/networks?sort=-repair" in links(html)  # the larger the better: first


def test_a_text_narrows_the_rows_and_an_unknown_one_says_so(app):
    (row,) = rows_of(html_of(app, "?find=SEC"))
    assert "second" in row
    html = html_of(app, "?find=nobody")
    assert "No network or data set is called “nobody”" in html
    assert "/pixels/networks" in links(html)
    assert "&lt;b&gt;" in html_of(app, "?find=%3Cb%3E")


def test_the_row_that_the_address_names_is_marked(app):
    html = html_of(app, "?network=2&dataset=1")
    (marked,) = re.findall(r'<tr[^>]*aria-current="true".*?</tr>', html)
    assert "second" in marked
    page = routed(app, "/pixels/networks", "?network=2&dataset=1")[ids.PAGE]["children"]
    assert page["props"]["data-network"] == 2


@pytest.mark.parametrize("search", ["?sort=speed", "?network=9", "?page=2", "?find=a&find=b"])
def test_an_address_that_means_nothing_is_refused_with_a_way_out(app, search):
    page = routed(app, "/pixels/networks", search)[ids.PAGE]["children"]
    assert "Show all networks" in text_of(page)


def test_a_row_without_results_names_the_command_that_fills_it(fresh):
    engine = fresh()
    schema.metadata.create_all(engine)
    app = create_app(engine)
    page = text_of(routed(app, "/networks")[ids.PAGE]["children"])
    assert "xpixels study --network N --dataset D" in page
    assert "Nothing to compare yet" in text_of(routed(app, "/compare")[ids.PAGE]["children"])
    with writing(engine) as connection:
        now = schema.now()
        named = {"id": 1, "name": "mine", "sha256": "a" * 64, "description": {}, "created_at": now}
        connection.execute(insert(schema.networks), named)
        data = {"id": 1, "name": "pets", "source": "a test", "created_at": now}
        connection.execute(insert(schema.datasets), data)
        connection.execute(
            insert(schema.network_datasets), {"network_id": 1, "dataset_id": 1, "created_at": now}
        )
    page = routed(create_app(engine), "/networks")[ids.PAGE]["children"]
    html = page["props"]["children"]["props"]["data-html"]
    assert "xpixels study --network mine --dataset pets" in html
    assert rows_of(html)[0].count("–") == 10


def test_the_matrix_tells_which_attacks_transfer(app):
    """Of 16 attacked images the second network gets 12 right before, and every third case fools it."""
    html = html_of(app)
    cells = re.findall(r'<td class="heat-cell[^>]*>(.*?)</td>', html)
    texts = [re.sub(r"<[^>]+>", " ", cell).split() for cell in cells]
    assert texts[0] == ["–"]
    assert texts[1][-3:] == ["3", "of", "12"]
    assert texts[2] == ["compare"]  # its own attacks have not met the first one
    assert "/pixels/compare?network=2&dataset=1&other=1" in links(html)
    assert "xpixels evaluate --network N --dataset cifar10" in html


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_rows_are_exported_as_they_are_sorted_and_found(app, form):
    client = app.server.test_client()
    answer = client.get(f"/pixels/export/networks.{form}?sort=-network")
    assert answer.headers["Content-Disposition"] == f"attachment; filename=networks.{form}"
    assert answer.headers["Cache-Control"] == "no-store"
    rows = answer.json if form == "json" else list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["network"] for row in rows] == ["second", "cifar10-cnn"]
    assert float(rows[1]["accuracy_low"]) < float(rows[1]["test_accuracy"]) < float(rows[1]["accuracy_high"])
    answer = client.get(f"/pixels/export/networks.{form}?sort=speed")
    assert answer.status_code == 400
    assert "sort 'speed'" in answer.text
