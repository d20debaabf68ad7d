"""Who is let in to the dashboard, with how much, and how a password is given."""

import base64
import http.client
import socket
import threading
import urllib.error
import urllib.request

import pytest

import db.engine
import db.migrate
import xpixels
from dashapp.app import create_app
from dashapp.http import password as doors
from dashapp.server import serve
from tests.support import database

PASSWORD = "grün & långt, with: colons"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("doors") / "cases.db"
    engine = db.engine.create(path)
    db.migrate.upgrade(engine)
    database.fill(engine, per_group=1, references=60, evidence=False)
    engine.dispose()
    return path


@pytest.fixture(scope="module")
def engine(path):
    engine = db.engine.create(path, read_only=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def kept(engine):
    """A client of a dashboard with a password, under a base path."""
    app = create_app(engine, writer=engine, base_path="/xp/", password=PASSWORD)
    return app.server.test_client()


def basic(password, user="anybody", scheme="Basic"):
    return {"Authorization": f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def one_line(answer):
    assert answer.mimetype == "text/plain"
    assert answer.text.count("\n") == 1
    return answer.text


def test_every_address_but_the_health_check_wants_the_password(kept):
    rules = kept.application.url_map.iter_rules()
    addresses = {rule.rule.replace("<any(csv, parquet):form>", "csv") for rule in rules}
    assert {"/xp/", "/xp/_dash-update-component", "/xp/export/cases.csv", "/xp/<path:path>"} <= addresses
    for address in [*addresses, "/", "/xp/healthz/", "/xp//healthz", "/healthz", "/xp/assets/base.css"]:
        for ask in (kept.get, kept.post, kept.head, kept.put, kept.options):
            answer = ask(address)
            if address != "/xp/healthz":
                assert answer.status_code == 401, (address, ask)
                assert answer.headers["WWW-Authenticate"] == doors.CHALLENGE
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "password" in one_line(kept.get("/xp/"))
    assert kept.get("/xp/healthz").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("wrong"),
        basic(""),
        basic(PASSWORD[:-1]),
        basic(PASSWORD + "x"),
        basic(PASSWORD.upper()),
        basic(PASSWORD, scheme="Digest"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode().rstrip("=")},
        {"Authorization": f"Bearer {PASSWORD.encode().hex()}"},
        {"Authorization": 'Digest username="a", response="b"'},
        {"Cookie": "password=1"},
    ],
    ids=range(14),
)
def test_another_password_is_none(kept, headers):
    assert kept.get("/xp/", headers=headers).status_code == 401


def test_the_password_opens_pages_whatever_the_user_is_called(kept):
    for headers in (basic(PASSWORD), basic(PASSWORD, user="")):
        assert kept.get("/xp/", headers=headers).status_code == 200
    assert kept.get("/xp/export/cases.csv?partition=all", headers=basic(PASSWORD)).status_code == 200


def test_without_a_password_nobody_is_asked(engine):
    assert create_app(engine).server.test_client().get("/").status_code == 200


def test_a_request_that_is_too_large_is_refused_in_one_line(engine):
    client = create_app(engine).server.test_client()
    for address in ("/_dash-update-component", "/", "/images/x.png"):
        answer = client.post(
            address, data=b" " * (doors.LARGEST_REQUEST + 1), content_type="application/json"
        )
        assert answer.status_code == 413, address
        assert f"{doors.LARGEST_REQUEST:,} bytes" in one_line(answer)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])
def test_an_address_that_others_reach_is_not_served_without_a_password(path, monkeypatch, capsys, host):
    monkeypatch.delenv(doors.ENVIRONMENT, raising=False)
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    assert xpixels.main(["serve", "--database", str(path), "--host", host, "--port", "0"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"xpixels: --host {host} is open to others: set XPIXELS_PASSWORD, or name a file that holds a "
        "password with --password-file.\n"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_this_machines_own_address_needs_none(path, host):
    class Ready(Exception):
        """Leaves `serve` at the moment that it says it is ready."""

    def ready(_address):
        raise Ready

    with pytest.raises(Ready):
        serve(path, host=host, port=0, ready=ready)


def test_a_server_for_others_asks_for_the_password_and_refuses_what_is_too_large(path):
    """Over the network, as waitress answers before the app is asked."""
    addresses, ready = [], threading.Event()

    def told(address):
        addresses.append(address.replace("0.0.0.0", "127.0.0.1"))
        ready.set()

    threading.Thread(
        target=serve,
        args=(path,),
        kwargs={"host": "0.0.0.0", "port": 0, "password": PASSWORD, "ready": told},
        daemon=True,
    ).start()
    assert ready.wait(20)

    def status(to, **headers):
        request = urllib.request.Request(addresses[0] + to, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.status

    assert status("/healthz") == 200
    assert status("/") == 401
    assert status("/", **basic(PASSWORD)) == 200
    # Told from its length, before a byte of it is taken.
    connection = http.client.HTTPConnection(addresses[0].removeprefix("http://"), timeout=20)
    connection.putrequest("POST", "/_dash-update-component")
    connection.putheader("Content-Length", str(doors.LARGEST_REQUEST + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_password_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(doors.ENVIRONMENT, raising=False)
    assert doors.read_password() is None
    monkeypatch.setenv(doors.ENVIRONMENT, "")
    assert doors.read_password() is None
    monkeypatch.setenv(doors.ENVIRONMENT, "of the environment")
    assert doors.read_password() == "of the environment"
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nwhat follows is none of it\n", "utf-8")
    assert doors.read_password(file) == PASSWORD


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "has 0 characters; expected 8 or more"), (b"short\n", "has 5"), (b"\xff" * 9, "no text in UTF-8")],
    ids=["empty", "short", "bytes"],
)
def test_what_is_no_password_is_refused_in_one_line(path, tmp_path, capsys, content, words):
    file = tmp_path / "password"
    file.write_bytes(content)
    assert xpixels.main(["serve", "--database", str(path), "--password-file", str(file)]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert str(file) in said
    assert said.count("\n") == 1


def test_a_password_file_that_is_missing_is_named(path, tmp_path, capsys):
    assert xpixels.main(["serve", "--database", str(path), "--password-file", str(tmp_path / "none")]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_a_password_that_is_too_short_in_the_environment_is_not_shown(path, monkeypatch, capsys):
    monkeypatch.setenv(doors.ENVIRONMENT, "hunter2")
    assert xpixels.main(["serve", "--database", str(path)]) == 1
    said = capsys.readouterr().err
    assert "XPIXELS_PASSWORD has 7 characters" in said
    assert "hunter2" not in said
