"""No password is printed: not in a refusal, not in the help, not in a list of processes, not in a row."""

import os
import pickle
import re
from pathlib import Path

import pytest

import xpixels
from db import address, engine, migrate
from db.commands import upkeep
from tests.support import commands, forked_commands, fresh_database, postgres_server

SECRET = "s3cr3t"
ROOT = Path(xpixels.__file__).parent
# Whole addresses and malformed ones; each holds the password.
ADDRESSES = (
    f"postgresql://me:{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:{SECRET}@nohost.invalid/db",
    f"postgres://me:{SECRET}@h/db",
    f"mysql://me:{SECRET}@h/db",
    f"oracle+cx://me:{SECRET}@h/db",
    f"POSTGRES://me:{SECRET}@h/db",
    f"postgresql+psycopg2://me:{SECRET}@h/db",
    f"postgresql+asyncpg://me:{SECRET}@h/db",
    f"sqlite+aiosqlite://me:{SECRET}@h/db",
    f"sqlite://me:{SECRET}@h/x.db",
    f"postgresql://me:{SECRET}@more@h/db",
    f"postgresql://me:more@{SECRET}@h/db",
    f"postgresql://me:{SECRET}/more@h/db",
    f"postgresql://me:more/{SECRET}@h/db",
    f"postgresql://me:{SECRET}#?:@h/db",
    f"postgresql://me:{SECRET} more@h/db",
    f"postgresql://me:{SECRET}",
    f"postgresql://me:{SECRET}/db",
    f"postgresql://me@h:{SECRET}/db",
    f"postgresql://:{SECRET}@h/db",
    f"postgresql:me:{SECRET}@h/db",
    f"postgresql:/me:{SECRET}@h/db",
    f"me:{SECRET}@h/db",
    f"postgresql://me:{SECRET}@h:port/db",
    f"postgresql://me:{SECRET}@h:99999/db",
    f"postgresql://me:{SECRET}@[::1/db",
    f"postgresql://127.0.0.1:1/db?password={SECRET}",
    f"postgresql://127.0.0.1:1/db?user=me&sslpassword={SECRET}&application_name=x",
    f"postgresql://me:{SECRET}@127.0.0.1:1/db?nothing=known",
    f"host=h user=me password={SECRET} dbname=db",
    f"host=h user=me password='{SECRET} more' dbname=db",
    f"https://me:{SECRET}@h/db",
    f"postgresql//me:{SECRET}@h/db",
    f"//me:{SECRET}@h/db",
    f" postgresql://me:{SECRET}@h/db",
    f"postgresql://127.0.0.1:1/db;password={SECRET}",
    f"postgresql://me%3A{SECRET}@127.0.0.1:1/db",
    f"sqlite:///x.db?password={SECRET}",
    f"Server=h;Password={SECRET};Database=db",
)


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_shown_without_its_password(text):
    assert SECRET not in address.shown(text)
    assert SECRET not in repr(address.Address(text))
    said = address.hide_passwords(f"error: unrecognized arguments: {text} --more")
    assert SECRET not in said
    assert said.startswith("error: unrecognized arguments: ")
    if "***@" not in address.shown(text):
        return
    expected = " expected 1 (cifar10-cnn@cifar10-sample)"
    assert address.hide_passwords(f"--network {address.shown(text)}:{expected}").endswith(expected)
    try:
        answer = address.shown(address.parse(text))
    except ValueError as error:
        answer = str(error)
    assert SECRET not in answer
    assert "\n" not in answer


@pytest.mark.parametrize(
    "text", ["no table at 12:30, a.b@c", "/tmp/a:b@c.db", "postgresql://me@h:5432/db", "x.db"]
)
def test_what_holds_no_password_is_shown_as_it_is(text):
    assert address.shown(text) == text


@pytest.mark.parametrize("text", [one for one in ADDRESSES if "://" in one])
def test_what_was_expected_can_be_read_behind_the_address(text):
    """What is printed is looked through again, as it may hold an address that a library was given."""
    try:
        line = address.shown(address.parse(text))
    except ValueError as error:
        line = str(error)
    assert address.hide_passwords(line) == line


def said(arguments, capsys):
    try:
        status = xpixels.main(arguments)
    except SystemExit as ended:
        status = ended.code
    out, err = capsys.readouterr()
    return status, out + err


