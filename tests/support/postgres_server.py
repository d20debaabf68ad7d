"""A PostgreSQL server of the tests' own: Debian's, in a folder that goes with it, on a Unix socket alone.

From version 15 on its text is sorted as in English and not by bytes, as on most people's servers.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL

DEBIAN = "/usr/lib/postgresql"  # a folder a version
SETTINGS = ("fsync=off", "full_page_writes=off", "listen_addresses=", "autovacuum=off")


@contextmanager
def running() -> Iterator[URL]:
    """A server; gives the address of its database `postgres`, to be left alone."""
    folder = Path(tempfile.mkdtemp(prefix="xpixels-"))  # short: a socket's path has at most 107 characters
    account = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    own = os.environ | {"HOME": str(folder)}

    def run(name: str, *arguments: str) -> None:
        command = [str(programs() / name), "--pgdata", str(data), *arguments]
        log = (folder / "log").open("ab")
        with log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=own, **account
            )
        assert done.returncode == 0, (folder / "log").read_text()

    try:
        locale = ["--encoding=UTF8", "--locale=C.UTF-8"]
        if version() >= 15:
            locale += ["--locale-provider=icu", "--icu-locale=en-US"]
        run("initdb", "--username=postgres", "--auth=trust", "--no-sync", *locale)
        options = [f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={folder}")]
        run("pg_ctl", "--wait", "--options", " ".join(options), "start")
        try:
            yield URL.create(
                "postgresql", username="postgres", database="postgres", query={"host": str(folder)}
            )
        finally:
            run("pg_ctl", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path(DEBIAN).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert versions, "PostgreSQL is not installed: run `make test`, or `apt-get install postgresql`."
    return versions[-1].parent


def version() -> int:
    """The server's main version."""
    said = subprocess.run([programs() / "initdb", "--version"], capture_output=True, text=True, check=True)
    return int(re.search(r"[0-9]+", said.stdout)[0])


def make(server: URL, name: str, *, template: str = "template1") -> str:
    """A new database on the server, a copy of `template`, by default empty; gives its address."""
    _run(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return server.set(database=name).render_as_string()


def drop(server: URL, name: str) -> None:
    """Takes a database off the server, whoever is still connected to it."""
    _run(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _run(server: URL, statement: str) -> None:
    with psycopg.connect(
        host=server.query["host"], user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(statement)
