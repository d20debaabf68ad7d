"""Where the program is started: other people's files beside it, other terminals, and a user who stops it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

import xpixels
from db import engine
from db.commands import upkeep
from model.data import cifar10
from tests.support import commands, database, forked_commands

ROOT = Path(xpixels.__file__).parent
INSTALLED = f"import sys; sys.path.append({str(ROOT)!r}); import xpixels; xpixels.run()"  # as a script is


@pytest.fixture
def other(tmp_path):
    """A folder of somebody's with files that are called like Python's and like ours."""
    folder = tmp_path / "theirs"
    for name in ("db", "model", "dashapp"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('their {name}')")
    for name in ("json", "socket", "waitress", "dash", "sqlalchemy", "xpixels"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('their {name}')")
    return folder


@pytest.fixture
def made(migrated_file, tmp_path):
    """An upgraded database without a row."""
    return Path(shutil.copy(migrated_file, tmp_path / "made.db"))


def run(*words, **options):
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, **options
    )


# ---- Other people's files ----------------------------------------------------------------------------


def test_the_demo_serves_from_a_folder_with_any_files(other, made, tmp_path):
    """The dashboard is a process of its own, which neither the current folder nor PYTHONPATH leads astray."""
    no_ingest = "import ingest.command as work; work.run = lambda url, batch, **names: None; "
    program = f"import sys; sys.path.append({str(ROOT)!r}); {no_ingest}import xpixels; xpixels.run()"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program, "demo", "--port", "0", "--database", str(made)],
        cwd=other,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "/nowhere"},
    ) as process:
        try:
            told = process.stdout.readline()
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), (told, address, process.poll() and process.stderr.read())
            with urllib.request.urlopen(f"{address}/healthz", timeout=20) as answer:
                assert answer.status == 200
            assert "PYTHONPATH" not in psutil.Process(process.pid).environ()
        finally:
            process.terminate()


def test_a_command_works_in_a_folder_with_any_files(other, made):
    tried = ("db info", "sql", "runs", "db check")
    given = [commands.arguments(command, database=made, folder=other, png="") for command in tried]
    for command, done in zip(tried, forked_commands.run(given, env=os.environ, cwd=other), strict=True):
        assert (done.status, done.err) == (0, b""), command


@pytest.mark.parametrize("name", xpixels.PACKAGES)
def test_a_package_that_is_not_ours_is_told_in_one_line(name, tmp_path, made):
    theirs = tmp_path / "theirs" / name
    theirs.mkdir(parents=True)
    (theirs / "__init__.py").write_text("raise SystemExit('theirs')")
    settings = os.environ | {"PYTHONPATH": str(theirs.parent)}
    done = run("-P", "-c", INSTALLED, "db", "info", "--database", made, env=settings)
    assert done.returncode == 1
    where = f"the package {name} is taken from {theirs}, not from {ROOT / name}"
    assert done.stderr == f"xpixels: {where}: start xpixels in another folder, and without PYTHONPATH\n"


def test_what_is_started_starts_children_on_a_safe_path():
    """Also those that libraries start, as Dask's workers."""
    program = f"""import os, sys; sys.path.append({str(ROOT)!r}); import xpixels
try:
    xpixels.run()
except SystemExit:
    print(os.environ['PYTHONSAFEPATH'], os.environ.get('PYTHONPATH'))"""
    done = run("-P", "-c", program, "--version", env=os.environ | {"PYTHONPATH": "/nowhere"})
    assert done.stdout.splitlines() == [f"xpixels {xpixels.__version__}", "1 None"]


# ---- Terminals ---------------------------------------------------------------------------------------

TERMINALS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONUTF8": "1"},
)


STATEMENTS = (
    "select 'ünï … 🦌 → ≥ −' as text",
    "select 'x' as 'ü', '日本' as b",
    "select '" + "ö" * 100 + "' as long",
)
COMPLAINTS = (["ünï"], ["sql", "select ü from 日本"], ["db", "info", "--database", "ünï.db"])


