"""Two networks side by side without a browser: counts, images, links, addresses."""

import re

import numpy as np
import pytest
from sqlalchemy import select
from test_app import routed, text_of
from test_networks_page import html_of, links

import db.read
from dashapp import ids
from dashapp.app import create_app
from db import schema
from db.read import QueryError, Table
from db.scope import Scope
from tests.support import database
from tests.support.two_networks import SECOND, add_second

FIRST = Scope(1, 1)
PAIR = "?network=1&dataset=1&other=2"


@pytest.fixture(scope="module")
def engine(fresh):
    engine = fresh()
    database.fill(engine, per_group=8, references=60)
    add_second(engine)
    return engine


@pytest.fixture(scope="module")
def app(engine):
    return create_app(engine, base_path="/pixels/")


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


def texts(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_right_answers_are_counted_on_common_images(connection):
    """Of 32 images the first is wrong on those at 6, 13, 20, 27, the second on those at 4, 9, ..., 29."""
    assert db.read.read_right_answers(connection, FIRST, SECOND) == Table(22, 6, 4, 0)
    assert db.read.read_right_answers(connection, SECOND, FIRST) == Table(22, 4, 6, 0)


def test_swept_images_are_counted_by_whom_one_pixel_fools(connection):
    pairs = db.read.read_swept_pairs(connection, FIRST, SECOND)
    maps = connection.execute(select(schema.vulnerability_maps)).all()
    positions = {(row.network_id, row.sample_id): row.vulnerable_positions for row in maps}
    both = [sample for network, sample in positions if network == 2]
    kinds = [(positions[1, sample] > 0, positions[2, sample] > 0) for sample in both]
    wanted = [kinds.count(one) for one in ((True, True), (True, False), (False, True), (False, False))]
    assert db.read.count_fallen(pairs) == Table(*wanted)
    assert all(wanted)
    assert sum(wanted) == len(pairs) == 22
    assert [pair.kind for pair in db.read.chosen_pairs(pairs, "both")] == ["both"] * wanted[0]
    differing = db.read.chosen_pairs(pairs, "differ")
    assert {pair.kind for pair in differing} <= {"first", "second"}
    apart = [abs(pair.first_positions - pair.second_positions) for pair in differing]
    assert apart == sorted(apart, reverse=True)


def test_maps_are_compared_position_by_position(connection):
    pairs = db.read.read_swept_pairs(connection, FIRST, SECOND)
    agreement = db.read.read_agreement(connection, pairs)
    rows = {row.id: row for row in connection.execute(select(schema.vulnerability_maps))}
    margins = {id_: np.frombuffer(row.margins, "<f2").astype(float) for id_, row in rows.items()}
    each = [np.corrcoef(margins[pair.first_map], margins[pair.second_map])[0, 1] for pair in pairs]
    assert agreement.correlation == pytest.approx(np.mean(each), abs=1e-4)
    assert agreement.compared == 22
    same = db.read.read_agreement(connection, [pair._replace(second_map=pair.first_map) for pair in pairs])
    assert same.correlation == pytest.approx(1)


def test_attacks_on_the_same_image_are_compared_by_class_and_place(connection):
    found = db.read.read_same_attacks(connection, FIRST, SECOND)
    assert sum(one.attacks for one in found) == 6
    assert all(one.same_class == one.attacks for one in found)
    assert all(one.near[1] == one.attacks >= one.near[0] for one in found)  # one row apart
    assert db.read.read_same_attacks(connection, FIRST, Scope(3, 1)) == []


def test_the_page_tells_all_of_it(app):
    html = html_of(app, PAIR, "/compare")
    said = texts(html)
    assert "cifar10-cnn beside second on cifar10" in said
    assert "Of 32 that both have predicted." in said
    assert "Of 22 images swept for both" in said
    assert "3 of 12, 3 as the same class" in said
    assert "not measured" in said  # the second one's attacks
    assert "Maps: correlation of margins" in said


def test_without_names_the_first_pair_is_shown_and_the_second_can_be_left_out(app):
    whole = html_of(app, PAIR, "/compare")
    assert html_of(app, "", "/compare") == html_of(app, "?network=1&dataset=1", "/compare") == whole
    assert "second beside cifar10-cnn" in texts(html_of(app, "?network=2", "/compare"))


@pytest.mark.sqlite("the pages that it leads to have tests on both")
def test_every_link_of_the_page_can_be_shown(app):
    for search in (PAIR, f"{PAIR}&show=all&page=2"):
        found = sorted(links(html_of(app, search, "/compare")))
        cases = [link for link in found if "/case/" in link]
        for link in [one for one in found if one not in cases[2:]]:  # those of cases are alike
            assert app.server.test_client().get(link).status_code == 200, link
            path, _, rest = link.partition("#")[0].partition("?")
            shown = text_of(routed(app, path, f"?{rest}" if rest else "")[ids.PAGE]["children"])
            assert "cannot be shown" not in shown, link
            assert "can be" not in shown, link  # as the page of a case says of values it does not know


def test_images_have_both_maps_and_lead_to_the_cases(app, connection):
    html = html_of(app, f"{PAIR}&show=all", "/compare")
    cards = re.findall(r'<li class="card compare-image">.*?</li>', html)
    assert len(cards) == 12  # of 22
    assert all(card.count("data:image/png") == 2 for card in cards)
    assert any("/case/" in card and "map=vulnerability" in card for card in cards)
    assert "1 of 2" in texts(html)
    rest = re.findall(r'<li class="card compare-image">', html_of(app, f"{PAIR}&show=all&page=2", "/compare"))
    assert len(rest) == 10


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("?network=1&other=1", "other network '1'"),
        ("?network=7", "network '7'"),
        ("?dataset=x", "data set 'x'"),
        (f"{PAIR}&show=some", "images 'some'"),
        (f"{PAIR}&page=0", "page '0'"),
        (f"{PAIR}&page=9", "page 9"),
        (f"{PAIR}&other=2", "two values of other"),
        ("?metric=cosine", "no filter 'metric'"),
    ],
)
def test_an_address_that_means_nothing_is_refused(app, connection, search, said):
    page = text_of(routed(app, "/pixels/compare", search)[ids.PAGE]["children"])
    assert said in page
    assert "Compare two networks" in page


def test_addresses_are_written_as_they_are_read(connection):
    for search in (PAIR, f"{PAIR}&show=both&page=2"):
        query = db.read.compare_query(connection, search)
        assert query.search() == search
    assert query.but(show="all").page == 1
    with pytest.raises(QueryError, match="not there to compare"):
        db.read.compare_query(connection, "?network=1&dataset=1&other=3")


def test_one_network_alone_has_nothing_to_compare_with(fresh):
    engine = fresh()
    database.fill(engine, per_group=2, references=50, evidence=False)
    page = routed(create_app(engine), "/compare", "?network=1&dataset=1")[ids.PAGE]["children"]
    assert "Nothing to compare yet" in text_of(page)
