"""The command line: what it prints, what it leaves, and one clear line for whatever goes wrong."""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

import xpixels
from db import engine as engines
from db import migrate
from model.network import checkpoint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def empty(migrated_file, tmp_path):
    """An upgraded database without a row."""
    return str(shutil.copy(migrated_file, tmp_path / "empty.db"))


def failed_line(capsys):
    """The one line on standard error; nothing may stand on standard output."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.strip()


def usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        xpixels.main(arguments)
    assert ended.value.code == 2
    return failed_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["ingest", "--partition", "test"], "invalid choice: 'test'"),
        (["ingest", "--cases", "many"], "argument --cases: 'many' is no whole number"),
        (["data", "fetch", "mnist"], "invalid choice: 'mnist'"),
        (["sql"], "the following arguments are required: STATEMENT"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, said, capsys):
    line = usage(arguments, capsys)
    assert said in line
    assert "--help" in line


@pytest.mark.parametrize(
    "command", [["serve"], ["db", "info"], ["db", "check"], ["sql", "select 1"], ["tune"]]
)
def test_a_missing_database_is_named_and_not_made(command, tmp_path, capsys):
    path = tmp_path / "none.db"
    assert xpixels.main([*command, "--database", str(path)]) == 1
    assert f"No database at {path}: make one with `xpixels demo`" in failed_line(capsys)
    assert not path.exists()


def of_revision(revision):
    def make(path):
        made = engines.create(path)
        migrate.upgrade(made, revision)
        made.dispose()

    return make


def newer(path):
    made = engines.create(path)
    migrate.upgrade(made)
    with made.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    made.dispose()


def recipes(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (cake TEXT)")


UNFIT = {
    "older": (of_revision("0003"), "run `xpixels db upgrade` (`xpixels db backup FILE` copies it before)."),
    "newer": (newer, "is of revision 9999, newer than this program knows"),
    "empty": (Path.touch, "is empty: run `xpixels demo` or `xpixels ingest`."),
    "foreign": (recipes, "is not an xpixels database: it has tables of something else, as recipes."),
    "text": (lambda path: path.write_text(1000 * "dear diary "), "is not an xpixels database"),
}
INGEST = ["ingest", "--dataset", "cifar10-sample", "--cases", "1"]
COMMANDS = {
    "ingest": INGEST,
    "all test": [*INGEST, "--all-test"],
    "study": ["study", *INGEST[1:]],
    "tune": ["tune"],
    "check": ["check", "--keep", str(ROOT / "docs" / "case.png")],
    "serve": ["serve", "--port", "0"],
    "sql": ["sql", "select 1"],
    "export": ["export", "cases"],
    "info": ["db", "info"],
    "sound": ["db", "check"],
}


@pytest.fixture(scope="module")
def unfit(tmp_path_factory):
    """A function: the file of that kind, to be copied."""
    folder = tmp_path_factory.mktemp("unfit")

    def find(kind):
        if not (folder / kind).exists():
            UNFIT[kind][0](folder / kind)
        return folder / kind

    return find


MAKING = ("ingest", "all test", "study")  # of an empty database


@pytest.mark.parametrize(
    ("kind", "command"),
    [(kind, name) for kind in UNFIT for name in COMMANDS if kind != "empty" or name not in MAKING],
)
def test_a_database_that_is_not_of_this_revision_is_told_with_the_way_out_and_left_alone(
    kind, command, unfit, tmp_path, capsys
):
    path = shutil.copy(unfit(kind), tmp_path / "unfit.db")
    said = UNFIT[kind][1]
    before = path.read_bytes()
    assert xpixels.main([*COMMANDS[command], "--database", str(path)]) == 1
    line = failed_line(capsys)
    assert line.startswith(f"xpixels: {path} ")
    assert said in line
    assert path.read_bytes() == before


def test_the_demo_says_what_to_run_on_an_old_database_of_its_own(tmp_path, capsys):
    path = tmp_path / "old.db"
    migrate.upgrade(engines.create(path), "0006")
    assert xpixels.main(["demo", "--no-serve", "--database", str(path)]) == 1
    out, err = capsys.readouterr()
    assert (out.count("\n"), err.count("\n")) == (1, 1)
    assert "run `xpixels db upgrade`" in err
    assert xpixels.main(["db", "backup", str(tmp_path / "copy.db"), "--database", str(path)]) == 0
    assert migrate.current(engines.create(tmp_path / "copy.db")) == "0006"
    assert xpixels.main(["db", "upgrade", "--database", str(path)]) == 0


def test_a_port_in_use_is_named(empty, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert xpixels.main(["serve", "--database", empty, "--port", str(port)]) == 1
    line = failed_line(capsys)
    assert str(port) in line
    assert "--port" in line


def test_the_demo_says_that_its_port_is_in_use_before_it_works(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        database = tmp_path / "demo.db"
        port = str(taken.getsockname()[1])
        assert xpixels.main(["demo", "--port", port, "--database", str(database)]) == 1
    assert f"Port {port} on 127.0.0.1 is in use" in failed_line(capsys)
    assert not database.exists()


def test_wrong_weights_are_told_before_anything_is_written(tmp_path, capsys):
    weights = tmp_path / "wrong.npz"
    weights.write_bytes(b"not weights")
    shutil.copy(checkpoint.BUNDLED.with_suffix(".json"), weights.with_suffix(".json"))
    database = tmp_path / "new.db"
    arguments = [
        "ingest",
        "--dataset",
        "cifar10-sample",
        "--weights",
        str(weights),
        "--database",
        str(database),
    ]
    assert xpixels.main(arguments) == 1
    assert f"weights: {weights} has sha256" in failed_line(capsys)
    assert not database.exists()


def test_a_value_out_of_range_is_told_before_anything_is_written(tmp_path, capsys):
    database = tmp_path / "new.db"
    assert xpixels.main(["ingest", "--population", "2", "--database", str(database)]) == 1
    assert failed_line(capsys) == "xpixels: --population 2: expected a whole number of at least 4"
    assert not database.exists()


def test_nothing_to_tune_is_said(empty, capsys):
    assert xpixels.main(["tune", "--database", empty]) == 1
    assert "nothing to tune" in failed_line(capsys)


def test_sql_prints_a_table_csv_and_json(empty, capsys):
    statement = "select 1 as one, 'a,b' as two, null as three"
    assert xpixels.main(["sql", statement, "--database", empty]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["one", "two", "three"]
    assert xpixels.main(["sql", statement, "--csv", "--database", empty]) == 0
    assert capsys.readouterr().out == 'one,two,three\n1,"a,b",\n'
    assert xpixels.main(["sql", statement, "--json", "--database", empty]) == 0
    assert json.loads(capsys.readouterr().out) == [{"one": 1, "two": "a,b", "three": None}]


@pytest.mark.parametrize(
    "statement", ["delete from cases", "drop table cases", "select nothing from nowhere"]
)
def test_sql_that_writes_or_is_wrong_is_one_line(statement, empty, capsys):
    assert xpixels.main(["sql", statement, "--database", empty]) == 1
    failed_line(capsys)


def test_export_writes_a_view_and_names_those_there_are(empty, tmp_path, capsys):
    target = tmp_path / "cases.csv"
    assert xpixels.main(["export", "case_overview", "--output", str(target), "--database", empty]) == 0
    assert target.read_text().startswith("case_id,")
    assert xpixels.main(["export", "passwords", "--database", empty]) == 1
    assert "no table or view passwords: expected one of annotations, " in failed_line(capsys)


def test_the_database_is_made_checked_described_and_copied(tmp_path, capsys):
    path, copy = str(tmp_path / "new.db"), str(tmp_path / "copy.db")
    assert xpixels.main(["db", "upgrade", "--database", path]) == 0
    assert "empty ->" in capsys.readouterr().out
    assert xpixels.main(["db", "check", "--database", path]) == 0
    assert xpixels.main(["db", "info", "--database", path]) == 0
    assert "cases" in capsys.readouterr().out
    assert xpixels.main(["db", "backup", copy, "--database", path]) == 0
    assert xpixels.main(["db", "check", "--database", copy]) == 0
    capsys.readouterr()
    assert xpixels.main(["db", "backup", copy, "--database", path]) == 1
    assert "is there already" in failed_line(capsys)


def test_the_database_comes_from_the_environment(empty, monkeypatch, capsys):
    monkeypatch.setenv("XPIXELS_DATABASE_URL", empty)
    assert xpixels.main(["sql", "select 7 as seven"]) == 0
    assert "7" in capsys.readouterr().out


def test_the_served_dashboard_answers(empty):
    command = [sys.executable, "-m", "xpixels", "serve", "--database", empty, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            address = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{address}/healthz", timeout=20) as answer:
                assert answer.status == 200
        finally:
            process.terminate()
    assert process.returncode == 0
