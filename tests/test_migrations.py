import json
import re
import runpy
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, func, select, text

from db import engine, migrate, schema
from db.soundness import schema_faults
from ingest.batch import Batch
from tests.support import small_database

ROOT = Path(migrate.__file__).parents[1]
REVISIONS = sorted(migrate._revisions())
REVISION_3 = runpy.run_path(str(migrate.MIGRATIONS / "versions" / "0003_sweeps.py"))


@pytest.fixture
def database(tmp_path):
    """A file that is not there yet."""
    database = engine.create(tmp_path / "xpixels.db")
    yield database
    database.dispose()


@pytest.fixture
def migrated(database, migrated_file):
    """An upgraded database without a row."""
    shutil.copy(migrated_file, engine.file(database))
    return database


@pytest.fixture(scope="module")
def of_revision(tmp_path_factory):
    """A file of each revision, to be copied, each upgraded from the one before."""
    folder = tmp_path_factory.mktemp("revisions")
    growing = engine.create(folder / "growing.db")
    for before, revision in pairwise([None, *REVISIONS]):
        assert migrate.upgrade(growing, revision) == (before, revision)
        growing.dispose()
        shutil.copy(engine.file(growing), folder / revision)
    return {revision: folder / revision for revision in REVISIONS}


@pytest.fixture
def own_migrations(tmp_path, monkeypatch):
    """A copy of the migrations, to which a test adds revision 9999 with the given upgrade."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)

    def add(upgrade: str) -> None:
        (folder / "versions" / "9999_next.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision = '9999'\ndown_revision = '{REVISIONS[-1]}'\n"
            f"def upgrade():\n    {upgrade}\n"
        )

    return add


def definitions(database) -> dict[str, list[str]]:
    """Every table, index and view by name: its SQL, columns in their order, constraints sorted."""
    with database.connect() as connection:
        found = connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")).all()
    result = {}
    for name, sql in found:
        lines = [re.sub(r"\s+", " ", line).strip(" ,") for line in sql.splitlines()]
        lines = [line for line in lines if line]
        lines[0] = lines[0].replace(f'"{name}"', name)  # a table that was rebuilt has its name quoted
        constraints = sorted(line for line in lines if line.startswith("CONSTRAINT"))
        result[name] = [line for line in lines if not line.startswith("CONSTRAINT")] + constraints
    return {
        name: lines for name, lines in result.items() if name not in ("alembic_version", "sqlite_sequence")
    }


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    database = engine.create(tmp_path_factory.mktemp("wanted") / "metadata.db")
    schema.metadata.create_all(database)
    yield definitions(database)
    database.dispose()


def test_an_upgrade_from_nothing_gives_what_the_metadata_says(database, wanted):
    migrate.upgrade(database)
    migrate.require_current(database)
    assert definitions(database) == wanted


def test_alembic_finds_no_difference_between_migrations_and_metadata(migrated):
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_names_of_the_migrations_tell_the_revisions_that_alembic_finds():
    found = ScriptDirectory.from_config(migrate._config())
    assert migrate._revisions() == [script.revision for script in found.walk_revisions()]
    assert migrate.head() == found.get_current_head()


def test_an_upgrade_of_what_is_current_does_nothing(migrated):
    before = engine.file(migrated).stat().st_mtime_ns
    assert migrate.upgrade(migrated) == (migrate.head(), migrate.head())
    assert engine.file(migrated).stat().st_mtime_ns == before


def test_a_downgrade_to_nothing_and_back_is_possible(migrated, wanted):
    migrate.downgrade(migrated, "base")
    assert definitions(migrated) == {}
    assert migrate.current(migrated) is None
    migrate.upgrade(migrated)
    assert definitions(migrated) == wanted


def test_a_failing_migration_leaves_the_database_as_it_was(migrated, own_migrations):
    before = definitions(migrated)
    own_migrations("op.execute('CREATE TABLE half (made INTEGER)'); raise RuntimeError('power cut')")
    with pytest.raises(RuntimeError, match="power cut"):
        migrate.upgrade(migrated)
    assert definitions(migrated) == before
    assert migrate.current(migrated) == REVISIONS[-1]


def test_a_failing_first_upgrade_leaves_no_file(database, own_migrations):
    own_migrations("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        migrate.upgrade(database)
    assert [p.name for p in engine.file(database).parent.iterdir()] == ["migrations"]


def test_rebuilding_a_table_keeps_the_rows_that_cascade_from_it(migrated, own_migrations):
    with engine.writing(migrated) as connection:
        small_database.fill(connection)
    own_migrations(
        "with op.batch_alter_table('cases') as batch:\n"
        "        batch.add_column(sa.Column('note', sa.Text))\n"
        "        batch.alter_column('confidence', type_=sa.Float())"
    )
    migrate.upgrade(migrated)
    with migrated.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM class_scores")) == 12
        assert connection.scalar(text("SELECT COUNT(*) FROM cases WHERE note IS NULL")) == 4
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_the_views_of_other_people_are_put_back_behind_ours(database, of_revision):
    shutil.copy(of_revision["0009"], engine.file(database))
    with engine.writing(database) as connection:
        connection.execute(text("CREATE VIEW case_overview AS SELECT id AS case_id FROM cases"))  # of old
        connection.execute(text("CREATE VIEW mine AS SELECT case_id FROM case_overview"))
    migrate.upgrade(database)
    with engine.writing(database) as connection:
        small_database.fill(connection)
        assert connection.scalars(text("SELECT case_id FROM mine ORDER BY case_id")).all() == [1, 2, 3, 4]
        assert connection.scalar(text("SELECT network FROM case_overview")) == "small"


def test_runs_of_one_batch_of_an_older_database_get_its_row(database, of_revision):
    shutil.copy(of_revision["0009"], engine.file(database))
    same = {"dataset": "pets", "attack": "corner-sweep", "pixels": 1, "seed": 3}
    runs = (
        ("attack", same),
        ("cases", same | {"cases": 4}),
        ("cases", same | {"cases": 8}),
        ("cases", same | {"seed": 4}),
        ("attack all", same),
        ("tuning", {}),
    )
    with engine.writing(database) as connection:
        first = {name: small_database.ROWS[name] for name in ("datasets", "networks")}
        small_database.fill(connection, first)
        for id_, (stage, parameters) in enumerate(runs, start=1):
            run = small_database.ROWS["runs"][0] | {"id": id_, "stage": stage, "parameters": parameters}
            connection.execute(
                schema.runs.insert().values(
                    {key: run[key] for key in run if key not in ("batch_id", "dataset_id")}
                )
            )
    migrate.upgrade(database)
    with database.connect() as connection:
        found = connection.execute(select(schema.runs.c.batch_id).order_by(schema.runs.c.id)).scalars().all()
        made = connection.execute(select(schema.batches).order_by(schema.batches.c.id)).all()
    assert found == [1, 1, 1, 2, 3, None]
    assert [(batch.name, batch.method, batch.pixel_count, batch.seed) for batch in made] == [
        ("batch 1", "corner-sweep", 1, 3),
        ("batch 2", "corner-sweep", 1, 4),
        ("batch 3", "corner-sweep", 1, 3),
    ]


def test_two_databases_are_told_apart(database, migrated_file):
    migrate.upgrade(database)
    other = engine.create(migrated_file, read_only=True)
    found = set()
    for made in (database, other):
        with made.connect() as connection:
            found.add(connection.scalar(select(schema.database_identity.c.uuid)))
    other.dispose()
    assert len(found) == 2


def test_a_migration_that_leaves_rows_referring_to_nothing_is_taken_back(migrated, own_migrations):
    with engine.writing(migrated) as connection:
        small_database.fill(connection)
    own_migrations("op.execute('DELETE FROM images WHERE id = 1')")
    with pytest.raises(ValueError, match="3 rows that refer to nothing"):
        migrate.upgrade(migrated)
    with migrated.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM images")) == 9
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_every_revision_keeps_each_row_and_becomes_what_the_metadata_says(
    database, of_revision, wanted, revision
):
    """The rows of `small_database` as far as that revision has tables and columns for them."""
    shutil.copy(of_revision[revision], engine.file(database))
    with engine.writing(database) as connection:
        small_database.fill(connection)
        known = {table.name: table for table in _tables(connection)}
        before = {name: connection.scalar(select(func.count()).select_from(known[name])) for name in known}
    migrate.upgrade(database)
    migrate.require_current(database)
    assert definitions(database) == wanted
    assert schema_faults.find_faults(database) == []
    assert sum(before.values()) >= sum(len(small_database.ROWS[name]) for name in ("cases", "class_scores"))
    with database.connect() as connection:
        for name, count in before.items():
            assert connection.scalar(text(f'SELECT count(*) FROM "{name}"')) == count, name
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        if revision < "0007":  # which fills the tables that lists are read from
            facets = text("SELECT case_id, kind FROM case_facets ORDER BY case_id")
            cases = text("SELECT id, kind FROM cases ORDER BY id")
            assert connection.execute(facets).all() == connection.execute(cases).all()


def _tables(connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for name, table in found.tables.items() if name != "alembic_version"]


def test_attacks_made_before_sweeps_existed_keep_their_rows_and_say_how_they_searched(database, of_revision):
    shutil.copy(of_revision["0002"], engine.file(database))
    with engine.writing(database) as connection:
        small_database.fill(connection)
    migrate.upgrade(database)
    with database.connect() as connection:
        query = "SELECT id, variant, margin, screened, succeeded FROM attacks ORDER BY id"
        variant = "rand/1 F 0.5-1 CR 1, uniform start, clip, log-probability"
        assert [tuple(row) for row in connection.execute(text(query))] == [
            (id_, variant, None, None, succeeded)
            for id_, succeeded in ((1, 1), (2, 0), (3, 1), (4, 0), (5, 1))
        ]
        assert connection.scalar(text("SELECT COUNT(*) FROM attack_pixels")) == 3
        parameters = connection.scalar(select(schema.runs.c.parameters))
    assert parameters == {**REVISION_3["PARAMETERS"], "cases": 4}
    assert variant == REVISION_3["VARIANT"]


def test_what_revision_3_says_of_old_attacks_is_what_a_batch_says_today():
    """Or an old batch would be taken for another one, and be made again."""
    usual = Batch()
    assert usual.settings((32, 32, 3))["variant"] == REVISION_3["VARIANT"]
    identity = json.loads(json.dumps(usual.identity()))
    assert REVISION_3["PARAMETERS"].items() <= identity.items()


def test_two_upgrades_at_once_make_one_database(tmp_path, wanted):
    program = "import sys; from db import engine, migrate; migrate.upgrade(engine.create(sys.argv[1]))"
    path = tmp_path / "xpixels.db"
    both = [
        subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    database = engine.create(path)
    assert definitions(database) == wanted
    database.dispose()


def test_an_upgrade_that_cannot_get_the_lock_is_one_line_and_leaves_the_file(database, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 50)
    holder = engine.create(engine.file(database))
    with (
        engine.writing(holder),
        pytest.raises(migrate.RevisionError, match=r"is locked by another process"),
    ):
        migrate.upgrade(database)
    assert engine.file(database).exists()
    holder.dispose()


def test_a_drafted_revision_is_numbered_and_runs(migrated, own_migrations):
    path = migrate.draft("Say what is new")
    assert path.name == f"{int(REVISIONS[-1]) + 1:04}_say_what_is_new.py"
    assert "pass" in path.read_text()  # the metadata has nothing that the migrations lack
    migrate.upgrade(migrated)
    assert migrate.current(migrated) == f"{int(REVISIONS[-1]) + 1:04}"


def test_the_migrations_are_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "migrations").mkdir()  # somebody else's
    monkeypatch.chdir(tmp_path)
    database = engine.create("here.db")
    migrate.upgrade(database)
    migrate.require_current(database)
    database.dispose()
    assert (tmp_path / "here.db").exists()


# ---- What is no database of ours -------------------------------------------------------------------


def one_line(database, kind: type[Exception] = migrate.RevisionError) -> str:
    with pytest.raises(kind) as caught:
        migrate.require_current(database)
    assert "\n" not in str(caught.value)
    assert str(engine.file(database)) in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_told_and_not_made(database):
    assert "xpixels demo" in one_line(database, FileNotFoundError)
    assert not engine.file(database).exists()


def test_an_empty_database_is_told(database):
    engine.file(database).touch()
    assert "empty" in one_line(database)


def test_a_file_that_is_no_database_is_told_and_left_alone(database):
    engine.file(database).write_text("dear diary " * 1000)
    assert "not an xpixels database" in one_line(database)
    with pytest.raises(migrate.RevisionError):
        migrate.upgrade(database)
    assert engine.file(database).read_text() == "dear diary " * 1000


def test_a_database_of_something_else_is_told_and_left_alone(database):
    with engine.writing(database) as connection:
        connection.execute(text("CREATE TABLE recipes (cake TEXT)"))
    assert "recipes" in one_line(database)
    with pytest.raises(migrate.RevisionError, match="not an xpixels database"):
        migrate.upgrade(database)
    assert list(definitions(database)) == ["recipes"]


def test_an_older_revision_is_told_with_the_way_out(database, of_revision):
    shutil.copy(of_revision[REVISIONS[0]], engine.file(database))
    assert "xpixels db upgrade" in one_line(database)


def test_a_newer_revision_is_told_and_never_touched(migrated):
    with engine.writing(migrated) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer" in one_line(migrated)
    with pytest.raises(migrate.RevisionError, match="newer"):
        migrate.upgrade(migrated)
    assert migrate.current(migrated) == "9999"


def test_a_verdict_gets_its_american_spelling_where_people_gave_it_and_in_saved_views(database, of_revision):
    shutil.copy(of_revision["0010"], engine.file(database))
    written = [("verdict", "mislabelled"), ("verdict", "unclear"), ("note", "is it mislabelled?")]
    views = ["?kind=clean&verdict=mislabelled,unclear", "?verdict=mislabelled", "?find=mislabelled", ""]

    def rows():
        with database.connect() as connection:
            annotations = connection.execute(text("SELECT kind, body FROM annotations ORDER BY id"))
            return list(map(tuple, annotations)), list(
                connection.scalars(text("SELECT search FROM saved_views ORDER BY id"))
            )

    with engine.writing(database) as connection:
        small_database.fill(connection)
        for table in ("annotations", "saved_views"):
            connection.execute(text(f"DELETE FROM {table}"))
        (case,) = connection.execute(text("SELECT MIN(id) FROM cases")).one()
        for kind, body in written:
            add = "INSERT INTO annotations (case_id, kind, body, created_at) VALUES (:case, :kind, :body, '')"
            connection.execute(text(add), {"case": case, "kind": kind, "body": body})
        for search in views:
            add = "INSERT INTO saved_views (name, search, created_at) VALUES (:name, :search, '')"
            connection.execute(text(add), {"name": f"view {search}", "search": search})
    migrate.upgrade(database)
    assert rows() == (
        [("verdict", "mislabeled"), *written[1:]],
        ["?kind=clean&verdict=mislabeled,unclear", "?verdict=mislabeled", *views[2:]],
    )
    migrate.downgrade(database, "0010")
    assert rows() == (written, views)
