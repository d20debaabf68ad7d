"""`xpixels export` gives the same bytes from SQLite and from PostgreSQL.

Every table and view, and in every form every type of column.
"""

import csv
import io
import json
import shutil
from datetime import time
from itertools import pairwise

import pytest
from sqlalchemy import text, update

import xpixels
from db import annotations, engine, facets, migrate, saved_views, schema
from db.commands import sql, transfer
from db.forms import FORMS
from db.runs import chunks
from db.scope import Scope
from tests.support import database, postgres_server

pytestmark = pytest.mark.postgresql
NOW = "2026-01-31T12:00:00Z"
# Of the database alone, or numbered as each database counts.
OWN = {"copied": {"database_identity"}, "written": {"database_identity", "facet_cells"}}
NAMES = sorted([*schema.metadata.tables, *schema.views.tables])
TAGS = ((9, "sky"), (9, "odd"), (3, "odd-2"), (4, "odd 1"), (5, "Odd"), (6, "été"), (7, "_x"), (8, "zoo"))
VIEWS = (("b", "?kind=clean"), ("B", ""), ("a view", "?find=1"), ("É", "?find=2"))
NOTE = 'Two Lines,\n"quoted" 100 %\r\n\ttab \\N =1+1'
# JSON as somebody wrote it: its spaces, its order, its numbers and a key twice.
BY_HAND = '{"b" :[1,{"é":"ü\\u00fc","a":null}],  "a":1.50, "z":true, "a":1e2, "deep":{"y":[[],{}]}}'
HARD = (
    "UPDATE cases SET confidence = 1e-17 WHERE id = 3",
    "UPDATE originals SET margin = 0.30000000000000004 WHERE case_id = (SELECT MIN(case_id) FROM originals)",
    "UPDATE runs SET seconds = 1e22, message = '' WHERE id = 1",
    "UPDATE attacks SET margin = -0.0",
    "UPDATE samples SET name = 'Ärger, \"zwei\".png' WHERE id = 2",
    "UPDATE layers SET name = 'Logits' WHERE name = 'logits'",  # another place in another alphabet
    "DELETE FROM tuning_points WHERE k > 1",  # which are many, and all alike
)
# The tables of these rows, and of those that `fill` adds.
HARD_TABLES = {"annotations", "attacks", "cases", "chunks", "layers", "networks", "originals"}
HARD_TABLES |= {"runs", "samples", "saved_views"}


def forms_of_tables() -> dict[str, list[str]]:
    """The forms to try a table or view in: JSON, and another one in turn.

    Also those that no table before had one of its types of columns in; of hard values, every form.
    """
    others = sorted(FORMS.keys() - {"json"})
    tried, chosen = set(), {}
    for place, name in enumerate(NAMES):
        kinds = {(str(column.type), column.nullable) for column in columns_of(name)}
        chosen[name] = ["json"]
        for form in others:
            new = {(form, kind) for kind in kinds} - tried
            if new or name in HARD_TABLES or form == others[place % len(others)]:
                tried |= new
                chosen[name].append(form)
    return chosen


def columns_of(name: str):
    return schema.metadata.tables.get(name, schema.views.tables.get(name)).columns


def fill(made) -> None:
    """Rows in every table, and values that have more than one form somewhere."""
    database.fill(made, per_group=4, references=60)
    chunks.publish(made, [chunks.Chunk(1, "sweep", {"items": [[3, [None]], {"é": 0.1}]}, 1)])
    with engine.writing(made) as connection:
        for case, tag in TAGS:
            annotations.add_tag(connection, case, tag)
        annotations.set_note(connection, 9, NOTE)
        annotations.set_verdict(connection, 9, "unclear")
        for name, search in VIEWS:
            saved_views.save_view(connection, name, search)
        nested = {"b": [1, {"é": "ü", "a": None}], "a": 1.5, "yes": True}
        connection.execute(update(schema.networks).values(description=nested))
        for statement in HARD:
            connection.execute(text(statement))
        facets.refresh(connection, Scope(1, 1))


