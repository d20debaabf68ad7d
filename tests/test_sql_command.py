"""`xpixels sql` and `xpixels export`: where a statement comes from, and where the answer goes."""

import io
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest

import xpixels
from db import engine
from tests.support import forked_commands, small_database

ROOT = Path(__file__).parents[1]
TEXT = "naïve 🦌 „Wald“"
ASKED = f"SELECT 1 AS one, '{TEXT}' AS two"


@pytest.fixture(scope="module")
def database(migrated_file, tmp_path_factory):
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("sql") / "xpixels.db")
    made = engine.create(path)
    with engine.writing(made) as connection:
        small_database.fill(connection)
    made.dispose()
    return str(path)


@pytest.fixture
def ask(database, capsysbinary):
    """Runs a command; gives its exit status, its standard output and its one line of complaint."""

    def run(*arguments: str) -> tuple[int, bytes, str]:
        try:
            status = xpixels.main([*map(str, arguments), "--database", database])
        except SystemExit as ended:
            status = ended.code
        out, err = capsysbinary.readouterr()
        assert err.count(b"\n") <= 1
        return status, out, err.decode().strip()

    return run


def start(*arguments: str | bytes, database: str, **options) -> subprocess.Popen:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "xpixels", *arguments, "--database", database]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def tell(answer: forked_commands.Said) -> tuple[int, bytes, str]:
    """Exit status, standard output and complaint."""
    return answer.status, answer.out, answer.err.decode().strip()


# ---- Where a statement comes from ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        ASKED.encode(),
        b"\xef\xbb\xbf" + ASKED.encode(),
        f"-- what it asks\n{ASKED};\n-- and no more\n".encode(),
        f"\r\n{ASKED} ;;\r\n".encode(),
    ],
    ids=["plain", "with a mark", "with comments", "with line ends of Windows"],
)
def test_a_statement_comes_from_a_file_in_utf_8(ask, tmp_path, content):
    file = tmp_path / "asked.sql"
    file.write_bytes(content)
    for arguments in (["-f", file], ["--file", file]):
        status, out, said = ask("sql", *arguments, "--csv")
        assert (status, out.decode(), said) == (0, f"one,two\n1,{TEXT}\n", "")


def test_a_statement_comes_from_standard_input(database):
    asked = [["sql", *words, "--csv", "--database", database] for words in ([], ["-"], ["-f", "-"])]
    for answer in forked_commands.run(asked, given=[f"{ASKED};\n".encode()] * 3):
        assert tell(answer) == (0, f"one,two\n1,{TEXT}\n".encode(), "")


def test_a_terminal_is_not_waited_for(database):
    _, terminal = pty.openpty()
    with start("sql", database=database, stdin=terminal) as process:
        out, err = process.communicate(timeout=60)
    os.close(terminal)
    assert (process.returncode, out) == (2, b"")
    assert b"the following arguments are required: STATEMENT, or -f FILE, or a statement on standard" in err


NO_STATEMENTS = (
    ([], b" \n", 2, "required: STATEMENT, or -f FILE"),
    (["-"], b" \n", 1, "No statement: write one, as"),
    (["-f", "none.sql"], b"", 1, "none.sql cannot be read: No such file or directory."),
    (["-f", "."], b"", 1, ". cannot be read: Is a directory."),
    (
        ["-f", "docs/case.png"],
        b"",
        1,
        "docs/case.png is no UTF-8 at byte 0: expected a statement in UTF-8.",
    ),
    (["-"], "SELECT 'é'".encode("latin-1"), 1, "standard input is no UTF-8 at byte 8"),
    (["SELECT 1", "-f", "x.sql"], b"", 2, "argument -f/--file: not beside a STATEMENT"),
    (["-", "-f", "-"], b"SELECT 1", 2, "argument -f/--file: not beside a STATEMENT"),
    ([], b"SELECT 1; SELECT 2", 1, "one statement at a time"),
    ([], b"SELECT 1; DELETE FROM cases", 1, "one statement at a time"),
    ([], b"DELETE FROM cases", 1, "Only a statement that reads"),
    ([], b"SELECT 1\0", 1, "null character"),
)


