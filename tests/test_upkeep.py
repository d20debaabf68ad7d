import json
import resource
import sqlite3

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import OperationalError

import xpixels
from db import engine, facets, migrate, schema, vocabulary
from db.commands import sizes, upkeep
from db.scope import Scope
from tests.support import fresh_database, small_database


@pytest.fixture(scope="module")
def sound(fresh):
    """The small database, completed until nothing is left to complain of; to be read."""
    database = fresh()
    with engine.writing(database) as connection:
        small_database.fill(connection)
        neighbors = [
            small_database.neighbor(case, layer, 1, 1, 2.5)
            for case in range(1, 5)
            for layer in ("flatten", "logits", "composed")
            if layer != "flatten" or case > 2
        ]
        decisions = [
            small_database.decision(case, layer, 0, None, None, "FN" if case == 3 else "TN")
            for case in (3, 4)
            for layer in ("flatten", "dense", "logits", "composed")
        ]
        points = [
            small_database.operating_point(layer, partition)
            for layer in ("flatten", "dense", "logits", "composed")
            for partition in vocabulary.PARTITIONS
        ]
        connection.execute(insert(schema.neighbors), neighbors)
        for searched, table in (("case", "neighbors"), ("original", "original_neighbors")):
            keys = f"SELECT DISTINCT case_id, layer_id, metric, '{searched}', 1 FROM {table}"
            connection.execute(text(f"INSERT INTO searches {keys}"))
        connection.execute(insert(schema.decisions), decisions)
        connection.execute(insert(schema.operating_points), points)
        facets.refresh(connection, Scope(1, 1))
    return database


@pytest.fixture
def database(sound, tmp_path_factory):
    """A copy of it, to be written to."""
    sound.dispose()
    with fresh_database.copy(sound, tmp_path_factory.mktemp("copy")) as copied:
        yield copied


def test_a_sound_database_has_no_problems(sound):
    assert upkeep.check(sound) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE samples SET label = 2 WHERE id = 1", "1 cases whose true class"),
        ("UPDATE attacks SET sample_id = 2 WHERE id = 1", "1 adversarial cases whose attack"),
        ("UPDATE attacks SET succeeded = FALSE WHERE id = 1", "1 adversarial cases whose attack"),
        ("DELETE FROM attack_pixels WHERE attack_id = 1", "1 adversarial cases without all"),
        ("DELETE FROM class_scores WHERE case_id = 2 AND class = 1", "1 cases without a score"),
        ("DELETE FROM neighbors WHERE case_id = 3 AND layer_id = 4", "1 cases and compared layers"),
        ("DELETE FROM neighbors WHERE case_id = 1 AND rank = 2", "1 cases and layers whose neighbors"),
        ("DELETE FROM searches WHERE case_id = 1 AND searched = 'original'", "1 neighbors of which no"),
        ("DELETE FROM original_neighbors", "2 neighbors of which no"),
        ("DELETE FROM decisions WHERE case_id = 4 AND layer_id = 3", "1 decisions missing"),
        ("UPDATE operating_points SET k = 3 WHERE layer_id = 2", "4 decisions not at"),
        (
            "UPDATE decisions SET outcome = 'TN' WHERE case_id = 3 AND layer_id = 2",
            "1 decisions whose outcome",
        ),
        (
            "UPDATE operating_points SET tp = 5 WHERE layer_id = 2 AND partition = 'tuning'",
            "1 operating points",
        ),
        ("DELETE FROM case_facets WHERE case_id = 2", "1 cases whose facets"),
        ("UPDATE case_facets SET alarm_count = 3 WHERE case_id = 1", "1 cases whose facets"),
        ("DELETE FROM decisions WHERE case_id = 3", "4 decisions of layers that only"),
        (
            "DELETE FROM detector_decisions WHERE case_id = 4 AND detector = 'dense'",
            "1 decisions of layers that lists",
        ),
        (
            "UPDATE detector_decisions SET score = 1, alarm = (1 > threshold) WHERE detector = 'logits'",
            "3 decisions of layers that lists",
        ),
        (
            "INSERT INTO detector_decisions (network_id, dataset_id, detector, partition, case_id, score, "
            "threshold, alarm) VALUES (1, 1, 'repair', 'tuning', 3, 0.5, 0.5, FALSE)",
            "1 decisions whose threshold is their own score",
        ),
        ("UPDATE case_facets SET batch_id = NULL WHERE case_id = 1", "1 cases whose facets"),
        ("UPDATE case_facets SET seed = 8 WHERE case_id = 1", "1 cases whose facets"),
        ("UPDATE case_facets SET pixel_count = 3 WHERE case_id = 1", "1 cases whose facets"),
        ("UPDATE facet_cells SET cases = 3 WHERE id = 1", "2 counts that lists have"),
        ("DELETE FROM facet_cells WHERE detector = 'dense'", "4 counts that lists have"),
        ("UPDATE predictions SET label = 2 WHERE position = 0", "1 predictions whose label"),
        ("UPDATE predictions SET predicted_class = 3 WHERE position = 0", "1 predictions that do not tell"),
        ("DELETE FROM classes WHERE class = 2", "5 predictions that do not tell"),
        ("UPDATE runs SET network_id = NULL", "1 runs of a batch of another network"),
        ("UPDATE runs SET dataset_id = NULL", "1 runs of a batch of another network"),
        ("DELETE FROM network_datasets", "1 results of a network and a data set"),
        ("DELETE FROM database_identity", "1 identities missing"),
    ],
)
def test_each_contradiction_is_found(sound, change, problem):
    with engine.writing(sound) as connection:
        connection.execute(text(change))
        problems = upkeep.contradictions(connection)
        connection.rollback()
    assert [line for line in problems if line.startswith(problem)], problems