@pytest.fixture(scope="module")
def lite(migrated_file, tmp_path_factory):
    """A SQLite file with these rows, to be copied."""
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("export") / "lite.db")
    made = engine.create(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "now", lambda: NOW)
        fill(made)
    made.dispose()
    return path


@pytest.fixture(scope="module", params=sorted(OWN))
def both(request, lite, postgres, tmp_path_factory):
    """Addresses of SQLite and PostgreSQL with the same rows, and whether they were copied or written anew."""
    addresses = (
        str(shutil.copy(lite, tmp_path_factory.mktemp("both") / "xpixels.db")),
        postgres_server.make(postgres, f"export_{request.param}"),
    )
    lite, post = map(engine.create, addresses)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "now", lambda: NOW)
        if request.param == "copied":
            with engine.writing(lite) as connection:
                connection.execute(text("UPDATE runs SET parameters = :json"), {"json": BY_HAND})
            transfer.transfer(lite, post)
        else:
            migrate.upgrade(post)
            fill(post)
    lite.dispose()
    post.dispose()
    return *addresses, request.param


def exported(address, name, form, folder) -> bytes:
    path = folder / f"{name}.{form}"
    assert xpixels.main(["export", name, "--output", str(path), "--force", "--database", address]) == 0
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_table_or_view_has_the_same_bytes_in_the_order_of_its_key(both, name, tmp_path):
    lite, post, how = both
    if name in OWN[how]:
        pytest.skip("each database has its own")
    # Written anew, the values are those that were copied: one form shows whether they were written alike.
    forms = forms_of_tables()[name] if how == "copied" else ["json"]
    files = {form: exported(lite, name, form, tmp_path) for form in forms}
    for form, mine in files.items():
        assert exported(post, name, form, tmp_path) == mine
    table = schema.metadata.tables.get(name, schema.views.tables.get(name))
    keys = [[by_bytes(row[one.name]) for one in schema.row_key(table)] for row in json.loads(files["json"])]
    assert keys
    assert all(one < other for one, other in pairwise(keys))  # and no two are the same


def by_bytes(value) -> tuple:
    return value is not None, value.encode() if isinstance(value, str) else value


def test_standard_output_and_a_limit_give_the_same_too(both, capsysbinary):
    lite, post, _ = both
    for name in ("annotations", "layer_decisions", "runs"):
        answers = []
        for address in (lite, post):
            assert xpixels.main(["export", name, "--limit", "3", "--json", "--database", address]) == 0
            answers.append(capsysbinary.readouterr().out)
        assert answers[0] == answers[1]
        assert len(json.loads(answers[0])) <= 3


def test_json_is_exported_as_it_is_stored(both, tmp_path):
    lite, post, how = both
    for address in (lite, post):
        (network,) = json.loads(exported(address, "networks", "json", tmp_path))
        stored = json.dumps({"b": [1, {"é": "ü", "a": None}], "a": 1.5, "yes": True})
        assert network["description"] == stored
        if how == "copied":
            assert {run["parameters"] for run in json.loads(exported(address, "runs", "json", tmp_path))} == {
                BY_HAND
            }


STATEMENTS = (
    "SELECT * FROM runs ORDER BY id",
    "SELECT id, compared, shape, NOT compared AS viewed, 1 = 1 AS yes, NULL AS empty FROM layers ORDER BY id",
    "SELECT kind, COUNT(*) AS n, SUM(id) AS total, AVG(confidence) AS mean FROM cases GROUP BY kind "
    "ORDER BY kind",
    "SELECT sha256, png FROM images ORDER BY id LIMIT 3",
    "SELECT auc, ROUND(CAST(auc AS NUMERIC), 3) AS short FROM operating_points "
    'WHERE auc IS NOT NULL ORDER BY layer_id, metric, rule, "partition", how_chosen LIMIT 5',
    "SELECT id FROM cases WHERE id < 0",
)


