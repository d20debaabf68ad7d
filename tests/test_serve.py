"""Serving: the process, its start, and what keeps it from serving."""

import re
import shutil
import socket
import subprocess
import sys

import pytest

import db.engine
import xpixels
from dashapp.server import serve
from tests.support import database


@pytest.fixture(scope="module")
def path(migrated_file, tmp_path_factory):
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("serve") / "cases.db")
    engine = db.engine.create(path)
    database.fill(engine, per_group=1, references=60, evidence=False)
    engine.dispose()
    return path


def test_the_process_answers_without_what_only_computing_needs(path, pytestconfig):
    script = """
import sys
import db.engine
from dashapp.app import create_app
import dashapp.server
client = create_app(db.engine.create(sys.argv[1], read_only=True)).server.test_client()
assert client.get("/").status_code == 200
assert not {"jax", "flax", "optax", "model", "ingest", "pandas", "scipy"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=pytestconfig.rootpath, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--database", "{missing}"], ("No database at", "xpixels demo")),
        (["--database", "mysql://nowhere/x"], ("Not a database",)),
        (["--database", "{path}", "--port", "70000"], ("Port 70000", "1 to 65535")),
        (["--database", "{path}", "--port", "{taken}"], ("Port {taken} on 127.0.0.1 is in use", "--port")),
        (["--database", "{path}", "--host", "no.such.host.invalid"], ("no.such.host.invalid",)),
    ],
)
def test_what_keeps_it_from_serving_is_one_line_and_exit_status_1(path, tmp_path, capsys, arguments, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"path": path, "missing": tmp_path / "missing.db", "taken": taken.getsockname()[1]}
        assert xpixels.main(["serve", *(argument.format(**values) for argument in arguments)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert all(word.format(**values) in said.err for word in words), said.err


def test_serve_tells_its_address_once_it_listens(path):
    class Ready(Exception):
        """Leaves `serve` at the moment that it says it is ready."""

    def ready(address):
        host, port = re.fullmatch(r"http://([\d.]+):(\d+)/x", address).groups()
        with socket.create_connection((host, int(port)), timeout=5):
            raise Ready

    with pytest.raises(Ready):
        serve(path, port=0, base_path="x", ready=ready)
