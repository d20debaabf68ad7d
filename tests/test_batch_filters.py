"""The list is filtered by batch, seed and number of pixels, and pages name the batch of a case."""

import pytest
from sqlalchemy import insert, select, text, update
from test_app import routed, text_of

import db.read
from dashapp import ids
from dashapp.app import create_app
from db import engine as engines
from db import facets, schema
from db.scope import Scope
from tests.support import database as synthetic

SECOND = {
    "id": 2,
    "network_id": 1,
    "dataset_id": 1,
    "name": "three pixels, <b>again</b>",
    "method": "corner-sweep",
    "pixel_count": 3,
}
SECOND |= {"seed": 7, "parameters": {}, "created_at": "2026-01-31T12:00:00Z"}


@pytest.fixture(scope="module")
def made(fresh):
    """Two batches: to the second belong the cases with even numbers, whose attacks changed three pixels."""
    made = fresh()
    synthetic.fill(made, per_group=4, references=60)
    cases, attacks = schema.cases.c, schema.attacks.c
    with engines.writing(made) as connection:
        connection.execute(insert(schema.batches), SECOND)
        run = dict(connection.execute(select(schema.runs).where(schema.runs.c.id == 1)).one()._mapping)
        connection.execute(insert(schema.runs), run | {"id": 50, "batch_id": 2})
        connection.execute(update(schema.cases).where(cases.id % 2 == 0).values(run_id=50))
        of_second = select(cases.attack_id).where(cases.run_id == 50, cases.attack_id.is_not(None))
        connection.execute(update(schema.attacks).where(attacks.id.in_(of_second)).values(pixel_count=3))
        facets.refresh(connection, Scope(1, 1))
    yield made
    made.dispose()


def listed(made, search):
    return db.read.list_cases(made, *db.read.case_query(made, search))


@pytest.mark.parametrize("more", ["", "&queries=0..999999", "&kind=adversarial"])
@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ("batch=1", lambda row: row.batch == "batch 1"),
        ("batch=2", lambda row: row.seed == 7),
        ("seed=7", lambda row: row.case_id % 2 == 0),
        ("seed=0&seed=7", lambda row: True),
        ("pixels=3", lambda row: row.pixel_count == 3),
        ("batch=1&pixels=3", lambda row: False),
    ],
)
def test_a_list_has_the_cases_of_the_batch_seed_or_number_of_pixels(made, filters, holds, more):
    with made.connect() as connection:
        rows = connection.execute(text("SELECT * FROM case_overview")).all()
    wanted = [row.case_id for row in rows if holds(row) and (not more or row.kind == "adversarial")]
    found = listed(made, f"?partition=all&{filters}{more}")
    assert [row.id for row in found.rows] == sorted(wanted)
    assert found.total == len(wanted)


@pytest.mark.parametrize(
    "search", ["?partition=all", "?partition=all&queries=0..999999", "?batch=2&kind=clean"]
)
def test_the_counts_beside_the_values_are_those_of_the_lists(made, search):
    query, options = db.read.case_query(made, search)
    for name in ("batch", "seed", "pixels"):
        counts = listed(made, search).facets[name]
        assert set(counts) == set(options.values()[name])
        for value, count in counts.items():
            assert db.read.list_cases(made, query.only(name, value), options).total == count, (name, value)


@pytest.mark.parametrize("search", ["?batch=3", "?batch=two", "?seed=1", "?pixels=2", "?pixels="])
def test_a_value_that_no_case_has_is_refused_with_the_choices(made, search):
    with pytest.raises(db.read.QueryError):
        db.read.case_query(made, search)


def test_pages_name_batches_and_lead_to_their_cases(made):
    app = create_app(made)
    page = routed(app, "/", "?partition=all&batch=2")[ids.PAGE]["children"]
    assert SECOND["name"] in text_of(page)
    assert "3 pixels" in text_of(routed(app, "/", "?partition=all")[ids.PAGE]["children"])
    case = routed(app, "/case/2")[ids.PAGE]["children"]
    (link,) = links(case, f"batch {SECOND['name']}")
    assert db.read.case_query(made, link.partition("?")[2])[0].filters == {"batch": ("2",)}


def test_an_image_that_was_checked_is_of_no_batch(made):
    with engines.writing(made) as connection:
        run_id = connection.scalar(select(schema.cases.c.run_id).where(schema.cases.c.id == 1))
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(batch_id=None))
        facets.refresh(connection, Scope(1, 1))
    assert db.read.case_detail(made, 1).batch is None
    assert listed(made, "?partition=all").facets["batch"].keys() == {"2"}


def links(component, words):
    """The addresses of the links with these words in a page as JSON."""
    if isinstance(component, list):
        return [found for one in component for found in links(one, words)]
    if not isinstance(component, dict):
        return []
    props = component.get("props", {})
    own = [props["href"]] if "href" in props and text_of(component) == words else []
    return own + links(props.get("children"), words)