@pytest.mark.parametrize("terminal", TERMINALS, ids=str)
def test_no_character_ends_an_answer_or_a_complaint(terminal, made, tmp_path):
    said = ("LC_", "LANG", "PYTHON")  # how to write characters
    settings = {name: value for name, value in os.environ.items() if not name.startswith(said)}
    settings |= {"XPIXELS_DATABASE_URL": str(made), **terminal}
    given = [*(["sql", statement] for statement in STATEMENTS), *COMPLAINTS]
    done = forked_commands.run(given, env=settings, cwd=tmp_path)
    answers, complaints = done[: len(STATEMENTS)], done[len(STATEMENTS) :]
    for statement, answer in zip(STATEMENTS, answers, strict=True):
        assert (answer.status, answer.err) == (0, b""), statement
        if "ascii" in str(terminal):
            assert b"..." in answer.out or "long" not in statement
            answer.out.decode("ascii")
    for words, complaint in zip(COMPLAINTS, complaints, strict=True):
        assert complaint.status in (1, 2), words
        assert complaint.err.count(b"\n") == 1, words
        assert complaint.err.startswith(b"xpixels"), words


def test_names_of_files_are_bytes(made, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.db"))
    made.rename(odd)
    target = Path(os.fsdecode(os.fsencode(tmp_path) + b"/kopi\xe9.db"))
    asked = (["db", "info"], ["db", "check"], ["sql", "select 1"], ["runs"], ["db", "backup", target])
    *answers, copied = forked_commands.run(
        [[*words, "--database", odd] for words in asked], env=os.environ, cwd=tmp_path
    )
    for words, answer in zip(asked, answers, strict=False):
        assert (answer.status, answer.err) == (0, b""), words
    assert copied.err.count(b"\n") <= 1
    assert target.exists() == (copied.status == 0)


# ---- Ctrl-C ------------------------------------------------------------------------------------------

RESUMES = ("demo", "ingest", "study")


@pytest.mark.parametrize("command", commands.commands())
def test_only_a_command_that_resumes_says_that_it_goes_on(command, tmp_path, monkeypatch, capsys):
    arguments = commands.arguments(command, database=tmp_path / "x.db", folder=tmp_path, png="x.png")
    options = xpixels.parser().parse_args(arguments)
    truth = options.stopped(options) if callable(options.stopped) else options.stopped
    assert truth
    assert (truth == xpixels.GOES_ON) == (command in RESUMES)


@pytest.fixture(scope="module")
def filled(migrated_file, tmp_path_factory):
    """A database that takes a while to copy."""
    path = Path(shutil.copy(migrated_file, tmp_path_factory.mktemp("filled") / "filled.db"))
    made = engine.create(path)
    database.fill(made, per_group=4, references=60)
    made.dispose()
    return path


def stop(words, when, seconds=30.0):
    """Run a command, stop it as Ctrl-C does once `when(process id)`; its status and its last line."""
    with subprocess.Popen(
        [sys.executable, ROOT / "xpixels.py", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until = time.monotonic() + seconds
        while not when(process.pid) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=30)[1]
    return process.returncode, err.splitlines()[-1]


READERS = ("sql", "export", "runs", "runs batches", "db info")


@pytest.mark.parametrize("command", ["db check", "db check --repair", "db backup", "db copy"])
def test_who_stops_reading_stops_no_work_and_changes_no_status(command, filled, tmp_path):
    """As `| head` does, or `| true`: what was asked for is done, and its status says how it went."""
    places = {"database": tmp_path / "x.db", "folder": tmp_path, "png": tmp_path / "x.png"}
    shutil.copy(filled, places["database"])
    if command.startswith("db check"):
        with closing(sqlite3.connect(places["database"])) as connection, connection:
            connection.execute("DELETE FROM samples WHERE id = 5")
    words = [sys.executable, str(ROOT / "xpixels.py"), *commands.arguments(command, **places)]

    def status(out) -> int:
        return subprocess.run(words, stdout=out, stderr=out, check=False).returncode

    reading, writing = os.pipe()
    os.close(reading)
    try:
        unread = status(writing)
    finally:
        os.close(writing)
    assert unread == (1 if command.startswith("db check") else 0)  # a drawn database is never wholly sound
    if command == "db check --repair":
        problems = upkeep.check(engine.create(places["database"], read_only=True))
        assert not [line for line in problems if "refer to nothing" in line]
    if command in ("db backup", "db copy"):
        assert (tmp_path / {"db backup": "copy.db", "db copy": "copied.db"}[command]).exists()


@pytest.mark.parametrize("command", READERS)
def test_who_only_reads_ends_with_its_reader(command, filled, tmp_path):
    options = xpixels.parser().parse_args(
        commands.arguments(command, database=filled, folder=tmp_path, png="x.png")
    )
    assert options.stopped is xpixels.ONLY_READS


def test_what_stops_a_command_before_it_begins_is_one_line(filled):
    """At any moment: while Python starts, modules are imported, options are read."""
    words = [sys.executable, str(ROOT / "xpixels.py"), "db", "info", "--database", str(filled)]
    for number in (signal.SIGINT, signal.SIGTERM):
        for wait in (0.1, 0.3):
            process = subprocess.Popen(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(wait)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
            assert "Traceback" not in err
            if process.returncode == 1:
                assert err.startswith("xpixels: stopped; ")
                assert err.count("\n") == 1
            elif process.returncode == 0:
                assert "revision" in out


def test_help_that_could_not_be_written_is_a_failure():
    for option in ("--help", "--version"):
        with open("/dev/full", "w", encoding="utf-8") as full:
            words = [sys.executable, str(ROOT / "xpixels.py"), option]
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        assert "standard output: there is no room" in done.stderr


def test_a_copy_that_is_stopped_leaves_nothing_and_says_so(filled, tmp_path):
    target = tmp_path / "target.db"
    status, line = stop(["db", "copy", filled, target], lambda _: any(tmp_path.glob(".target.db-*/*")))
    assert (status, line) == (1, "xpixels: stopped; no row was written, and the source is as it was")
    assert list(tmp_path.iterdir()) == []
    assert xpixels.main(["db", "copy", str(filled), str(target)]) == 0


def test_a_statement_that_is_stopped_says_that_it_only_read(filled):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"

    def has_opened(process: int) -> bool:
        return str(filled) in (file.path for file in psutil.Process(process).open_files())

    status, line = stop(["sql", endless, "--database", filled], has_opened)
    assert (status, line) == (1, "xpixels: stopped; it only reads: nothing was changed")


def test_a_fetch_that_is_stopped_keeps_nothing_and_says_so(tmp_path, monkeypatch):
    """From a pipe that nobody writes to, as from a server that is silent."""
    cache, silent = tmp_path / "cache", tmp_path / "silent"
    silent.mkdir()
    monkeypatch.setenv("XPIXELS_CACHE", str(cache))
    for file in cifar10.CIFAR10:
        os.mkfifo(silent / file.name)
    pipes = []

    def reads(_process: int) -> bool:
        for file in cifar10.CIFAR10:
            with suppress(OSError):  # as long as nobody reads it
                pipes.append(os.open(silent / file.name, os.O_WRONLY | os.O_NONBLOCK))
        return bool(pipes)

    status, line = stop(["data", "fetch", "cifar10", "--from", silent], reads)
    for pipe in pipes:
        os.close(pipe)
    assert (status, line) == (1, "xpixels: stopped; nothing was kept: the same command begins anew")
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_what_a_full_disk_leaves_is_what_is_true_of_the_command(tmp_path):
    """`db copy` promised that the same command goes on from there."""
    for command in commands.commands():
        arguments = commands.arguments(command, database=tmp_path / "x.db", folder=tmp_path, png="x.png")
        options = xpixels.parser().parse_args(arguments)
        line = xpixels._told(OSError(28, "No space left on device", "x"), options)
        assert line.startswith("x: there is no room left on the disk; make room: ")
        assert ("goes on from there" in line) == (command in (*RESUMES, "train")), json.dumps(line)
