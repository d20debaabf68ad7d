"""By which names the dashboard answers, and whose pages may write to it."""

import http.client
import http.server
import json
import shutil
import socket
import sqlite3
import threading
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

import db.engine
import xpixels
from dashapp.app import create_app
from dashapp.http import host_names
from dashapp.options import add_options, as_arguments, serve_keywords
from db.commands.parser import Parser
from tests.support import database, forked_dashboards
from tests.support.callback_bodies import bodies_of, note

pytest_plugins = ("tests.support.browser",)

OWN = ["pixels.example.org", ".lab.example.org"]
KNOWN = (
    *(
        "localhost",
        "LocalHost",
        "localhost.",
        "localhost:8050",
        "localhost.:1",
        "127.0.0.1",
        "127.0.0.1:8050",
    ),
    *(
        "127.9.9.9",
        "[::1]",
        "[::1]:8050",
        "[::ffff:127.0.0.1]",
        "192.168.1.7:80",
        "[2001:db8::1]",
        "0.0.0.0:1",
    ),
    *("pixels.example.org", "PIXELS.example.ORG:443", "pixels.example.org.", "pixels.example.org.:8050"),
    *("lab.example.org", "a.lab.example.org", "a.b.lab.example.org:1", "A.LAB.EXAMPLE.ORG."),
)
STRANGE = (
    *(
        "evil.example",
        "evil.example:8050",
        "localhost.evil.example",
        "evil.localhost",
        "127.0.0.1.evil.example",
    ),
    *("pixels.example.org.evil.example", "xpixels.example.org", "example.org", "a.pixels.example.org"),
    *(
        "evillab.example.org",
        "lab.example.org.evil",
        "0x7f.0.0.1",
        "127.1",
        "2130706433",
        "0127.0.0.1",
        "local_host",
    ),
)
MALFORMED = (
    *(
        "",
        " ",
        "a b",
        "localhost localhost",
        "localhost,evil.example",
        "evil.example,localhost",
        "localhost/",
    ),
    *(
        "localhost:x",
        "localhost:80:80",
        "localhost:999999",
        "user@localhost",
        "http://localhost",
        "[::1",
        "::1",
    ),
    *(
        "[localhost]",
        "[::1]x",
        "localhost..",
        "..",
        ".",
        "-a",
        "a-",
        "a..b",
        ".a",
        "localhost#",
        "localhost?",
        "é",
    ),
    *(
        "localhost%00",
        "localhost\\",
        "*",
        "*.lab.example.org",
        "a" * 300,
        "a." * 200,
        "<script>",
        "[fe80::1%eth0]",
    ),
)
ADDRESSES = ("/", "/healthz", "/case/1", "/detectors", "/nothing", "/assets/base.css", "/export/cases.csv")
ADDRESSES += ("/_dash-layout", "/_dash-dependencies", "/images/x.png", "/_favicon.ico", "/xp", "//", "/%00")


@pytest.fixture(scope="module")
def path(migrated_file, tmp_path_factory):
    path = shutil.copy(migrated_file, tmp_path_factory.mktemp("hosts") / "cases.db")
    engine = db.engine.create(path)
    database.fill(engine, per_group=1, references=60, evidence=False)
    engine.dispose()
    return path


@pytest.fixture(scope="module")
def app(path):
    writer = db.engine.create(path, existing=True)
    return create_app(db.engine.create(path, read_only=True), writer=writer, hosts=OWN)


@pytest.fixture
def client(app):
    return app.server.test_client()


@pytest.mark.parametrize("host", KNOWN)
def test_addresses_and_the_own_names_are_answered(client, host):
    for address in ("/", "/healthz", "/case/1"):
        assert client.get(address, headers={"Host": host}).status_code == 200, address


@pytest.mark.parametrize("host", STRANGE)
def test_another_name_is_answered_nowhere_and_told_the_option(client, app, host):
    rules = {rule.rule.replace("<any(csv, parquet):form>", "csv") for rule in app.server.url_map.iter_rules()}
    for address in {*ADDRESSES, *rules}:
        for ask in (client.get, client.post, client.head, client.put, client.options):
            answer = ask(address, headers={"Host": host})
            assert (answer.status_code, answer.mimetype) == (421, "text/plain"), (address, ask)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    line = client.get("/", headers={"Host": host}).text
    assert line.count("\n") == 1
    assert f"--allow-host {host.partition(':')[0]}" in line


