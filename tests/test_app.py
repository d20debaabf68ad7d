"""The app without a browser: routes, status codes, callbacks, and what its process does not do."""

import base64
import gzip
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from dash.development.base_component import Component
from sqlalchemy import delete, text

import db.engine
import db.migrate
import db.read
from dashapp import ids
from dashapp.app import create_app
from dashapp.http.compression import KeptLibraries
from dashapp.scope_menu import scope_menu
from db import facets, schema
from db.scope import Scope
from tests.support import database


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made)
    engine = db.engine.create(db.migrate.name(made), read_only=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def app(engine):
    return create_app(engine)


@pytest.fixture
def client(app):
    return app.server.test_client()


def routed(app, pathname, search="", theme="light"):
    """What the router answers for an address: the response's values by component id."""
    outputs = [(ids.PAGE, "children"), (ids.PAGE_TITLE, "data"), (ids.FOLLOWED_PATH, "data")]
    outputs += [(ids.FACTS, "children"), (ids.NAV, "children")]
    prefix = app.config.routes_pathname_prefix
    asked = {"pathname": pathname, "search": search, "theme": theme}
    response = app.server.test_client().post(
        f"{prefix}_dash-update-component",
        json={
            "output": f"..{'...'.join(f'{i}.{p}' for i, p in outputs)}..",
            "outputs": [{"id": i, "property": p} for i, p in outputs],
            "inputs": [{"id": ids.ROUTE, "property": "data", "value": asked}],
            "state": [],
            "changedPropIds": [f"{ids.ROUTE}.data"],
        },
    )
    assert response.status_code == 200, response.data
    return response.json["response"]


def text_of(node):
    if isinstance(node, dict):
        props = node.get("props", {})
        if "data-html" in props:
            return unescape(re.sub(r"<[^>]*>", " ", props["data-html"]))
        return text_of(props.get("children"))
    if isinstance(node, list):
        return " ".join(text_of(child) for child in node)
    return "" if node is None else str(node)


def links_of(page):
    """Every href and src on a page, in components and in parts that came as HTML."""
    text = json.dumps(page)
    own = re.findall(r'"(?:href|src)": ?"([^"]*)"', text)
    drawn = re.findall(r'(?:href|src)=\\"([^"]*)\\"', text)
    return [link.replace("\\u0026", "&") for link in own] + [unescape(link) for link in drawn]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/", 200),
        ("/?kind=clean", 200),
        ("/case/1", 200),
        ("/case/64?kind=clean", 200),
        ("/case/65", 404),
        ("/case/0", 404),
        ("/case/one", 404),
        ("/case/99999999999999999999999", 404),
        ("/nothing", 404),
        ("/healthz", 200),
        ("/images/no.png", 404),
    ],
)
def test_an_address_answers_with_its_status_at_the_first_request(client, address, status):
    response = client.get(address)
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_for_a_wrong_address_is_ours_and_names_the_case(app, client):
    assert "Explainable Pixels" in client.get("/case/65").text
    answer = routed(app, "/case/65")
    assert answer[ids.PAGE_TITLE]["data"] == "Not found · Explainable Pixels"
    assert "There is no case 65" in text_of(answer[ids.PAGE]["children"])


def test_an_address_that_means_nothing_says_what_and_what_is_allowed(app):
    words = text_of(routed(app, "/", "?true=cart")[ids.PAGE]["children"])
    assert "true 'cart'" in words
    assert "airplane, automobile" in words


def test_every_address_the_list_links_to_can_be_shown(app, engine):
    links = sorted(set(links_of(routed(app, "/", "?kind=adversarial&detector=dense")[ids.PAGE])))
    assert len(links) > 40
    client = app.server.test_client()
    for link in links:
        assert client.get(link).status_code == 200, link
        if not link.startswith(("/case/", "/export/")):
            db.read.list_cases(engine, *db.read.case_query(engine, link.partition("?")[2]))


def test_a_case_follows_its_query_string_itself_and_other_pages_are_drawn_anew(app):
    """The browser asks the router again unless the path is FOLLOWED_PATH (assets/shell.js)."""
    assert routed(app, "/case/4", "?layer=dense")[ids.FOLLOWED_PATH]["data"] == "/case/4"
    for pathname in ("/", "/detectors", "/case/65", "/nothing"):
        assert routed(app, pathname)[ids.FOLLOWED_PATH]["data"] is None


def test_a_tuning_case_has_its_place_among_the_tuning_cases(app):
    words = text_of(routed(app, "/case/2")[ids.PAGE]["children"])
    assert "2 of 32" in words
    assert '"/case/3"' in json.dumps(routed(app, "/case/2")[ids.PAGE])
    elsewhere = text_of(routed(app, "/case/2", "?partition=validation")[ids.PAGE]["children"])
    assert "not in this list" in elsewhere


