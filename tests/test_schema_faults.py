"""What was dropped or changed by hand is named by `db check`, and `db upgrade` brings back what it can."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import Engine, insert, text

import xpixels
from db import engine as engines
from db import migrate, schema
from db.commands import upkeep
from db.soundness import schema_faults, schema_shape
from tests.support import small_database

INDEXES = {index.name: index for table in schema.metadata.sorted_tables for index in table.indexes}
VIEWS = sorted(schema.views.tables)
UPGRADE = "(run `xpixels db upgrade`, which restores it)"


@pytest.fixture
def database(fresh):
    """The small database."""
    made = fresh()
    with engines.writing(made) as connection:
        small_database.fill(connection)
    return made


@pytest.fixture(scope="module")
def empty(fresh):
    """A database without rows; a test that changes it changes it back."""
    return fresh()


@pytest.fixture(scope="module")
def wanted(empty):
    """What should be there, which on a server takes its time to find out."""
    return schema_shape.wanted_shape(empty)


@pytest.fixture
def faults(empty, wanted):
    """A function that tells the faults of the empty database, a line each."""

    def tell() -> list[str]:
        with empty.connect() as connection:
            return [str(fault) for fault in schema_faults.list_faults(connection, wanted)]

    return tell


@pytest.fixture
def restore(empty, wanted):
    """A function that restores what it can in the empty database; gives the names."""

    def restore() -> list[str]:
        with engines.writing(empty) as connection:
            found = schema_faults.list_faults(connection, wanted)
            return [fault.name for fault in schema_faults.restore(connection, found)]

    return restore


def run(database: Engine, *statements: str) -> None:
    with engines.writing(database) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def is_server(database: Engine) -> bool:
    return database.dialect.name == "postgresql"


def test_a_database_as_this_program_makes_it_has_no_faults(empty):
    assert schema_faults.find_faults(empty) == []
    assert migrate.restore(empty) == ([], [])


def test_every_view_that_is_gone_is_told_and_restored(empty, faults, restore):
    run(empty, *(f"DROP VIEW {name}" for name in VIEWS))
    assert sorted(faults()) == [f"view {name} is missing {UPGRADE}" for name in VIEWS]
    assert sorted(restore()) == VIEWS
    assert faults() == []


def test_every_index_that_is_gone_is_told_and_restored(empty, faults, restore):
    run(empty, *(f"DROP INDEX {name}" for name in INDEXES))
    told = [f"index {name} of {index.table.name} is missing {UPGRADE}" for name, index in INDEXES.items()]
    assert sorted(faults()) == sorted(told)
    assert sorted(restore()) == sorted(INDEXES)
    assert faults() == []


def test_a_single_view_or_index_that_is_gone_is_restored(empty, faults, restore):
    for kind, name in (("VIEW", VIEWS[0]), ("INDEX", "ix_cases_run_id")):
        run(empty, f"DROP {kind} {name}")
        assert restore() == [name]
        assert faults() == []


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("ix_cases_run_id", "CREATE INDEX ix_cases_run_id ON cases (kind)"),
        ("ix_cases_run_id", "CREATE UNIQUE INDEX ix_cases_run_id ON cases (run_id)"),
        ("ix_cases_run_id", "CREATE INDEX ix_cases_run_id ON cases (run_id) WHERE run_id > 1"),
        ("ix_cases_run_id", "CREATE INDEX ix_cases_run_id ON cases (run_id DESC)"),
        ("ix_cases_run_id", "CREATE INDEX ix_cases_run_id ON cases (run_id, id)"),
        ("ix_cases_run_id", "CREATE INDEX ix_cases_run_id ON attacks (run_id)"),
        (
            "ix_cases_network_id_dataset_id_partition_kind",
            "CREATE INDEX ix_cases_network_id_dataset_id_partition_kind "
            'ON cases (network_id, kind, "partition")',
        ),
        ("uq_attacks_untargeted", "CREATE INDEX uq_attacks_untargeted ON attacks (network_id, sample_id)"),
    ],
)
def test_an_index_that_is_another_one_is_told_with_both_and_restored(empty, faults, restore, name, statement):
    run(empty, f"DROP INDEX {name}", statement)
    (told,) = faults()
    assert told.startswith(f"index {name} is on ")
    assert f"expected {INDEXES[name].table.name} " in told
    restore()
    assert faults() == []


@pytest.mark.parametrize("name", ["hubs", "case_overview"])
def test_a_view_of_another_text_is_told_and_restored(empty, faults, restore, name):
    run(empty, f"DROP VIEW {name}", f"CREATE VIEW {name} AS SELECT id AS case_id FROM cases WHERE id > 3")
    assert faults() == [f"view {name} is not as this program makes it {UPGRADE}"]
    restore()
    assert faults() == []


def test_how_an_index_is_written_does_not_count(empty, faults):
    run(empty, "DROP INDEX ix_cases_run_id", 'create index "ix_cases_run_id" on "cases"("run_id") -- so')
    assert faults() == []


@pytest.mark.sqlite("a server keeps what a text means, and not the text")
def test_how_a_view_is_written_does_not_count(empty, faults):
    with empty.connect() as connection:
        query = "SELECT sql FROM sqlite_schema WHERE name = 'attack_positions'"
        definition = connection.exec_driver_sql(query).scalar()
    other = definition.replace("SELECT", "select").replace("\n", "   ").replace('"row"', "row")
    run(empty, "DROP VIEW attack_positions", other)
    assert other != definition
    assert faults() == []


def test_what_people_add_is_no_fault_and_stays(empty, faults, restore):
    run(
        empty,
        "CREATE TABLE mine (id INTEGER)",
        "CREATE INDEX my_index ON cases (confidence)",
        "CREATE INDEX my_other_index ON cases (lower(kind))",
        "ALTER TABLE cases ADD COLUMN remark TEXT",
        "ALTER TABLE cases ADD COLUMN weight INTEGER NOT NULL DEFAULT 1",
        "CREATE VIEW my_view AS SELECT case_id FROM case_overview",
        "DROP VIEW hubs",
    )
    assert faults() == [f"view hubs is missing {UPGRADE}"]
    restore()
    assert faults() == []
    run(empty, "SELECT case_id FROM my_view", "DROP VIEW my_view", "DROP INDEX my_index")
    run(empty, "DROP INDEX my_other_index", "DROP TABLE mine")
    run(empty, "ALTER TABLE cases DROP COLUMN remark", "ALTER TABLE cases DROP COLUMN weight")
    assert faults() == []


def test_triggers_on_tables_and_views_are_told_and_left(empty, faults, restore):
    if is_server(empty):
        make = [
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER quiet BEFORE INSERT ON annotations FOR EACH ROW EXECUTE FUNCTION nothing()",
            "CREATE TRIGGER quiet INSTEAD OF INSERT ON hubs FOR EACH ROW EXECUTE FUNCTION nothing()",
            "CREATE RULE deaf AS ON DELETE TO cases DO INSTEAD NOTHING",
        ]
        undo = ["DROP TRIGGER quiet ON annotations", "DROP TRIGGER quiet ON hubs", "DROP RULE deaf ON cases"]
    else:
        make = [
            "CREATE TRIGGER quiet BEFORE INSERT ON annotations BEGIN SELECT RAISE(IGNORE); END",
            "CREATE TRIGGER silent INSTEAD OF INSERT ON hubs BEGIN SELECT 1; END",
            'CREATE TRIGGER "no ""way" AFTER DELETE ON cases BEGIN SELECT 1; END',
        ]
        undo = ["DROP TRIGGER quiet", "DROP TRIGGER silent", 'DROP TRIGGER "no ""way"']
    run(empty, *make)
    told = faults()
    assert sorted(undo) == sorted(line.split("(", 1)[1].rstrip(")") for line in told)
    assert all("may change what is written" in line for line in told)
    assert restore() == []
    run(empty, *undo)
    assert faults() == []


# ---- Tables --------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(fresh):
    """A database to be spoiled, and a function that runs SQL on it which does not check references."""
    made = fresh()

    def spoil(*statements: str) -> None:
        if is_server(made):
            run(made, "SET LOCAL session_replication_role = replica", *statements)
            return
        with closing(sqlite3.connect(engines.file(made))) as other:
            other.executescript(";".join(statements))

    return made, spoil


@pytest.mark.parametrize("name", sorted(schema.metadata.tables))
def test_each_table_that_is_gone_is_told_first(empty, wanted, name):
    with engines.writing(empty) as connection:
        connection.exec_driver_sql(f"DROP TABLE {name}" + " CASCADE" * is_server(empty))
        found = schema_faults.list_faults(connection, wanted)
        connection.rollback()
    assert str(found[0]) == f"table {name} is missing (restore a backup)"


def test_nothing_more_is_asked_of_a_database_without_one_of_its_tables(spoiled):
    database, spoil = spoiled
    spoil("DROP TABLE decisions" + " CASCADE" * is_server(database))
    kinds = [line.split(" ")[0] for line in upkeep.check(database)]
    assert kinds[0] == "table"
    assert set(kinds) <= {"table", "view"}


def rebuilt(database: Engine, table: str, old: str, new: str) -> list[str]:
    """Statements that build an empty SQLite table anew, with something of its definition changed."""
    with database.connect() as connection:
        query = f"SELECT sql FROM sqlite_schema WHERE name = '{table}'"
        definition = connection.exec_driver_sql(query).scalar()
    assert old in definition, definition
    return [f"DROP TABLE {table}", definition.replace(old, new)]


COPY = "(take the rows into a new database by `xpixels db copy`, or restore a backup)"


@pytest.mark.parametrize(
    ("table", "old", "new", "server", "told"),
    [
        (
            "class_scores",
            "logit DOUBLE NOT NULL",
            "score DOUBLE",
            "ALTER TABLE class_scores RENAME COLUMN logit TO score",
            "lacks column logit",
        ),
        (
            "class_scores",
            "CHECK (probability BETWEEN 0 AND 1)",
            "CHECK (probability BETWEEN 0 AND 2)",
            "ALTER TABLE class_scores DROP CONSTRAINT ck_class_scores_probability, "
            "ADD CONSTRAINT ck_class_scores_probability CHECK (probability BETWEEN 0 AND 2)",
            f"has another constraint ck_class_scores_probability {COPY}",
        ),
        (
            "class_scores",
            "ON DELETE CASCADE",
            "",
            "ALTER TABLE class_scores DROP CONSTRAINT fk_class_scores_case_id, "
            "ADD CONSTRAINT fk_class_scores_case_id FOREIGN KEY (case_id) REFERENCES cases (id)",
            f"has another constraint fk_class_scores_case_id {COPY}",
        ),
        (
            "vulnerability_maps",
            "CONSTRAINT fk_vulnerability_maps_network_id FOREIGN KEY(network_id) REFERENCES networks (id),",
            "",
            "ALTER TABLE vulnerability_maps DROP CONSTRAINT fk_vulnerability_maps_network_id",
            f"lacks constraint fk_vulnerability_maps_network_id {COPY}",
        ),
        (
            "class_scores",
            "logit DOUBLE NOT NULL",
            "logit TEXT",
            "ALTER TABLE class_scores ALTER COLUMN logit TYPE text, ALTER COLUMN logit DROP NOT NULL",
            f"has another column logit {COPY}",
        ),
        ("class_scores", "WITHOUT ROWID", "", None, f"lacks options {COPY}"),
        (
            "saved_views",
            "CONSTRAINT uq_saved_views_name UNIQUE (name),",
            "",
            "ALTER TABLE saved_views DROP CONSTRAINT uq_saved_views_name",
            f"lacks constraint uq_saved_views_name {COPY}",
        ),
        (
            "saved_views",
            "search TEXT NOT NULL",
            "search TEXT NOT NULL, owner TEXT NOT NULL",
            "ALTER TABLE saved_views ADD COLUMN owner TEXT NOT NULL",
            f"wants for every row the column owner {COPY}",
        ),
    ],
)
def test_a_table_that_is_not_as_this_program_makes_it_is_told(spoiled, table, old, new, server, told):
    database, spoil = spoiled
    if is_server(database):
        if server is None:
            pytest.skip("of SQLite")
        spoil(server)
    else:
        spoil(*rebuilt(database, table, old, new))
    (line,) = [line for line in upkeep.check(database) if line.startswith("table ")]
    assert line.startswith(f"table {table} {told}")
    _, left = migrate.restore(database)
    assert [str(fault) for fault in left] == [line]


# ---- The commands --------------------------------------------------------------------------------


def test_an_upgrade_says_what_it_restored_and_what_it_cannot(database, capsys):
    address = database.url.render_as_string(hide_password=False)
    run(database, "DROP VIEW hubs", "DROP INDEX ix_cases_run_id")
    run(database, "ALTER TABLE saved_views RENAME COLUMN search TO query")
    assert xpixels.main(["db", "check", "--database", address]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "table saved_views lacks column search; wants for every row the column query (restore a backup)",
        f"index ix_cases_run_id of cases is missing {UPGRADE}",
        f"view hubs is missing {UPGRADE}",
    ]
    assert xpixels.main(["db", "upgrade", "--database", address]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"revision {migrate.head()} already",
        "restored index ix_cases_run_id",
        "restored view hubs",
        told[0],
    ]
    assert xpixels.main(["db", "upgrade", "--database", address]) == 0
    assert capsys.readouterr().out.splitlines() == [f"revision {migrate.head()} already", told[0]]


def test_rows_that_are_there_twice_keep_a_unique_index_from_coming_back(database, capsys):
    address = database.url.render_as_string(hide_password=False)
    run(database, "DROP INDEX uq_attacks_untargeted", "DROP VIEW hubs")
    with engines.writing(database) as connection:
        connection.execute(insert(schema.attacks), small_database.attack(90, 1, None, True, 1))
    assert xpixels.main(["db", "upgrade", "--database", address]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "uq_attacks_untargeted, hubs cannot be restored: " in line
    assert len(schema_faults.find_faults(database)) == 2


@pytest.mark.sqlite("its file is not touched")
def test_an_upgrade_that_has_nothing_to_restore_writes_nothing(database):
    path = engines.file(database)
    database.dispose()
    before = path.stat().st_mtime_ns
    migrate.upgrade(database)
    database.dispose()
    assert path.stat().st_mtime_ns == before


def test_a_table_with_the_name_of_a_view_is_told_with_the_way_out(empty, faults, restore):
    run(empty, "DROP VIEW hubs", "CREATE TABLE hubs (id INTEGER)")
    assert faults() == [
        "table hubs has the name of a view (give it another name, then run `xpixels db upgrade`)"
    ]
    run(empty, "ALTER TABLE hubs RENAME TO my_hubs")
    restore()
    run(empty, "DROP TABLE my_hubs")
    assert faults() == []


@pytest.mark.sqlite("an older file")
def test_an_upgrade_from_an_older_revision_brings_back_its_indexes_too(tmp_path):
    database = engines.create(tmp_path / "old.db")
    migrate.upgrade(database, "0009")
    run(database, "DROP INDEX ix_cases_run_id")
    done = migrate.upgrade_and_restore(database)
    assert [fault.name for fault in done.restored] == ["ix_cases_run_id"]
    assert schema_faults.find_faults(database) == []
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM case_overview")).scalar() == 0
    database.dispose()
