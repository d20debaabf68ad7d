import csv
import io
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

import xpixels
from db import engine, migrate, schema
from db.commands import sql
from tests.support import small_database

DOCUMENT = Path(__file__).parents[1] / "docs" / "sql.md"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("sql") / "xpixels.db"
    writer = engine.create(path)
    migrate.upgrade(writer)
    with engine.writing(writer) as connection:
        small_database.fill(connection)
    writer.dispose()
    database = engine.create(path, read_only=True)
    yield database
    database.dispose()


def test_an_answer_has_columns_and_rows_of_plain_values(database):
    answer = sql.run(database, "SELECT id, kind, attack_id, confidence FROM cases WHERE id < 3;")
    assert answer.columns == ["id", "kind", "attack_id", "confidence"]
    assert answer.rows == [(1, "adversarial", 1, 0.75), (2, "clean", None, 0.75)]
    assert not answer.cut


@pytest.mark.parametrize(
    ("limit", "rows", "cut"), [(None, 4, False), (4, 4, False), (3, 3, True), (9, 4, False)]
)
def test_a_limit_cuts_and_says_so(database, limit, rows, cut):
    answer = sql.run(database, "SELECT * FROM cases", limit=limit)
    assert (len(answer.rows), answer.cut) == (rows, cut)


def test_a_limit_ends_an_endless_answer(database):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert sql.run(database, endless, limit=2).rows == [(1,), (2,)]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(database, limit):
    with pytest.raises(ValueError, match=f"limit is {limit}"):
        sql.run(database, "SELECT 1", limit=limit)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name, value FROM layers, json_each(layers.shape)",
        "VALUES (1), (2)",
        "PRAGMA table_info(cases)",
        "SELECT name FROM pragma_table_info('cases')",
        "EXPLAIN QUERY PLAN SELECT * FROM case_overview",
        "-- a comment\nSELECT '50 %', 'a:b', ';' /* more */",
    ],
)
def test_statements_that_read_are_answered(database, statement):
    assert sql.run(database, statement).rows


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM cases",
        "INSERT INTO annotations VALUES (1, 1, 'note', 'x', 't')",
        "UPDATE sqlite_master SET sql = ''",
        "DROP VIEW case_overview",
        "CREATE TEMP TABLE t (a)",
        "ATTACH '{folder}/other.db' AS other",
        "ATTACH 'file:{folder}/other.db?mode=rwc' AS other",
        "VACUUM INTO '{folder}/other.db'",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "COMMIT",
        "SELECT load_extension('x')",
    ],
)
def test_statements_that_would_write_are_refused_in_one_line(database, tmp_path, statement):
    before = engine.file(database).read_bytes()
    with pytest.raises(sql.StatementError) as caught:
        sql.run(database, statement.format(folder=tmp_path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert engine.file(database).read_bytes() == before
    assert sql.run(database, "SELECT COUNT(*) FROM cases").rows == [(4,)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT * FROM nowhere", "There is no table or view nowhere"),
        ("SELECT color FROM cases", "no such column: color"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT ?", "has a parameter"),
        ("", "No statement"),
        (" ;\n", "No statement"),
        ("-- nothing", "no rows"),
    ],
)
def test_a_mistake_is_told_in_the_databases_words(database, statement, message):
    with pytest.raises(sql.StatementError, match=message) as caught:
        sql.run(database, statement)
    assert "\n" not in str(caught.value)


@pytest.fixture
def ctrl_c():
    """Python's own answer to SIGINT, which a job that a script put in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_a_long_statement(database):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        sql.run(database, endless)
    assert sql.run(database, "SELECT 1").rows == [(1,)]


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT (i + 1) % 1000000007 FROM n) SELECT COUNT(*) FROM n",
    "SELECT COUNT(*) FROM cases a, cases b, cases c, neighbors d, neighbors e, neighbors f, neighbors g, "
    "neighbors h, neighbors i, neighbors j, neighbors k, neighbors l WHERE a.id + d.rank > l.rank",
)


@pytest.mark.parametrize("statement", ENDLESS, ids=["max", "rows", "none", "distinct", "product"])
def test_a_statement_without_end_is_stopped_by_its_time(database, statement):
    began = time.monotonic()
    with pytest.raises(sql.StatementError, match=r"^Stopped after 0\.1 seconds: --timeout SECONDS gives"):
        sql.run(database, statement, seconds=0.1)
    assert time.monotonic() - began < 5
    assert sql.run(database, "SELECT 1", seconds=5).rows == [(1,)]  # the connection is good for the next


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")], ids=["none", "negative", "nan"])
def test_no_time_at_all_is_refused(database, seconds):
    with pytest.raises(ValueError, match="expected more than 0"):
        sql.run(database, "SELECT 1", seconds=seconds)


def test_the_command_stops_a_statement_by_its_time(database, capsys):
    path = str(engine.file(database))
    assert xpixels.main(["sql", ENDLESS[0], "--timeout", "0.1", "--database", path]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("Stopped after 0.1 seconds: --timeout SECONDS gives a statement more.\n")
    assert told.err.count("\n") == 1
    assert xpixels.parser().parse_args(["sql", "SELECT 1"]).timeout == 60
    assert xpixels.main(["sql", "SELECT 7", "--timeout", "inf", "--database", path]) == 0


# ---- Shapes of an answer -------------------------------------------------------------------------

ANSWER = sql.Answer(
    ["id", "name", "share", "data"],
    [(1, "a", 1 / 3, b"\x00\xff"), (20, None, None, b""), (300, "b\nc", 2.0, None)],
    False,
)


def test_a_table_is_aligned_with_null_and_blobs_named():
    assert sql.as_table(ANSWER).splitlines() == [
        " id  name     share  data",
        "---  ----  --------  --------------",
        "  1  a     0.333333  <blob 2 bytes>",
        " 20  NULL      NULL  <blob 0 bytes>",
        "300  b c          2  NULL",
    ]


def test_a_table_cuts_long_texts_but_shows_a_digest_whole():
    digest, long = "0" * 64, "1" * 65
    lines = sql.as_table(sql.Answer(["a"], [(digest,), (long,)], False)).splitlines()
    assert lines[2:] == [digest, "1" * 63 + "…"]


def test_a_table_wider_than_the_line_is_shown_upright():
    assert sql.as_table(sql.Answer(["id", "name"], [(1, "abc"), (2, None)], False), width=6).splitlines() == [
        "id    1",
        "name  abc",
        "",
        "id    2",
        "name  NULL",
    ]


def test_an_answer_without_rows_is_a_table_of_headers():
    assert sql.as_table(sql.Answer(["id", "name"], [], False)).splitlines() == ["id  name", "--  ----"]


def test_csv_is_exact():
    text = sql.as_csv(ANSWER)
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "name", "share", "data"],
        ["1", "a", repr(1 / 3), "AP8="],
        ["20", "", "", ""],
        ["300", "b\nc", "2.0", ""],
    ]


def test_json_is_exact():
    assert json.loads(sql.as_json(ANSWER)) == [
        {"id": 1, "name": "a", "share": 1 / 3, "data": {"$base64": True, "encoded": "AP8="}},
        {"id": 20, "name": None, "share": None, "data": {"$base64": True, "encoded": ""}},
        {"id": 300, "name": "b\nc", "share": 2.0, "data": None},
    ]
    assert json.loads(sql.as_json(sql.Answer(["a"], [], False))) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sql.Answer(["id", "id"], [(1, 2)], False), "Two columns are called id"),
        (sql.Answer(["a"], [(1.0,), (float("inf"),)], False), "infinite numbers: row 2"),
    ],
)
def test_what_json_cannot_say_is_told(answer, message):
    with pytest.raises(ValueError, match=message):
        sql.as_json(answer)


# ---- The example queries -------------------------------------------------------------------------


def examples() -> dict[str, str]:
    """The queries of docs/sql.md by the line above each."""
    return dict(
        re.findall(r"^([^\n]+):\n\n```sql\n(.*?)\n```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    )


@pytest.mark.parametrize("title", examples())
def test_an_example_query_runs(database, title):
    answer = sql.run(database, examples()[title])
    assert len(answer.columns) > 1
    assert sql.as_csv(answer).count("\n") == len(answer.rows) + 1


@pytest.mark.parametrize("title", examples())
def test_an_example_query_tells_networks_and_data_sets_apart(database, title):
    columns = set(sql.run(database, examples()[title], limit=1).columns)
    assert {"network_id", "dataset_id"} <= columns


def test_the_example_queries_show_every_view():
    assert len(examples()) == 22
    assert [name for name in schema.views.tables if name not in " ".join(examples().values())] == []
