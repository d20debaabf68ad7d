"""Whatever a driver, an import, the file system or a missing stream raises is one line.

Every command is tried with every such failure.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from PIL import Image

from db import faults
from tests.support import commands, fault_runner

ROOT = Path(__file__).parents[1]
STATUSES = (0, 1, 2, 3)


LIGHT = ("db", "data", "export", "runs", "sql")  # these need neither JAX nor Dash


@pytest.fixture(scope="module")
def runner():
    """Runs commands under a failure: (arguments, failure, folder) -> status, out, err."""
    settings = os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": "."}
    program = [sys.executable, str(ROOT / "tests" / "support" / "fault_runner.py")]
    with ExitStack() as running:

        def start(*words):
            process = running.enter_context(
                subprocess.Popen(
                    [*program, *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                    env=settings,
                )
            )
            running.callback(process.stdin.close)
            return process

        light, heavy = start("light"), start()

        def run(arguments, failure, folder, *, without=(), **environment):
            asked = {
                "arguments": arguments,
                "failure": failure,
                "folder": str(folder),
                "environment": environment,
                "without": without,
            }
            process = light if arguments[0] in LIGHT else heavy
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run


@pytest.fixture
def places(migrated_file, tmp_path):
    """A folder that everybody may enter, with an upgraded database without a row, and a picture."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    shutil.copy(migrated_file, tmp_path / "xpixels.db")
    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    named = {"database": tmp_path / "xpixels.db", "folder": tmp_path, "png": tmp_path / "one.png"}
    return named | {"whole": migrated_file}


def judge(answer, context):
    """One line, and no traceback: of what the program itself says, progress left out."""
    said = answer["err"]
    assert answer["status"] in STATUSES, (context, answer)
    assert "Traceback" not in said, (context, said)
    assert "Exception ignored" not in said, (context, said)
    lines = [line for line in said.splitlines() if line.startswith("xpixels")]
    assert len(lines) <= 1, (context, said)
    if answer["status"] in (1, 2) and "error is closed" not in str(context):
        assert lines or answer["out"], (context, answer)
    return lines


UNABLE = ("the user may not write", "there is no room on the disk")  # to make a demo


def test_every_command_is_tried():
    assert sorted(commands.ARGUMENTS) == sorted(commands.commands())


# Where nothing is locked, the last changes nothing; `LOCKED_OUT` are tried with it below.
SURROUNDINGS = [failure for failure in fault_runner.FAILURES if failure != "no lock is waited for"]


@pytest.mark.parametrize("failure", SURROUNDINGS)
def test_a_failure_of_the_surroundings_is_one_line(failure, runner, places):
    before = {path.name: path.read_bytes() for path in places["folder"].iterdir()}
    for command in (*commands.ARGUMENTS, *commands.VARIANTS):
        if command == "demo" and failure not in UNABLE:
            continue  # it would set to work
        answer = runner(commands.arguments(command, **places), failure, places["folder"])
        judge(answer, (command, failure))
        for name in set(os.listdir(places["folder"])) - before.keys():  # what a command was asked to write
            assert not name.startswith("."), (command, failure, name)  # what was not finished
            assert not name.endswith((".part", "-journal")), (command, failure, name)
            assert not (name.startswith("new.") and answer["status"] == 1), (command, failure, name)
            path = places["folder"] / name
            if path.is_file() and not name.startswith("said."):
                path.unlink()


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(50_000))


def text(path: Path) -> None:
    path.write_text("dear diary " * 5000, encoding="utf-8")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def nothing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100_000])


def torn(path: Path) -> None:
    """Pages overwritten from the tenth on."""
    content = bytearray(path.read_bytes())
    for start in range(4096 * 10, len(content), 4096 * 3):
        content[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(content)


def first_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:4096] = random.Random(1).randbytes(3996)
    path.write_bytes(content)


def other_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('3f1c9a7be2d4')")
        connection.execute("CREATE TABLE recipes (cake TEXT)")