def test_a_check_tells_every_contradiction(database):
    with engine.writing(database) as connection:
        for change in ("DELETE FROM decisions WHERE case_id = 4 AND layer_id = 3", "DELETE FROM case_facets"):
            connection.execute(text(change))
        problems = upkeep.contradictions(connection)
    assert len(problems) > 1
    assert upkeep.check(database) == problems


def test_every_kind_of_contradiction_is_tested():
    changes = test_each_contradiction_is_found.pytestmark[0].args[1]
    told = [problem.split(" ", 1)[1] for _, problem in changes]
    assert [what for what in upkeep.CONTRADICTIONS if not any(what.startswith(t) for t in told)] == []


@pytest.mark.sqlite("PostgreSQL always checks references")
def test_rows_that_refer_to_nothing_are_found(database):
    with sqlite3.connect(engine.file(database)) as other:  # a program that does not check references
        other.execute("DELETE FROM images WHERE id = 1")
    other.close()
    assert "3 rows that refer to nothing, in originals, repairs, samples" in upkeep.check(database)


def overwrite_page_of(database, name: str) -> None:
    path = engine.file(database)
    with database.connect() as connection:
        page = connection.scalar(
            text("SELECT rootpage FROM sqlite_schema WHERE name = :name"), {"name": name}
        )
        size = connection.exec_driver_sql("PRAGMA page_size").scalar()
    database.dispose()  # the last to leave writes the log into the file
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)


@pytest.mark.sqlite("pages of its file")
@pytest.mark.parametrize("name", ["ix_samples_image_id", "cases"])
def test_damage_to_the_file_is_found(database, name):
    overwrite_page_of(database, name)
    problems = upkeep.check(database)
    assert problems
    assert problems[0].startswith("damaged: ")


@pytest.mark.sqlite("pages of its file")
def test_a_file_too_damaged_to_be_opened_is_told(database):
    overwrite_page_of(database, "alembic_version")
    assert upkeep.check(database) == ["damaged: database disk image is malformed"]
    with pytest.raises(migrate.RevisionError, match="is damaged: `xpixels db check` says more"):
        migrate.require_current(database)


def test_info_counts_what_is_there(sound):
    info = upkeep.info(sound)
    assert info.revision == migrate.head()
    assert info.size > 100_000
    assert set(info.rows) == set(schema.metadata.tables)
    assert (info.rows["cases"], info.rows["class_scores"], info.rows["annotations"]) == (4, 12, 0)
    assert info.networks == [("small", "f" * 64, "pets", 0.8)]
    assert info.cases == [
        ("small", "pets", "tuning", "adversarial", 1),
        ("small", "pets", "tuning", "clean", 1),
        ("small", "pets", "validation", "adversarial", 1),
        ("small", "pets", "validation", "clean", 1),
    ]
    assert "test accuracy 80.00%" in str(info)


@pytest.mark.sqlite("pages of a file")
def test_info_tells_the_room_of_every_table_with_its_indexes(sound):
    info = upkeep.info(sound)
    assert set(info.sizes) == set(schema.metadata.tables)
    with sound.connect() as connection:
        page = connection.exec_driver_sql("PRAGMA page_size").scalar()
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar()
    assert info.sizes["saved_views"] == 2 * page  # the table, and the index of its names
    others = pages * page - sum(info.sizes.values()) - free * page
    assert 0 < others <= 40 * page  # the schema, its revision, and the ids used once
    assert f"cases                            4{info.sizes['cases'] / 1e6:>12,.2f} MB" in str(info)


