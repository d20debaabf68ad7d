"""What people say of a case: kept once each, in one form, or refused in one line."""

import json
import re

import pytest
from sqlalchemy import insert, select

import db.engine
import db.migrate
import db.read
from dashapp import ids
from dashapp.app import create_app
from db import annotations, schema
from db.engine import writing
from tests.support import database

CASE, OTHER = 34, 35


@pytest.fixture(scope="module")
def cases(fresh):
    engine = fresh()
    database.fill(engine, per_group=10, references=50, evidence=False)
    return engine


@pytest.fixture
def engine(cases):
    yield cases
    with writing(cases) as connection:
        connection.execute(schema.annotations.delete())


def test_a_case_has_one_verdict_one_note_and_each_tag_once(engine):
    with writing(engine) as connection:
        annotations.set_verdict(connection, CASE, "unclear")
        annotations.set_verdict(connection, CASE, "real attack")
        assert annotations.add_tag(connection, CASE, "  Odd   Color ") == "odd color"
        annotations.add_tag(connection, CASE, "odd color")
        annotations.add_tag(connection, CASE, "night")
        annotations.add_tag(connection, OTHER, "night")
        annotations.set_note(connection, CASE, "first")
        annotations.set_note(connection, CASE, " <b>second</b>\r\nline ")
    said = db.read.case_annotations(engine, CASE)
    assert said[:3] == ("real attack", ("night", "odd color"), "<b>second</b>\nline")
    assert db.read.tag_counts(engine) == (("night", 2), ("odd color", 1))
    with engine.connect() as connection:
        assert len(connection.execute(select(schema.annotations)).all()) == 5

    with writing(engine) as connection:
        annotations.set_verdict(connection, CASE, None)
        annotations.remove_tag(connection, CASE, "NIGHT")
        annotations.set_note(connection, CASE, " \n ")
    assert db.read.case_annotations(engine, CASE) == (None, ("odd color",), "", None)
    assert db.read.case_annotations(engine, OTHER).tags == ("night",)


def test_saving_the_same_again_keeps_its_time_and_an_older_doublet_goes(engine):
    old = {"case_id": CASE, "created_at": "2020-01-31T12:00:00Z"}
    rows = [("note", "same"), ("tag", "twice"), ("tag", "twice")]
    with writing(engine) as connection:
        connection.execute(insert(schema.annotations), [old | {"kind": k, "body": b} for k, b in rows])
        annotations.set_note(connection, CASE, "same")
        annotations.add_tag(connection, CASE, "twice")
        assert len(connection.execute(select(schema.annotations)).all()) == 2
    assert db.read.case_annotations(engine, CASE).note_at == "2020-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: annotations.set_verdict(c, CASE, "fine"), ("'fine'", "looks fine")),
        (lambda c: annotations.add_tag(c, CASE, "a,b"), ("'a,b'", "','", "- _ .")),
        (lambda c: annotations.add_tag(c, CASE, "a\x07"), (r"'\x07'",)),
        (lambda c: annotations.add_tag(c, CASE, " "), ("empty",)),
        (lambda c: annotations.add_tag(c, CASE, 41 * "x"), ("41", "40")),
        (lambda c: annotations.set_note(c, CASE, 4001 * "x"), ("4,001", "4,000")),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_what_was_expected(engine, change, words):
    with pytest.raises(ValueError, match="expected") as raised, writing(engine) as connection:
        change(connection)
    line = str(raised.value)
    assert "\n" not in line
    assert all(word in line for word in words)


def test_a_case_that_is_not_there_cannot_be_annotated(engine):
    with pytest.raises(LookupError, match="No case 999"), writing(engine) as connection:
        annotations.set_verdict(connection, 999, "unclear")


def judged(app, verdict):
    """What the app answers when a verdict's button is clicked."""
    buttons = [ids.case_verdict(CASE, one) for one in annotations.VERDICTS]
    wild = '{"case":["MATCH"],"type":"case-verdict","verdict":["ALL"]}.aria-pressed'
    state = '{"case":["MATCH"],"part":"verdict-state","type":"case-notes"}.children'
    response = app.server.test_client().post(
        "/_dash-update-component",
        json={
            "output": f"..{wild}...{state}..",
            "outputs": [
                [{"id": one, "property": "aria-pressed"} for one in buttons],
                {"id": ids.case_notes(CASE, "verdict-state"), "property": "children"},
            ],
            "inputs": [
                [
                    {"id": one, "property": "n_clicks", "value": int(one["verdict"] == verdict)}
                    for one in buttons
                ]
            ],
            "changedPropIds": [
                f"{json.dumps(ids.case_verdict(CASE, verdict), separators=(',', ':'))}.n_clicks"
            ],
        },
    )
    assert response.status_code == 200, response.data
    return response.json["response"]


def test_a_database_that_cannot_be_written_is_told_in_one_line(engine):
    reader = db.engine.create(db.migrate.name(engine), read_only=True)
    (problem,) = [
        value["children"]
        for value in judged(create_app(reader, writer=reader), "unclear").values()
        if "children" in value
    ]
    assert re.match(r"Not saved: the database (cannot be written|is read-only): ", problem)
    assert "\n" not in problem
    assert db.read.case_annotations(engine, CASE).verdict is None

    answer = judged(create_app(reader, writer=engine), "unclear")
    assert sorted(value.get("aria-pressed", "") for value in answer.values()) == ["", *4 * ["false"], "true"]
    assert db.read.case_annotations(engine, CASE).verdict == "unclear"
    reader.dispose()