def without_tables(path: Path) -> None:
    """Tables dropped by hand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for name in ("neighbors", "evaluations", "layers", "runs"):
            connection.execute(f"DROP TABLE {name}")


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WITHOUT_DATABASE = (  # or not before long
    *commands.WITHOUT_DATABASE,
    *("demo", "evaluate", "ingest", "study"),
)
SPOILT = (garbage, text, folder, nothing, empty, cut, torn, first_page, other_program, without_tables, loop)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_database_is_one_line(spoil, runner, places):
    tried = [one for one in (*commands.ARGUMENTS, *commands.VARIANTS) if one not in WITHOUT_DATABASE]
    for command in tried[SPOILT.index(spoil) % 2 :: 2]:  # each kind of damage with half of the commands
        if command == "db upgrade" and spoil in (nothing, empty):
            continue
        if places["database"].is_dir():
            shutil.rmtree(places["database"])
        places["database"].unlink(missing_ok=True)
        shutil.copy(places["whole"], places["database"])
        spoil(places["database"])
        answer = runner(commands.arguments(command, **places), "none", places["folder"])
        judge(answer, (command, spoil.__name__))


LOCKED_OUT = ("db info", "db check", "db upgrade", "sql", "export", "runs", "tune", "db backup")
LOCKED_OUT += ("runs batches", "runs delete", "db check --repair", "check --forget")


def test_a_locked_database_is_one_line(runner, places):
    with closing(sqlite3.connect(places["database"], isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        for command in LOCKED_OUT:
            answer = runner(commands.arguments(command, **places), "no lock is waited for", places["folder"])
            (line,) = judge(answer, command)
            assert answer["status"] == 1, command
            assert "locked by another process" in line, line


ADDRESSES = (
    "sqlite+aiosqlite:///x.db",
    "sqlite:///x.db?mode=ro",
    "sqlite:////x/y/z.db",
    "postgresql://127.0.0.1:1/x",
    "postgresql://nohost.invalid/x",
    "postgresql:///x?host=/nowhere",
    "postgresql://127.0.0.1:1/x?what=that",
    "postgresql://127.0.0.1:1/x?sslmode=perhaps",
    "postgresql://127.0.0.1:1/x?connect_timeout=soon",
    "postgresql+asyncpg://h/x",
    "~nobody-of-that-name/x.db",
    "x" * 5000,
    "a/" * 3000,
    "\N{SNOWMAN}/x.db",
    "bytes-\udcff.db",
)
WORDS_OF_LIBRARIES = (
    "attempt to write a readonly",
    "unable to open database file",
    "disk image is malformed",
    "Could not determine home",
    "invalid literal",
    "Errno",
    "codec can't",
    "number of bindings",
    "greenlet",
    "sqlalche.me",
    "dialect",
    "Can't load plugin",
    "NoneType",
    "connection is bad",
    "connection failed",
)


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_an_address_that_leads_nowhere_is_one_line_in_words_of_ours(address, runner, places):
    with_database = [
        command
        for command in (*commands.ARGUMENTS, *commands.VARIANTS)
        if command not in (*commands.WITHOUT_DATABASE, "demo", "evaluate")
    ]
    for command in with_database[ADDRESSES.index(address) % 3 :: 3]:  # each address with several commands
        given = commands.arguments(command, **places | {"database": address})
        answer = runner(given, "none", places["folder"])
        lines = judge(answer, (command, address[:40]))
        if answer["status"] == 0:  # a name like any other
            assert address in ADDRESSES[-2:]
            continue
        assert lines, (command, answer)
        assert not [words for words in WORDS_OF_LIBRARIES if words in lines[0]], (command, lines)


STATEMENTS = (
    "select ?",
    "select :x",
    "select @x",
    "select $1",
    "select 1; select 2",
    "",
    "select load_extension('x')",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_that_cannot_be_asked_is_one_line(statement, runner, places):
    answer = runner(["sql", statement, "--database", str(places["database"])], "none", places["folder"])
    (line,) = judge(answer, statement)
    assert not [words for words in WORDS_OF_LIBRARIES if words in line], line


# What each is imported for, and what imports it, too.
IMPORTS = {
    "sqlalchemy": (["db", "info"], ["alembic"]),
    "alembic": (["db", "upgrade", "--database", "new.db"], []),
    "numpy": (["check", "x.png"], ["jax", "flax", "optax", "PIL", "plotly"]),
    "jax": (["evaluate", "--dataset", "cifar10-sample"], ["flax", "optax"]),
    "flax": (["evaluate", "--dataset", "cifar10-sample"], []),
    "optax": (["train", "--dataset", "cifar10-sample"], ["flax"]),
    "PIL": (["evaluate", "--dataset", "cifar10-sample"], []),
    "dash": (["serve"], ["dash_cytoscape"]),
    "plotly": (["serve"], ["dash", "dash_cytoscape"]),
    "flask_compress": (["serve"], []),
    "waitress": (["serve"], []),
    "tqdm": (["data", "fetch", "cifar10", "--from", "x"], []),
    "psycopg": (["db", "info", "--database", "postgresql://h/x"], []),
    "distributed": (["ingest", "--scheduler", "local", "--dataset", "cifar10-sample"], []),
}


@pytest.mark.parametrize("module", IMPORTS)
def test_a_package_that_is_missing_is_one_line(module, runner, places):
    arguments, importers = IMPORTS[module]
    answer = runner(arguments, "none", places["folder"], without=[module, *importers])
    assert answer["status"] == 1, answer
    assert answer["err"].count("\n") == 1, answer
    assert answer["err"].startswith("xpixels: ")
    assert {"distributed": "Dask"}.get(module, module) in answer["err"]


def test_what_is_a_fault_of_the_program_is_one_line_that_says_so(monkeypatch, capsys):
    import xpixels

    def broken(_options):
        raise TypeError("'int' object is not iterable")

    monkeypatch.setattr("db.commands.upkeep_command.info", broken)
    assert xpixels.main(["db", "info"]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "TypeError" in line
    assert "XPIXELS_TRACEBACK=1" in line


def test_a_name_that_no_encoding_takes_is_told_in_one_line():
    """Of a host name that is too long Python says so with a plain UnicodeError, which holds no text."""
    assert faults.describe(UnicodeError("label empty or too long")) == "label empty or too long"
    with pytest.raises(UnicodeDecodeError) as caught:
        b"caf\xe9".decode("utf-8")
    assert faults.describe(caught.value).startswith("b'caf\\xe9' is no text in UTF-8")