def test_the_list_says_what_its_numbers_were_made_with(app):
    words = text_of(routed(app, "/")[ids.PAGE]["children"])
    assert re.search(r"euclidean · total · k \d+ · alarm above \d+", words)
    assert re.search(r"% of 16 attacked", words)


def test_an_image_comes_by_its_hash_and_is_kept_for_good(client, engine):
    row = db.read.list_cases(engine, *db.read.case_query(engine, "")).rows[0]
    response = client.get(f"/images/{row.image}.png")
    assert (response.status_code, response.mimetype) == (200, "image/png")
    assert "immutable" in response.headers["Cache-Control"]
    again = client.get(f"/images/{row.image}.png", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_every_answer_carries_a_policy_without_eval_and_inline_scripts(app, client):
    html = client.get("/").text
    for address in ("/", "/case/65", "/healthz", "/_dash-layout", "/assets/base.css", "/images/no.png"):
        policy = client.get(address, buffered=True).headers["Content-Security-Policy"]
        rules = {name: values for name, *values in (part.split() for part in policy.split(";"))}
        assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == ["'self'"]
        assert rules["object-src"] == ["'none'"]
        assert all(value == "'self'" or value.startswith("'sha256-") for value in rules["script-src"])
    # The hashes are those of what the document holds.
    inline = re.findall(r"<script(?![^>]*(?:src=|json))[^>]*>(.*?)</script>", html, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inline}
    assert hashes
    assert {f"'sha256-{one}'" for one in hashes} <= set(rules["script-src"])


def test_libraries_and_assets_are_kept_for_good_and_compressed_once(client):
    html = client.get("/").text
    accepted = {"Accept-Encoding": "gzip"}
    for part in ("dash_cytoscape", "base.css"):
        address = next(one for one in Addresses(html).found if part in one)
        first, second = (client.get(address, headers=accepted, buffered=True) for _ in range(2))
        assert first.headers["Content-Encoding"] == "gzip"
        assert set(first.cache_control) == {"public", "max-age", "immutable"}
        assert first.cache_control.max_age == 31_536_000
        assert gzip.decompress(first.data) == client.get(address, buffered=True).data
        assert first.data == second.data
    kept = KeptLibraries()
    kept.set("gzip;/_dash-component-suites/x.js", b"x")
    kept.set("gzip;", b"a page")
    assert kept.get("gzip;/_dash-component-suites/x.js") == b"x"
    assert kept.get("gzip;") is None


def test_what_is_sent_is_compressed(client):
    accepted = {"Accept-Encoding": "gzip, deflate, br, zstd"}  # as browsers say
    for address in ("/", "/_dash-layout"):
        plain = client.get(address, buffered=True)
        small = client.get(address, headers=accepted, buffered=True)
        assert small.headers["Content-Encoding"] in ("gzip", "br", "zstd")
        assert len(small.data) < len(plain.data) / 2


class Addresses(HTMLParser):
    """Collects every src and href of a document."""

    def __init__(self, document):
        super().__init__()
        self.found = []
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href")]


def test_the_document_loads_nothing_from_elsewhere(client):
    addresses = Addresses(client.get("/").text).found
    assert any("theme.js" in address for address in addresses)
    assert all(address.startswith("/") and not address.startswith("//") for address in addresses), addresses


def test_under_a_base_path_every_address_is_below_it(engine):
    app = create_app(engine, base_path="/pixels")
    client = app.server.test_client()
    assert client.get("/pixels/").status_code == 200
    assert client.get("/pixels/case/1").status_code == 200
    assert client.get("/pixels/case/65").status_code == 404
    assert client.get("/pixels/healthz").status_code == 200
    assert client.get("/").status_code == 404
    assert all(address.startswith("/pixels/") for address in Addresses(client.get("/pixels/").text).found)
    for pathname in ("/pixels/", "/pixels/case/49"):
        links = links_of(routed(app, pathname)[ids.PAGE])
        assert links
        assert all(link.startswith(("/pixels/", "data:")) for link in links), links


def test_behind_a_proxy_that_strips_requests_come_without_the_path_and_links_have_it(engine):
    app = create_app(engine, base_path="/pixels/", proxy_strips=True)
    client = app.server.test_client()
    assert client.get("/").status_code == client.get("/case/1").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/case/65").status_code == client.get("/pixels/").status_code == 404
    assert all(address.startswith("/pixels/") for address in Addresses(client.get("/").text).found)
    links = re.findall(r'"(?:href|src)": ?"([^"]*)"', json.dumps(routed(app, "/pixels/case/49")[ids.PAGE]))
    assert links
    assert all(link.startswith(("/pixels/", "data:")) for link in links), links


@pytest.mark.parametrize("base_path", ["http://elsewhere/", "/a b/", "/a/../b/", "/a?b", "//"])
def test_a_base_path_that_is_no_path_is_refused(engine, base_path):
    with pytest.raises(ValueError, match=r"is no path; expected .* --base-path /pixels/"):
        create_app(engine, base_path=base_path)


def test_a_base_path_without_its_slash_leads_to_the_one_with_it(engine):
    client = create_app(engine, base_path="/pixels").server.test_client()
    answer = client.get("/pixels?kind=clean")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/pixels/?kind=clean")


def ids_of(component):
    found = []
    if isinstance(component, Component):
        found = [component.id] if getattr(component, "id", None) else []
        found += [i for child in component._traverse() for i in ids_of_one(child)]
    return found


def ids_of_one(component):
    return [component.id] if isinstance(component, Component) and getattr(component, "id", None) else []


def test_every_id_in_a_callback_is_in_a_layout(app):
    shown = ids_of(app.validation_layout)
    plain = {i for i in shown if isinstance(i, str)}
    patterns = {tuple(sorted(i)) for i in shown if isinstance(i, dict)}
    asked = set()
    for output, callback in app.callback_map.items():
        outputs = output.strip(".").split("...") if output.startswith("..") else [output]
        asked |= {part.split("@")[0].rpartition(".")[0] for part in outputs}
        asked |= {dependency["id"] for dependency in (*callback["inputs"], *callback["state"])}
    assert len(asked) > 5
    for component_id in asked:
        if component_id.startswith("{"):
            assert tuple(sorted(json.loads(component_id))) in patterns, component_id
        else:
            assert component_id in plain, component_id
    assert not app.config.suppress_callback_exceptions


def test_two_apps_in_one_process_show_each_its_own_database(app, fresh):
    other = fresh()
    database.fill(other, per_group=2)
    second = create_app(other)
    assert "32 of 64 cases" in text_of(routed(app, "/")[ids.PAGE]["children"])
    assert "4 of 8 cases" in text_of(routed(second, "/")[ids.PAGE]["children"])
    assert second.server.test_client().get("/case/9").status_code == 404
    assert app.server.test_client().get("/case/9").status_code == 200
    other.dispose()


def test_an_empty_database_says_what_to_run(fresh):
    engine = fresh()
    app = create_app(engine)
    assert "xpixels demo" in text_of(routed(app, "/")[ids.PAGE]["children"])
    assert app.server.test_client().get("/case/1").status_code == 404
    engine.dispose()


def test_cases_without_decisions_say_what_to_run(fresh):
    engine = fresh()
    database.fill(engine, per_group=2)
    with engine.begin() as connection:
        connection.execute(delete(schema.decisions))
        facets.refresh(connection, Scope(1, 1))
    page = routed(create_app(engine), "/")[ids.PAGE]
    words = text_of(page["children"])
    assert "xpixels tune" in words
    assert "not decided" in words
    assert "/?detector=repair" in links_of(page)  # another detector may well have decided
    engine.dispose()


def test_no_case_under_the_filters_is_said_and_can_be_reset(app):
    words = text_of(routed(app, "/", "?kind=clean&outcome=TP")[ids.PAGE]["children"])
    assert "No case matches these filters" in words
    assert "Reset the filters" in words


def test_reset_keeps_what_is_no_filter(app):
    links = links_of(routed(app, "/", "?kind=clean&outcome=TP&detector=dense&sort=-alarms")[ids.PAGE])
    assert "/?detector=dense&sort=-alarms" in links


def test_an_empty_combination_of_filters_is_not_taken_for_a_missing_tuning(app):
    page = routed(app, "/", "?kind=clean&true=ship&predicted=airplane")[ids.PAGE]
    words = text_of(page["children"])
    assert "No case matches these filters" in words
    assert "xpixels tune" not in words
    assert "no attacked case" in words
    assert "logit-margin" in words  # the detectors can still be chosen


def test_a_page_that_fails_says_so_instead_of_staying_as_it_was(fresh, caplog):
    engine = fresh()
    database.fill(engine, per_group=2)
    app = create_app(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE attack_pixels RENAME TO pixels_of_attacks"))
    words = text_of(routed(app, "/")[ids.PAGE]["children"])
    assert "could not be drawn" in words
    missing = r'no such table: attack_pixels|relation "attack_pixels" does not exist'
    assert re.search(missing, words)
    assert "Traceback" not in words
    assert re.search(missing, caplog.text)
    engine.dispose()


# ---- Several data sets --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twice(fresh):
    """One network on two data sets: the second has the newest case."""
    made = fresh()
    database.fill(made, per_group=2, references=60)
    with made.begin() as connection:
        connection.exec_driver_sql("INSERT INTO datasets VALUES (2, 'other-images', 'a test', '2026')")
        of_case = "run_id, kind, partition, image_id, true_class, predicted_class, confidence"
        for statement in (
            "INSERT INTO network_datasets VALUES (1, 2, NULL, '2026')",
            "INSERT INTO classes SELECT 2, class, name FROM classes WHERE dataset_id = 1",
            "INSERT INTO samples (id, dataset_id, split, position, label, image_id) "
            "SELECT 9000, 2, split, position, label, image_id FROM samples "
            "WHERE id = (SELECT min(sample_id) FROM cases WHERE kind = 'clean')",
            f"INSERT INTO cases (id, network_id, dataset_id, sample_id, {of_case}) "
            f"SELECT 900, 1, 2, 9000, {of_case} FROM cases "
            "WHERE id = (SELECT min(id) FROM cases WHERE kind = 'clean')",
        ):
            connection.exec_driver_sql(statement)
        facets.refresh(connection, Scope(1, 2))
    return create_app(made)


@pytest.mark.parametrize(
    ("pathname", "search", "dataset", "cases"),
    [
        ("/", "", "other-images", 1),  # of the newest case
        ("/", "?network=1", "cifar10", 8),
        ("/", "?network=1&dataset=2", "other-images", 1),
        ("/", "?dataset=1", "cifar10", 8),
        ("/case/1", "", "cifar10", 8),
        ("/case/900", "", "other-images", 1),
        ("/case/1", "?network=1&dataset=2", "cifar10", 8),  # as one comes from the other one's list
        ("/detectors", "", "cifar10", 8),  # which alone was evaluated
    ],
)
def test_the_header_names_the_network_and_the_data_set_that_the_page_is_about(
    twice, pathname, search, dataset, cases
):
    said = " ".join(text_of(routed(twice, pathname, search)[ids.FACTS]["children"]).split())
    assert f"Dataset {dataset}" in said
    assert f"Cases {cases}" in said


@pytest.mark.parametrize(
    ("pathname", "leads_to"),
    [("/", "/"), ("/detectors", "/detectors"), ("/case/1", "/"), ("/nowhere", "/")],
)
def test_the_header_leads_to_the_same_page_of_every_network_and_data_set(twice, pathname, leads_to):
    menu = routed(twice, pathname)[ids.FACTS]["children"]["props"]["data-html"]
    for dataset in (1, 2):
        assert f'href="{leads_to}?network=1&amp;dataset={dataset}"' in menu
    assert menu.count('aria-current="true"') == 1
    assert "data-narrows" not in menu  # two are seen at a glance


def test_links_to_other_pages_keep_the_network_and_the_data_set(twice):
    for pathname, search, dataset in (("/", "", 2), ("/", "?dataset=1", 1), ("/case/1", "", 1)):
        links = routed(twice, pathname, search)[ids.NAV]["children"]
        hrefs = [one["props"]["children"]["props"]["href"] for one in links]
        assert len(hrefs) > 1
        assert all(href.endswith(f"?network=1&dataset={dataset}") for href in hrefs)


def test_a_case_of_another_network_or_data_set_leads_back_to_its_own_list(twice):
    page = json.dumps(routed(twice, "/case/1")[ids.PAGE]["children"])
    assert '"href": "/?network=1&dataset=1"' in page
    assert "not in this list" not in page
    own = json.dumps(routed(twice, "/case/900")[ids.PAGE]["children"])  # the default one's
    assert '"href": "/"' in own


def test_where_there_is_nothing_to_choose_the_header_has_no_menu(app):
    answer = routed(app, "/")
    facts = answer[ids.FACTS]["children"]["props"]["data-html"]
    assert "<details" not in facts
    assert "cifar10-cnn" in facts
    assert not any("?" in one["props"]["children"]["props"]["href"] for one in answer[ids.NAV]["children"])


def test_many_networks_are_searched_by_name(twice):
    option = db.read.NetworkOption(1, 1, "net", "images", 0.5)
    options = tuple(option._replace(id=i, name=f"net-{i}") for i in range(1, 51))
    overview = db.read.Overview("net-3", 0.5, "images", 12)
    drawn = scope_menu(db.read.Header(overview, options[2].scope, options), "/")
    html = drawn.to_plotly_json()["props"]["data-html"]
    assert "data-narrows" in html
    assert "Find among 50" in html
    assert html.count('class="scope row"') == 50
    assert html.split('aria-current="true"')[1].split("</a>")[0].count("net-3")


def test_what_was_not_evaluated_yet_is_named_on_the_detectors_page(twice):
    words = text_of(routed(twice, "/detectors", "?network=1&dataset=2")[ids.PAGE]["children"])
    assert "No evaluation yet" in words
    assert "cifar10-cnn on other-images has no evaluated detector" in words


def test_where_there_are_several_data_sets_a_case_says_which(twice):
    assert "cifar10-cnn on cifar10 #1" in text_of(routed(twice, "/case/1")[ids.PAGE]["children"])