@pytest.mark.parametrize("host", MALFORMED)
def test_what_is_no_host_is_refused_in_one_line(client, host):
    for address in ADDRESSES:
        answer = client.get(address, headers={"Host": host})
        assert (answer.status_code, answer.mimetype) == (400, "text/plain"), address
        assert answer.text.count("\n") == 1
        assert len(answer.text) < 300


def test_what_a_proxy_or_anybody_says_of_the_name_is_not_believed(client):
    trusted = {"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost", "X-Host": "localhost"}
    assert client.get("/", headers={"Host": "evil.example", **trusted}).status_code == 421
    strange = dict.fromkeys(trusted, "evil.example")
    assert client.get("/", headers={"Host": "localhost", **strange}).status_code == 200


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 200),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://seen.by.the.browser"}, 200),
        ("POST", {"Sec-Fetch-Site": "none"}, 200),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403),
        ("POST", {"Sec-Fetch-Site": "odd"}, 403),
        ("POST", {"Origin": "http://localhost"}, 200),
        ("POST", {"Origin": "http://localhost:8050"}, 200),
        ("POST", {"Origin": "http://LOCALHOST."}, 200),
        ("POST", {"Origin": "https://pixels.example.org"}, 200),
        ("POST", {"Origin": "https://a.lab.example.org:444"}, 200),
        ("POST", {"Origin": "http://evil.example"}, 403),
        ("POST", {"Origin": "http://localhost.evil.example"}, 403),
        ("POST", {"Origin": "http://6.6.6.6"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://[::1"}, 403),
        ("POST", {"Origin": "localhost"}, 403),
        ("POST", {"Referer": "http://localhost/case/1"}, 200),
        ("POST", {"Referer": "http://evil.example/?localhost"}, 403),
        ("POST", {"Origin": "http://evil.example", "Referer": "http://localhost/"}, 403),
        ("GET", {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
def test_only_our_own_pages_write(app, client, method, headers, status):
    body = next(one for one in bodies_of(app) if "page.children" in one["output"])
    address = "/_dash-update-component" if method == "POST" else "/"
    answer = client.open(address, method=method, json=body if method == "POST" else None, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    if status == 403:
        assert answer.text.count("\n") == 1


@pytest.fixture(scope="module")
def served(path, tmp_path_factory):
    """A function: a dashboard in a process of its own, for a block, with further options; gives its port."""
    log = tmp_path_factory.mktemp("served") / "log"
    with forked_dashboards.starter() as start:

        @contextmanager
        def serve(*options):
            with start(path, log, *options) as address:
                yield int(address.rpartition(":")[2])
            assert "Traceback" not in log.read_text("utf-8")

        yield serve


def raw(port, request):
    """The status line of the answer to bytes over the network."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline().split()[1].decode()


def test_a_server_takes_the_options_names_and_stands_what_is_no_host(served):
    with served("--allow-host", "Pixels.example.org.", "--allow-host", ".lab.example.org") as port:
        for host, status in (("localhost", 200), ("pixels.example.org", 200), ("evil.example", 421)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/healthz", headers={"Host": host})
            assert connection.getresponse().status == status, host
            connection.close()
        for lines, status in (
            (b"GET /healthz HTTP/1.1", "400"),
            (b"GET /healthz HTTP/1.0", "400"),
            (b"GET /healthz HTTP/1.1\r\nHost:", "400"),
            (b"GET /healthz HTTP/1.1\r\nHost: a.lab.example.org", "200"),
            (b"GET /healthz HTTP/1.1\r\nHost: \xff\xfe", "400"),
            (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", "400"),
            (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost", "400"),
            (b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example", "421"),
            (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost", "421"),
        ):
            assert raw(port, lines + b"\r\nConnection: close\r\n\r\n") == status, lines


def test_this_machines_name_and_that_of_the_host_option_are_its_own():
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("0.0.0.0", 0)) as others:
        assert host_names.known_names("box.lan", own) == {"box.lan"}
        assert host_names.known_names("127.0.0.1", own) == frozenset()
        machine = socket.gethostname().lower()
        assert host_names.known_names("0.0.0.0", others) == {machine}
        assert host_names.known_names("Box.", others, [".Lab."]) == {machine, "box", ".lab"}


@pytest.mark.parametrize("name", ["http://x", "x:80", "*.x", "x/y", "", ".", "a b", "..x", "x?"])
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_what_is_no_name_is_wrong_usage_in_one_line(command, name, capsys):
    with pytest.raises(SystemExit) as ended:
        xpixels.main([command, f"--allow-host={name}"])
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"'{name}' is no host name; expected one as pixels.example.org" in line


def test_a_demo_serves_with_the_same_names():
    parser = Parser()
    add_options(parser)
    given = parser.parse_args(["--allow-host", "Pixels.example.org", "--allow-host", ".müller.example"])
    names = ["pixels.example.org", ".xn--mller-kva.example"]
    assert serve_keywords(given)["allow_hosts"] == names
    assert serve_keywords(parser.parse_args(as_arguments(given)))["allow_hosts"] == names


def test_a_name_that_is_none_keeps_python_m_dashapp_from_serving(path, capsys):
    with pytest.raises(SystemExit):
        xpixels.main(["serve", "--database", str(path), "--allow-host", "x y"])
    assert "'x y' is no host name" in capsys.readouterr().err


def test_a_site_that_takes_the_address_of_this_machine_reads_nothing(chromium, served):
    """DNS rebinding, as a browser has it: another site's name leads here."""
    with served() as port:
        rules = f"MAP evil.example 127.0.0.1:{port}"
        browser = chromium.browser_type.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", f"--host-resolver-rules={rules}"],
        )
        page = browser.new_page()
        for address in ("", "healthz", "export/cases.csv", "_dash-layout"):
            answer = page.goto(f"http://evil.example:{port}/{address}")
            assert answer.status == 421
            assert "does not answer to the name" in answer.text()
        assert page.goto(f"http://127.0.0.1:{port}/").status == 200
        expect(page.locator("main h1")).to_be_visible()
        browser.close()


ELSEWHERE = """<!DOCTYPE html><form method="post" enctype="text/plain" action="{0}">
<input name='{1}' value='{2}'></form><img src="{3}"><script>
const typed = (type) => ({{body: {4}, headers: {{"Content-Type": type}}}});
const send = (mode, type) => fetch("{0}", {{method: "POST", mode, ...typed(type)}})
    .then((answer) => answer.type + answer.status, (error) => error.name);
Promise.all([send("no-cors", "text/plain"), send("cors", "application/json"), send("cors", "text/plain"),
    fetch("{5}").then((answer) => answer.status, (error) => error.name)])
    .then((all) => {{ document.title = all.join(); }});
</script>"""


def test_a_page_of_another_site_writes_nothing_and_reads_nothing(chromium, served, path, app):
    body = json.dumps(note("by another site"))
    with served() as port:
        here = f"http://127.0.0.1:{port}"

        class Site(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                first, _, rest = body.partition("by another")
                page = ELSEWHERE.format(
                    f"{here}/_dash-update-component",
                    first + "by another=",
                    rest,
                    f"{here}/assets/mark.svg",
                    json.dumps(body),
                    f"{here}/_dash-layout",
                )
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Site) as site:
            threading.Thread(target=site.serve_forever, daemon=True).start()
            page = chromium.new_page()
            page.goto(f"http://localhost:{site.server_port}/")
            page.wait_for_function("document.title !== ''")
            assert page.title() == "TypeError,TypeError,TypeError,TypeError"
            assert page.evaluate("document.querySelector('img').naturalWidth") == 0
            with page.expect_navigation() as left:
                page.evaluate("document.querySelector('form').submit()")
            assert left.value.status == 403
            page.close()
            site.shutdown()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM annotations WHERE body LIKE 'by%'").fetchone() == (0,)
    connection.close()