def test_what_is_no_statement_is_told_in_one_line(database):
    asked = [["sql", *arguments, "--database", database] for arguments, *_ in NO_STATEMENTS]
    answers = forked_commands.run(asked, given=[given for _, given, *_ in NO_STATEMENTS], cwd=ROOT)
    for (arguments, given, status, said), answer in zip(NO_STATEMENTS, answers, strict=True):
        ended, out, line = tell(answer)
        assert (ended, out) == (status, b""), (arguments, given)
        assert said in line, (arguments, given)
        assert "\n" not in line, (arguments, given)


# ---- Which form ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["sql", ASKED], ["export", "case_overview"]], ids=["sql", "export"])
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "CSV"])
def test_the_ending_of_a_file_says_its_form(ask, tmp_path, command, ending):
    path = tmp_path / f"made.{ending}"
    assert ask(*command, "--output", path) == (0, b"", "")
    status, out, _ = ask(*command, f"--{ending.lower()}")
    assert (status, out) == (0, path.read_bytes())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_parquet_of_a_statement_has_its_columns(ask):
    status, out, _ = ask("sql", "SELECT id, kind, confidence, attack_id FROM cases ORDER BY id", "--parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(out))
    assert status == 0
    assert [str(field.type) for field in table.schema] == ["int64", "string", "double", "int64"]
    assert table["id"].to_pylist() == [1, 2, 3, 4]


def test_an_export_without_anything_else_is_csv(ask):
    assert ask("export", "classes") == ask("export", "classes", "--csv")


def test_runs_go_to_a_file_too(ask, tmp_path):
    for name in ("runs.csv", "runs.json"):
        assert ask("runs", "--output", tmp_path / name) == (0, b"", "")
    assert json.loads((tmp_path / "runs.json").read_bytes())[0]["stage"]
    assert (tmp_path / "runs.csv").read_bytes() == ask("runs", "--csv")[1]
    assert "expected a name that ends in .csv, .json" in ask("runs", "--output", tmp_path / "runs.parquet")[2]


@pytest.mark.parametrize(
    "command", [["sql", ASKED], ["export", "cases"], ["runs"]], ids=["sql", "export", "runs"]
)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--output", "c.xlsx"], "argument --output: c.xlsx: expected a name that ends in .csv, .json"),
        (["--output", "c"], "c: expected a name that ends in .csv, .json"),
        (["--output", "csv"], "csv: expected a name that ends in .csv, .json"),
        (["--output", ".csv"], ".csv: expected a name that ends in .csv, .json"),
        (["--output", "c.csv.gz"], "c.csv.gz: expected a name that ends in .csv, .json"),
        (
            ["--output", "c.json", "--csv"],
            "argument --output: c.json contradicts --csv; leave one of them out",
        ),
        (["--json", "--csv"], "not allowed with argument"),
        (["--force"], "argument --force: expected --output FILE beside it"),
    ],
)
def test_a_form_that_is_not_clear_is_wrong_usage(ask, tmp_path, monkeypatch, command, options, said):
    monkeypatch.chdir(tmp_path)
    status, out, line = ask(*command, *options)
    assert (status, out) == (2, b"")
    assert said in line
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_not_for_a_terminal(database):
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "xpixels", "export", "cases", "--parquet", "--database", database]
    done = subprocess.run(command, cwd=ROOT, stdout=terminal, stderr=subprocess.PIPE, timeout=60)
    os.close(terminal)
    os.close(screen)
    assert done.returncode == 2
    assert (
        b"argument --parquet: not for a terminal; name a file with --output FILE, or redirect" in done.stderr
    )


