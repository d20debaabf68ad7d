"""The same rows in SQLite and in PostgreSQL, through the same code: every question has the same answer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from db import annotations, engine, facets, migrate, saved_views, schema
from db.commands import sql, transfer, upkeep
from db.runs import chunks
from db.scope import Scope
from tests.support import database, postgres_server
from tests.support.postgres_questions import QUESTIONS, plain, rows

pytestmark = pytest.mark.postgresql
ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "sql.md"
NOW = "2026-01-31T12:00:00Z"
TAGS = ((9, "sky"), (9, "odd"), (3, "odd"), (4, "odd-2"), (5, "odd 1"), (6, "été"), (7, "_x"), (8, "zoo"))
VIEWS = (("b", "?kind=clean"), ("B", ""), ("a view", "?find=1"), ("É", "?find=2"))


@pytest.fixture(scope="module")
def both(postgres, tmp_path_factory):
    """SQLite and PostgreSQL with the same rows, to be read."""
    addresses = (
        str(tmp_path_factory.mktemp("postgres") / "xpixels.db"),
        postgres_server.make(postgres, "both"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "now", lambda: NOW)
        for address in addresses:
            made = engine.create(address)
            migrate.upgrade(made)
            database.fill(made, per_group=4, references=60)
            chunks.publish(made, [chunks.Chunk(1, "sweep", {"items": [[3, [None]]]}, 1)])
            with engine.writing(made) as connection:
                for case, tag in TAGS:
                    annotations.add_tag(connection, case, tag)
                annotations.set_note(connection, 9, 'Two Lines,\n"quoted" 100 %')
                annotations.set_verdict(connection, 9, "unclear")
                for name, search in VIEWS:
                    saved_views.save_view(connection, name, search)
            made.dispose()
    opened = [engine.create(address, read_only=True) for address in addresses]
    yield opened
    for one in opened:
        one.dispose()


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_answer_alike(both, question):
    lite, post = (list(QUESTIONS[question](one)) for one in both)
    assert len(lite) == len(post)
    for mine, theirs in zip(lite, post, strict=True):
        assert plain(theirs) == plain(mine)


@pytest.mark.parametrize(
    "name", [*sorted(set(schema.metadata.tables) - {"database_identity"}), *schema.views.tables]
)
def test_a_table_or_view_is_the_same_in_both(both, name):
    table = schema.metadata.tables.get(name, schema.views.tables.get(name))
    lite, post = (rows(one, table) for one in both)
    assert post == lite
    assert [tuple(map(type, row)) for row in post] == [tuple(map(type, row)) for row in lite]
    assert lite


def examples() -> dict[str, str]:
    """The queries of docs/sql.md by the line above each."""
    return dict(
        re.findall(r"^([^\n]+):\n\n```sql\n(.*?)\n```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    )


# So that every example has rows: attacks that no layer sees, a network that is wrong among its neighbors,
# and sweeps of what evolution attacked.
FOR_EXAMPLES = (
    """UPDATE decisions SET unexpected_count = 0, alarm = FALSE, outcome = 'FN', recovered_class = NULL
        WHERE case_id IN (SELECT id FROM cases WHERE kind = 'adversarial')""",
    "UPDATE cases SET predicted_class = (predicted_class + 5) % 10 WHERE kind = 'clean'",
    """INSERT INTO attacks (run_id, network_id, sample_id, method, target_class, pixel_count, population,
            budget, seed, succeeded, queries, generations, seconds, predicted_class, variant, margin)
        SELECT run_id, network_id, sample_id, 'corner-sweep', target_class, pixel_count, population,
            budget, seed + 1, id % 3 <> 0, queries, generations, seconds, predicted_class, 'corners', margin
        FROM attacks WHERE method = 'differential-evolution'""",
)


@pytest.fixture(scope="module")
def copied(postgres, tmp_path_factory):
    """SQLite, and PostgreSQL that was copied from it, with rows for every example."""
    lite = engine.create(tmp_path_factory.mktemp("examples") / "xpixels.db")
    migrate.upgrade(lite)
    database.fill(lite, per_group=4, references=60)
    with engine.writing(lite) as connection:
        for statement in FOR_EXAMPLES:
            connection.execute(text(statement))
        facets.refresh(connection, Scope(1, 1))
        annotations.set_verdict(connection, 9, "unclear")
    post = engine.create(postgres_server.make(postgres, "examples"))
    transfer.transfer(lite, post)
    yield lite, post
    lite.dispose()
    post.dispose()


def test_the_server_tells_the_room_of_every_table_too(both):
    lite, post = (upkeep.info(one) for one in both)
    assert set(post.sizes) == set(lite.sizes) == set(schema.metadata.tables)
    assert post.sizes["reference_activations"] > 60 * 2 * 1000
    assert post.sizes["reference_activations"] < post.size
    assert set(post.room) == set(lite.room) == {"cases", "reference_samples"}


@pytest.mark.parametrize("title", examples())
def test_an_example_query_has_the_same_rows_in_the_same_order(copied, title):
    lite, post = (sql.run(one, examples()[title]) for one in copied)
    assert post.columns == lite.columns
    assert len(post.rows) == len(lite.rows) > 0
    assert sql.as_csv(post) == sql.as_csv(lite)
    assert sql.as_json(post) == sql.as_json(lite)


def dialects() -> list[tuple[str, bool]]:
    """The statements of the table in docs/sql.md, each with whether it works on both databases."""
    section = DOCUMENT.read_text("utf-8").split("## The same on both databases")[1].split("\n#")[0]
    rows = [re.split(r"(?<!\\)\|", line)[2:4] for line in section.splitlines() if line.startswith("|")][2:]
    found = [(re.findall(r"`(.*?)`", cell), i == 0) for row in rows for i, cell in enumerate(row)]
    return [(one.replace("\\|", "|"), works) for statements, works in found for one in statements]


def answered(one, statement) -> list[str] | str:
    """The rows, or how they were refused."""
    try:
        rows = list(map(repr, sql.run(one, statement).rows))  # in which 3 is not 3.0
    except sql.StatementError as refusal:
        return str(refusal)
    return rows if "ORDER BY" in statement else sorted(rows)


@pytest.mark.parametrize(("statement", "works"), dialects())
def test_what_the_document_says_of_both_databases_is_so(copied, statement, works):
    answers = [answered(one, statement) for one in copied]
    if works:
        assert answers[0] == answers[1]
        assert answers[0]
        assert isinstance(answers[0], list)
    else:
        assert answers[0] != answers[1]
        refusals = [one for one in answers if isinstance(one, str)]
        assert [one for one in refusals if "; works on both databases: " not in one] == []


def test_the_document_says_much_of_both_databases():
    assert sum(works for _, works in dialects()) == 18


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM cases) AS counted", 16),
        ("SELECT AVG(label) FROM samples WHERE id IN (1, 2, 3, 4)", 1.5),
        ("SELECT SUM(0.25) FROM cases WHERE id < 3", 0.5),
        ("SELECT COUNT(*) FROM annotations WHERE body LIKE '%100 %'", 1),
    ],
    ids=["sum", "mean", "fraction", "percent"],
)
def test_numbers_are_numbers_and_a_percent_sign_is_one(both, statement, answer):
    for one in both:
        ((found,),) = sql.run(one, statement).rows
        assert (found, type(found)) == (answer, type(answer))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM annotations RETURNING id",
        "WITH gone AS (DELETE FROM annotations RETURNING id) SELECT * FROM gone",
        "COMMIT; DELETE FROM annotations; SELECT 1",
        "ROLLBACK; BEGIN READ WRITE; DELETE FROM annotations; COMMIT; SELECT 1",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('cases_id_seq')",
        "CREATE TABLE more (id INTEGER)",
        "DO $$ BEGIN DELETE FROM annotations; END $$",
        "COPY annotations FROM PROGRAM 'echo'",
    ],
    ids=["delete", "with", "after commit", "anew", "set", "config", "sequence", "create", "do", "copy"],
)
def test_a_statement_writes_nothing(both, statement):
    _, post = both
    writable = engine.create(post.url.render_as_string())  # refused whatever the engine may do
    for one in (post, writable):
        with pytest.raises(sql.StatementError):
            sql.run(one, statement)
        assert sql.run(one, "SELECT COUNT(*) FROM annotations").rows == [(len(TAGS) + 2,)]
    writable.dispose()


def test_a_statement_is_stopped_by_its_time_and_told_as_on_sqlite(both):
    _, post = both
    with pytest.raises(sql.StatementError, match=r"^Stopped after 0\.1 seconds: --timeout SECONDS gives"):
        sql.run(post, "SELECT pg_sleep(60)", seconds=0.1)
    assert sql.run(post, "SELECT 1", seconds=5).rows == [(1,)]


def test_nothing_is_written_through_a_read_only_engine(both):
    _, post = both
    with post.connect() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
        connection.execute(text("DELETE FROM annotations"))


def test_upgrades_at_once_wait_for_one_another(postgres):
    address = postgres_server.make(postgres, "upgraded")
    made = engine.create(address)
    program = "import sys; from db import engine, migrate; migrate.upgrade(engine.create(sys.argv[1]))"
    with engine.writing(made) as connection:
        engine.lock_upgrades(connection)
        several = [subprocess.Popen([sys.executable, "-c", program, address], cwd=ROOT) for _ in range(2)]
        waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while connection.exec_driver_sql(waiting).scalar() < 2:
            assert [process.poll() for process in several] == [None, None]
    assert [process.wait() for process in several] == [0, 0]
    assert migrate.current(made) == migrate.head()
    made.dispose()


def test_migrations_go_up_to_the_schema_and_down_to_nothing(postgres):
    made = engine.create(postgres_server.make(postgres, "migrated"))
    with pytest.raises(migrate.RevisionError, match="is empty"):
        migrate.require_current(made)
    assert migrate.upgrade(made) == (None, migrate.head())
    migrate.require_current(made)
    with made.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert set(inspect(connection).get_view_names()) == set(schema.views.tables)
    migrate.downgrade(made, "base")
    with made.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert inspect(connection).get_view_names() == []
    assert migrate.current(made) is None
    made.dispose()


def test_care_takes_a_server_as_it_is(both, tmp_path):
    _, post = both
    info = upkeep.info(post)
    assert info.size > 1e6
    assert str(info).splitlines()[0].endswith(" MB")
    with pytest.raises(ValueError, match="xpixels db copy"):
        upkeep.backup(post, tmp_path / "copy.db")


def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"psycopg.*extra `postgresql`.*\.\[postgresql\]"):
        engine.create("postgresql://localhost/xpixels")