@pytest.mark.parametrize(
    "statement", STATEMENTS, ids=["json", "truth", "totals", "blobs", "rounded", "empty"]
)
def test_a_statement_that_both_take_has_the_same_bytes(both, statement, capsysbinary):
    for form in FORMS if both[2] == "copied" else ["json"]:
        answers = []
        for address in both[:2]:
            assert xpixels.main(["sql", statement, f"--{form}", "--database", address]) == 0
            answers.append(capsysbinary.readouterr().out)
        assert answers[0] == answers[1], form


# What only PostgreSQL has, in its own words: never what Python makes of it.
OF_POSTGRESQL = {
    "true": "1",
    "ARRAY[1, NULL, 3]": "{1,NULL,3}",
    "ARRAY['a b', 'c']": '{"a b",c}',
    "ARRAY[true, false]": "{t,f}",
    """CAST('{"b": 1, "a": [1, 2]}' AS JSONB)""": '{"a": [1, 2], "b": 1}',
    """CAST('{"b":1}' AS JSON)""": '{"b":1}',
    "CAST('2026-01-31 12:00:00+02' AS TIMESTAMPTZ)": "2026-01-31 10:00:00+00",
    "CAST('infinity' AS TIMESTAMP)": "infinity",
    "CAST('12026-01-31' AS DATE)": "12026-01-31",
    "CAST('1 day 02:00' AS INTERVAL)": "P1DT2H",
    "CAST('12:30' AS TIME)": "12:30:00",
    "CAST('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AS UUID)": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "CAST(1.50 AS NUMERIC)": "1.5",
    "CAST(12345678901234567890 AS NUMERIC)": "12345678901234567890",
    "CAST('NaN' AS NUMERIC)": "NaN",
    "CAST('-Infinity' AS DOUBLE PRECISION)": "-Infinity",
    "CAST(0.1 AS REAL)": "0.1",
    "ROW(1, 'a', NULL)": "(1,a,)",
    "int4range(1, 5)": "[1,5)",
    "CAST('10.0.0.1/8' AS INET)": "10.0.0.1/8",
    "CAST('pg_class' AS REGCLASS)": "pg_class",
    "B'101'": "101",
}


def test_each_type_of_postgresql_is_written_as_it_does_itself(both, capsys):
    asked = ", ".join(f"{expression} AS v{place}" for place, expression in enumerate(OF_POSTGRESQL))
    assert xpixels.main(["sql", f"SELECT {asked}", "--csv", "--database", both[1]]) == 0
    _, values = csv.reader(io.StringIO(capsys.readouterr().out))
    assert dict(zip(OF_POSTGRESQL, values, strict=True)) == OF_POSTGRESQL


def test_the_values_of_other_connections_are_as_they_were(both):
    made = engine.create(both[1])
    asked = text("SELECT true, ARRAY[1], CAST('[1]' AS JSON), CAST('12:30' AS TIME)")
    with made.connect() as connection:
        before = connection.execute(asked).one()
    assert sql.run(made, "SELECT true, ARRAY[1]").rows == [(1, "{1}")]
    with made.connect() as connection:  # the same one, of the pool
        assert connection.execute(asked).one() == before == (True, [1], [1], time(12, 30))
    made.dispose()


def test_the_settings_of_a_server_change_nothing(both, postgres, capsys):
    _, post, _ = both
    address = postgres_server.make(postgres, f"settings_{both[2]}", template=f"export_{both[2]}")
    changed = engine.create(address)
    with changed.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for setting in ("extra_float_digits = -5", "DateStyle = 'German'", "TimeZone = 'Asia/Tokyo'"):
            connection.exec_driver_sql(f"ALTER DATABASE settings_{both[2]} SET {setting}")
    changed.dispose()
    asked = "SELECT 0.1::float8 + 0.2::float8 AS a, CAST('2026-01-31T12:00:00Z' AS TIMESTAMPTZ) AS b"
    answers = []
    for one in (post, address):
        assert xpixels.main(["sql", asked, "--csv", "--database", one]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1] == "a,b\n0.30000000000000004,2026-01-31 12:00:00+00\n"