# ---- What is written, whole or not at all --------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["sql", ASKED], ["export", "cases"], ["runs"]], ids=["sql", "export", "runs"]
)
def test_a_file_that_is_there_stays_without_force(ask, tmp_path, command):
    path = tmp_path / "precious.json"
    path.write_text("precious", "utf-8")
    status, out, line = ask(*command, "--output", path)
    assert (status, out) == (1, b"")
    assert line == f"xpixels: {path} is there already: name another file, or give --force to replace it."
    assert path.read_text("utf-8") == "precious"
    assert ask(*command, "--output", path, "--force") == (0, b"", "")
    assert json.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sql", "SELECT nothing FROM nowhere"], "syntax error"),
        (["sql", "DELETE FROM cases"], "Only a statement that reads"),
        (["sql", "SELECT 1 AS a, 2 AS a"], "Two columns are called a"),
        (["sql", "SELECT 1 AS a UNION ALL SELECT 9e999"], "infinite numbers: row 2"),
        (
            [
                "sql",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
                "--timeout",
                "0.1",
            ],
            "Stopped after 0.1 seconds",
        ),
        (["export", "passwords"], "no table or view passwords"),
        (["export", "cases", "--limit", "0"], "row limit is 0"),
    ],
    ids=["mistake", "writing", "names", "infinite", "time", "name", "limit"],
)
@pytest.mark.parametrize("there", [True, False], ids=["there", "new"])
def test_what_fails_leaves_what_was_there(ask, tmp_path, arguments, said, there):
    path = tmp_path / "precious.json"
    if there:
        path.write_text("precious", "utf-8")
    status, out, line = ask(*arguments, "--output", path, "--force")
    assert (status, out) == (1, b"")
    assert said in line
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == ["precious"] * there


MUCH = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) "
    "SELECT i, HEX(RANDOMBLOB(8)) AS t FROM n"
)


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_a_full_disk_leaves_what_was_there(ask, tmp_path, form):
    there, new = tmp_path / f"precious.{form}", tmp_path / f"new.{form}"
    there.write_text("precious", "utf-8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # bytes that a file may have
    try:
        answers = [ask("sql", MUCH, "--output", path, "--force") for path in (there, new)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for path, answer in zip((there, new), answers, strict=True):
        said = (
            "could not be written: File too large; nothing was changed: make room, or name a file elsewhere."
        )
        assert answer == (1, b"", f"xpixels: {path} {said}")
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == ["precious"]


# Read at once, and written for long.
LONG = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) "
    "SELECT i, HEX(ZEROBLOB(2000)) AS t FROM n"
)


@pytest.mark.parametrize("there", [True, False], ids=["there", "new"])
def test_a_stop_while_a_file_is_written_leaves_what_was_there(database, tmp_path, there):
    path = tmp_path / "precious.csv"
    if there:
        path.write_text("precious", "utf-8")
    asked = ["sql", LONG, "--output", str(path), "--force"]
    with start(*asked, database=database) as process:
        while not [file for file in tmp_path.iterdir() if file != path]:  # it has begun to write
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)  # as Ctrl-C; a job in the background ignores SIGINT
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (
        1,
        b"",
        b"xpixels: stopped; it only reads: nothing was changed\n",
    )
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == ["precious"] * there


def test_a_file_that_cannot_be_made_is_told_before_the_statement_runs(ask, tmp_path):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    for path, said in (
        (tmp_path / "none" / "a.csv", "No folder"),
        (tmp_path, "expected a name that ends in"),
    ):
        status, out, line = ask("sql", endless, "--timeout", "inf", "--output", path)
        assert (status in (1, 2), out) == (True, b"")
        assert said in line
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in ask("sql", endless, "--timeout", "inf", "--output", tmp_path / "folder.csv")[2]


# ---- Encodings -----------------------------------------------------------------------------------

NARROW = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "iso-8859-1"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("settings", NARROW.values(), ids=NARROW)
def test_data_on_standard_output_is_utf_8_whatever_a_terminal_has(database, settings, tmp_path):
    path = tmp_path / "made.csv"
    asked = (
        ["sql", "--csv"],
        ["sql", "--jsonl"],
        ["sql", ASKED, "--output", path],
        ["db", "info", "--json"],
        ["runs", "--json"],
    )
    csv, jsonl, _, *others = map(
        tell,
        forked_commands.run(
            [[*words, "--database", database] for words in asked],
            given=[ASKED.encode()] * len(asked),
            env=os.environ | settings,
        ),
    )
    assert csv == (0, f"one,two\n1,{TEXT}\n".encode(), "")
    assert jsonl == (0, f'{{"one": 1, "two": "{TEXT}"}}\n'.encode(), "")
    assert path.read_bytes().decode() == f"one,two\n1,{TEXT}\n"
    for status, out, said in others:
        assert (status, said) == (0, "")
        assert json.loads(out.decode())


def test_a_full_disk_behind_standard_output_is_told(database):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "xpixels", "export", "layers", "--database", database]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(b"xpixels: standard output: there is no room left on the disk")
    assert done.stderr.count(b"\n") == 1