def test_the_room_of_a_case_and_of_a_reference_sample_is_that_of_all_their_parts(sound):
    info = upkeep.info(sound)
    of_cases = ("annotations", "case_activations", "case_facets", "cases", "class_scores", "decisions")
    of_cases += ("detector_decisions", "neighbors", "original_activations", "original_neighbors")
    of_cases += ("originals", "searches", "transfers")
    of_references = ("reference_activations", "reference_samples")
    assert info.room == {
        "cases": sum(info.sizes[name] for name in of_cases) / 4,
        "reference_samples": sum(info.sizes[name] for name in of_references) / 4,
    }
    assert f"reference sample     {info.room['reference_samples'] / 1e3:>13,.1f} kB" in str(info)


@pytest.mark.sqlite("dbstat")
def test_where_sqlite_cannot_tell_the_room_of_tables_the_rest_is_told(sound, monkeypatch):
    monkeypatch.setattr(sizes, "SQLITE", sizes.SQLITE.replace("dbstat", "no_dbstat"))
    with pytest.raises(OperationalError, match="no_dbstat"):
        upkeep.info(sound)  # any other mistake is an error
    monkeypatch.setattr(sizes, "MISSING", "no such table: no_dbstat")
    info = upkeep.info(sound)
    assert info.sizes is None
    assert info.room == {}
    assert f"  cases{4:>29}\n" in str(info)


@pytest.mark.sqlite("the path of a file")
def test_info_for_other_programs_has_the_same(sound, capsys):
    assert xpixels.main(["db", "info", "--json", "--database", str(engine.file(sound))]) == 0
    told = json.loads(capsys.readouterr().out)
    info = upkeep.info(sound)
    assert told == {
        "database": info.database,
        "revision": info.revision,
        "size": info.size,
        "rows": info.rows,
        "networks": [{"name": "small", "sha256": "f" * 64, "dataset": "pets", "test_accuracy": 0.8}],
        "cases": [
            {"network": "small", "dataset": "pets", "partition": partition, "kind": kind, "cases": 1}
            for partition in ("tuning", "validation")
            for kind in ("adversarial", "clean")
        ],
        "sizes": info.sizes,
        "room": info.room,
    }


def test_info_of_a_database_without_networks_says_so(fresh):
    assert str(upkeep.info(fresh())).count("none") == 2


@pytest.mark.sqlite("a file is copied")
@pytest.mark.parametrize("read_only", [True, False])
def test_a_backup_is_a_whole_database_of_its_own(database, tmp_path, read_only):
    copy = upkeep.backup(engine.create(engine.file(database), read_only=read_only), tmp_path / "copy.db")
    with engine.writing(database) as connection:
        connection.execute(text("DELETE FROM class_scores"))
    restored = engine.create(copy, read_only=True)
    assert upkeep.check(restored) == []
    assert upkeep.info(restored).rows["class_scores"] == 12
    restored.dispose()


@pytest.mark.sqlite("a file is copied")
def test_an_engine_that_made_a_backup_still_cannot_write(sound, tmp_path):
    reader = engine.create(engine.file(sound), read_only=True)
    upkeep.backup(reader, tmp_path / "copy.db")
    with reader.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1


@pytest.mark.sqlite("a file is copied")
def test_a_backup_replaces_nothing(sound, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match="another name"):
        upkeep.backup(sound, target)
    assert target.read_text() == "precious"


@pytest.mark.sqlite("a file is copied")
def test_a_backup_that_finds_no_room_leaves_nothing_behind(sound, tmp_path, capsys):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, before[1]))  # bytes that a file may have
    try:
        arguments = ["db", "backup", str(tmp_path / "copy.db"), "--database", str(engine.file(sound))]
        assert xpixels.main(arguments) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "copy.db could not be written: No space left on device; nothing was changed: make room" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite("a file is copied")
def test_a_backup_needs_its_folder(sound, tmp_path):
    with pytest.raises(FileNotFoundError, match="No folder"):
        upkeep.backup(sound, tmp_path / "nowhere" / "copy.db")


@pytest.mark.parametrize("action", [upkeep.check, upkeep.info, lambda e: upkeep.backup(e, "copy.db")])
def test_a_missing_database_is_not_made(tmp_path, action):
    with pytest.raises(FileNotFoundError, match=r"xpixels demo"):
        action(engine.create(tmp_path / "none.db"))
    assert list(tmp_path.iterdir()) == []