@pytest.mark.parametrize("command", commands.commands())
def test_no_command_prints_the_password_of_an_address(
    command, tmp_path, tmp_path_factory, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))  # some addresses are names of files, too
    number = commands.commands().index(command)
    for text in ADDRESSES[number % 7 :: 7]:  # each address with two commands or three
        arguments = commands.arguments(command, database=text, folder=tmp_path, png="x.png")
        if command in (*commands.WITHOUT_DATABASE, "evaluate"):  # without a database: as a word too many
            arguments.append(text)
        if command in ("check", "data fetch"):  # in the place of a file
            there = ["check", text, "--database", str(tmp_path)]
            there = there if command == "check" else [*command.split(), "cifar10", "--from", text]
            assert SECRET not in said(there, capsys)[1], text
        status, printed = said(arguments, capsys)
        assert status in (1, 2), text
        assert SECRET not in printed, text
        # a word too many, a misspelled option, and the environment
        assert SECRET not in said([*command.split(), text, text, text], capsys)[1]
        assert SECRET not in said([*command.split(), f"--databas={text}"], capsys)[1]
        monkeypatch.setenv(address.ENVIRONMENT, text)
        assert SECRET not in said([*command.split(), "--help"], capsys)[1]
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".log"] == []


def test_postgres_is_explained(capsys):
    status, printed = said(["db", "info", "--database", "postgres://h/db"], capsys)
    assert status == 1
    assert "write postgresql:// for postgres://" in printed


def test_the_demo_hands_the_address_over_in_the_environment(tmp_path, monkeypatch):
    """Every user of a machine sees what a process was started with."""
    started = {}
    monkeypatch.setattr("ingest.command.run", lambda url, batch, **names: None)
    monkeypatch.setattr(
        os, "execve", lambda path, words, settings: started.update(words=words, settings=settings)
    )
    url = f"postgresql://me:{SECRET}@h/db"
    assert xpixels.main(["demo", "--port", "0", "--database", url]) == 0
    assert SECRET not in " ".join(started["words"])
    assert started["settings"][address.ENVIRONMENT] == url
    assert started["words"][-3:-1] != ["--database", url]


def test_no_child_process_is_started_with_an_address():
    """Sources of the program and of the benchmarks: an address goes into the environment of a child."""
    found = []
    folders = (ROOT / name for name in (*xpixels.PACKAGES, "benchmarks"))
    for path in (ROOT / "xpixels.py", *(source for folder in folders for source in folder.rglob("*.py"))):
        text = path.read_text("utf-8")
        starts = re.search(r"(Popen|subprocess\.run|os\.exec\w+)\(", text)
        if starts and re.search(r"""[\[(,]\s*["']--database["'],""", text.replace("add_argument(", "")):
            found.append(path.name)
    assert found == []


def test_an_address_that_is_whole_never_shows_its_password():
    """As what Dask's workers get: their log has the representations of a task's arguments."""
    whole = re.compile(r"^.*hide_password=False.*$", re.MULTILINE)
    sources = (source for name in xpixels.PACKAGES for source in (ROOT / name).rglob("*.py"))
    texts = [path.read_text("utf-8") for path in sources if path.name != "address.py"]
    lines = [line for text in texts for line in whole.findall(text)]
    assert lines
    assert [line for line in lines if "Address(" not in line] == []
    sent = pickle.loads(pickle.dumps(address.Address(f"postgresql://me:{SECRET}@h/db")))
    assert SECRET in sent
    assert SECRET not in f"{sent!r} {(sent,)} {[sent]}"


@pytest.mark.postgresql
def test_what_tells_of_a_server_hides_its_password(migrated_server, tmp_path):
    """The server lets everybody in, whatever the password."""
    plain = postgres_server.make(migrated_server, "secrets", template=fresh_database.TEMPLATE)
    url = plain.replace("postgres@", f"postgres:{SECRET}@")
    assert SECRET in url
    for form in (url, f"{plain}&password={SECRET}"):
        database = engine.create(form)
        migrate.upgrade(database)
        assert SECRET not in migrate.name(database)
        assert SECRET not in str(upkeep.info(database))
        assert SECRET not in upkeep.info(database).as_json().decode()
        with pytest.raises(ValueError, match="pg_dump") as caught:
            upkeep.backup(database, tmp_path / "copy.db")
        assert SECRET not in str(caught.value)
        asked = ("db info", "db check", "tune", "runs", "sql", "db backup")
        places = {"database": form, "folder": tmp_path, "png": "x.png"}
        answers = forked_commands.run([commands.arguments(command, **places) for command in asked])
        for command, answer in zip(asked, answers, strict=True):
            printed = (answer.out + answer.err).decode()
            assert SECRET not in printed, command
            assert "Traceback" not in printed, command
        with database.connect() as connection:
            query = "SELECT CAST(parameters AS TEXT), message, process FROM runs"
            rows = connection.exec_driver_sql(query).all()
        assert SECRET not in str(rows)
        database.dispose()
