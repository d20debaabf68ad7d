"""Generated requests: whatever comes, no answer is an error of ours, and no SQL but ours is run.

Every request is made from SEED and its number, both printed when it fails. For a longer search than the
suite's: XPIXELS_REQUESTS=20 (times as many) and XPIXELS_SEED=another.
"""

import copy
import hashlib
import json
import os
import random
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import event

import db.engine
import db.migrate
from dashapp import ids
from dashapp.app import create_app
from dashapp.pages.case.address import OWN
from dashapp.pages.case.maps_address import NAMES as MAPS
from db.read.case_list.query import NAMES
from tests.support import database
from tests.support.callback_bodies import CASE, bodies_of

SEED = os.environ.get("XPIXELS_SEED", "1")
TIMES = int(os.environ.get("XPIXELS_REQUESTS", "1"))
MARK = "zq7x"  # stands in every text that is made up; never in a statement

WRITTEN = ("annotations", "saved_views")  # the tables that a request may change
TEXTS = (
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "2",
        "999999999",
        "1000000000",
        "9" * 30,
        "1e309",
        "NaN",
        "-inf",
        "0x10",
        "1_0",
    ),
    *(
        "²",
        "٣",
        "true",
        "null",
        "[]",
        "{}",
        "..",
        "../..",
        "0..1",
        "1..0",
        "0.5..",
        "..9",
        "-",
        "--",
        ",",
        ",,",
    ),
    *(
        "\x00",
        "\x00zq7x",
        "a\x00b",
        "\x1b[31m",
        "\r\nSet-Cookie: zq7x=1",
        "\u202e",
        "\ufeff",
        "\U0001f600",
        "é" * 99,
    ),
    *(
        "' OR '1'='1",
        "zq7x'; DROP TABLE cases; --",
        'zq7x" UNION SELECT 1 --',
        "zq7x\\",
        "zq7x%' ESCAPE '",
        "zq7x%_",
    ),
    *(
        "<script>zq7x</script>",
        "'><img src=x onerror=zq7x>",
        "{{zq7x}}",
        "%zq7x%s%n",
        "${zq7x}",
        "{0.__class__}",
    ),
    *(
        "javascript:zq7x",
        "//zq7x",
        "data:text/html,zq7x",
        "zq7x" * 300,
        "(" * 500,
        "zq7x+dense",
        "dense+logits",
    ),
)
REAL = (
    *(
        "dense",
        "logits",
        "flatten",
        "composed",
        "euclidean",
        "cosine",
        "total",
        "max-class",
        "clean",
        "adversarial",
    ),
    *(
        "TP",
        "FP",
        "TN",
        "FN",
        "ship",
        "cat",
        "all",
        "any",
        "tuning",
        "validation",
        "checked",
        "gallery",
        "table",
    ),
    *(
        "case",
        "-confidence",
        "alarms,-case",
        "none",
        "repair",
        "confidence",
        "5",
        "12",
        "50",
        "distinct",
        "conv1",
    ),
    *("vulnerability", "plain", "original", "difference", "list", "random", "1-4", "0.2..0.9", "real attack"),
)
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    8,
    9,
    50,
    51,
    10**6,
    2**31,
    2**53 - 1,
    2**53,
    2**63,
    -(2**63) - 1,
    10**300,
    0.5,
    1e308,
)
PARAMETERS = (*NAMES, *OWN, *MAPS, "reference", "case_set", "kind", "detector", "layer", "x", "")
PATHS = (
    *("/", "/detectors", "/case/1", "/case/8", "/case/9999", "/case/0", "/case/-1", "/case/999999999"),
    *("/case/1/", "/case/01", "/case/1000000000", "/case/٣", "/case/1;x", "//", "/../case/1", "/.", "/zq7x"),
    *("/case/1' OR 1=1", "/case/\x00", "/case/" + "9" * 400, "/" + "a/" * 200, "/detectors/x", "/Detectors"),
)
FILES = (
    *(
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//etc/passwd",
        "..\\..\\x",
    ),
    *("/etc/passwd", "%00", "a%00.png", "C:%5cx", "~root", ".", "..", "%c0%ae%c0%ae/x", "{sha}", "{sha}%00"),
    *(
        "{sha}.png/../x",
        "' OR '1'='1",
        "%27%20OR%201=1--",
        "0" * 64,
        "0" * 9000,
        "%ff%fe",
        "{sha}'",
        "{sha} ",
    ),
)
FOLDERS = (
    *("/images/{0}.png", "/images/{0}", "/images/x/{0}.png", "/assets/{0}", "/_dash-component-suites/{0}"),
    *("/_dash-component-suites/dash/{0}", "/_dash-component-suites/dash/dcc/{0}", "/static/{0}", "/{0}"),
    *("/export/{0}", "/export/cases.{0}", "/export/cases.csv/{0}", "/_favicon.ico/{0}", "/_dash-layout/{0}"),
)
METHODS = ("GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ZQ7X")


class Dashboard:
    """One that may write, over a small database; watches what it answers and what SQL it runs."""

    def __init__(self, path):
        self.ran, self.answers = 0, {}
        self.strange = []  # statements that are not ours
        reader, self.writer = db.engine.create(path, read_only=True), db.engine.create(path)
        for engine in (reader, self.writer):
            event.listen(engine, "before_cursor_execute", self.run_statement)
        self.app = create_app(reader, writer=self.writer)
        self.client = self.app.server.test_client()
        with reader.connect() as connection:
            self.image = connection.exec_driver_sql("SELECT sha256 FROM images LIMIT 1").scalar()

    def run_statement(self, _connection, _cursor, statement, _parameters, context, _many):
        self.ran += 1
        ours = context.compiled is not None or statement in ("BEGIN", "BEGIN IMMEDIATE")
        if not ours or MARK in statement:
            self.strange.append(statement)

    def ask(self, label, method, address, **body):
        """Make a request; gives the answer when nothing is wrong with it."""
        self.strange.clear()
        answer = self.client.open(address, method=method, **body)
        told = f"request {label} of seed {SEED}: {method} {address[:300]!r} {str(body)[:1500]}"
        assert answer.status_code < 500, f"{told}\n{answer.status_code} {answer.text[:500]}"
        text = answer.data.decode("utf-8", "replace")
        for word in ("Traceback", 'File "/', "could not be drawn", "root:x:0"):
            assert word not in text, f"{told}\n{text[:500]}"
        assert not self.strange, f"{told}\n{self.strange[0]}"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"], told
        if answer.status_code in (400, 405, 413):
            assert answer.mimetype == "text/plain", told
            assert answer.text.count("\n") == 1 or method == "HEAD", told
        assert "zq7x" not in str(answer.headers.get("Set-Cookie")), told
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        return answer

    def call(self, label, body):
        """Post a callback's body; surrogates go as JSON has them."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.ask(label, "POST", "/_dash-update-component", data=text, content_type="application/json")


def digest(path):
    """Of every row that no request may change."""
    engine = db.engine.create(path, read_only=True)
    found = hashlib.sha256()
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        ).scalars()
        for table in [name for name in tables if not name.startswith((*WRITTEN, "sqlite_"))]:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                found.update(repr(tuple(row)).encode())
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()
    return found.hexdigest()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "cases.db"
    engine = db.engine.create(path)
    db.migrate.upgrade(engine)
    database.fill(engine, per_group=2, references=60)
    engine.dispose()
    before = digest(path)
    dashboard = Dashboard(path)
    yield dashboard
    print(f"{sum(dashboard.answers.values())} requests: {dashboard.answers}; {dashboard.ran} statements")
    assert digest(path) == before, "a request changed what no request may change"


def of(part, number):
    """What makes request `number` of a part."""
    return random.Random(f"{SEED}/{part}/{number}")


def text(chance):
    """A text that somebody may try."""
    if chance.random() < 0.1:
        return "".join(
            chr(chance.choice((chance.randrange(0x300), chance.randrange(0xD800)))) for _ in range(9)
        )
    return chance.choice(REAL if chance.random() < 0.5 else TEXTS)


def search(chance):
    """A query string."""
    fields = [(chance.choice(PARAMETERS), text(chance)) for _ in range(chance.choice((0, 1, 1, 2, 3, 6)))]
    found = urlencode(fields)
    if chance.random() < 0.1:
        found = "".join(chance.choice((one, "&", "=", "%", ";", "%ff", "+")) for one in found[:60])
    return f"?{found}" if found or chance.random() < 0.5 else ""


def json_value(chance, depth=0):
    """Any value that JSON has, and some that only Python reads."""
    kind = chance.randrange(8 if depth < 3 else 6)
    if kind == 0:
        return chance.choice((None, True, False))
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind == 2:
        return chance.choice((float("nan"), float("inf"), -float("inf"), "\ud800", "a\udfff", "__proto__"))
    if kind < 6:
        return text(chance)
    inside = [json_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return inside if kind == 6 else {text(chance): one for one in inside}


@pytest.fixture(scope="module")
def real(dashboard):
    """A body for every callback of the app, and one for every input that may be the cause."""
    return bodies_of(dashboard.app)


def places(node, path=()):
    """The path of everything in a body."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, one in inside:
        yield (*path, key)
        yield from places(one, (*path, key))


def mutated(chance, body):
    """A body with some of it replaced, left out, doubled or moved."""
    body = copy.deepcopy(body)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        path = chance.choice(list(places(body)) or [None])
        if path is None:
            break
        *way, key = path
        node = body
        for step in way:
            node = node[step]
        what = chance.randrange(6)
        if what == 0:
            del node[key]
        elif what == 1 and isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        elif what == 2 and isinstance(node, dict):
            node[text(chance)] = node.pop(key)
        elif what == 3 and isinstance(node[key], str):
            node[key] = node[key] + text(chance)
        else:
            node[key] = json_value(chance)
    return body


def with_values(chance, body):
    """A body that is formed well, with values of the right kind that nobody would send."""
    body = copy.deepcopy(body)
    for given in [*body["inputs"], *body["state"]]:
        for one in given if isinstance(given, list) else [given]:
            value = one["value"]
            if one["property"] == "search" or one["id"] == ids.DETECTORS_SEARCH:
                one["value"] = search(chance)
            elif one["id"] == ids.ROUTE:
                one["value"] = {**value, "pathname": chance.choice(PATHS), "search": search(chance)}
            elif one["id"] == ids.FOLLOWED_PATH or (one["property"] == "pathname" and chance.random() < 0.8):
                continue  # else the page is being left, and nothing more is looked at
            elif one["id"] == ids.CASE_SHOWN:
                one["value"] = chance.choice((None, {}, {"drawn": 1}, {**value, "what_if": [text(chance)]}))
            elif chance.random() < 0.5 or one["property"] in ("id", "href"):
                continue
            elif one["property"] == "pathname":
                one["value"] = chance.choice(PATHS)
            elif one["id"] == ids.THEME:
                one["value"] = chance.choice((None, "light", "dark"))
            elif isinstance(value, str):
                one["value"] = text(chance)
            elif isinstance(value, int):
                one["value"] = chance.choice((1, 2, 5, 8, 9, 10**6, 2**40, None))
            elif one["id"] == ids.WHAT_IF_LIVE:
                one["value"] = {"k": chance.randrange(-1, 200), "threshold": chance.randrange(-1, 200)}
    return body


# ---- The requests --------------------------------------------------------------------------------


def test_bodies_as_the_pages_send_them_are_taken(dashboard, real):
    assert len({body["output"] for body in real}) == 9
    for number, body in enumerate(real):
        answer = dashboard.call(f"real/{number}", body)
        assert answer.status_code in (200, 204), (body, answer.text)


def test_addresses_are_answered_whatever_stands_in_them(dashboard):
    for number in range(2000 * TIMES):
        chance = of("address", number)
        path = chance.choice(PATHS)
        if chance.random() < 0.6:
            name = chance.choice(FILES).replace("{sha}", dashboard.image)
            path = chance.choice(FOLDERS).replace(
                "{0}", name if chance.random() < 0.8 else quote(text(chance))
            )
        address = quote(path, safe="/%'();:~ ") + search(chance)
        dashboard.ask(f"address/{number}", chance.choice(METHODS), address)


def test_exports_are_files_or_refused_in_one_line(dashboard):
    for number in range(300 * TIMES):
        chance = of("export", number)
        form = chance.choice(("csv", "csv", "csv", "parquet"))
        answer = dashboard.ask(f"export/{number}", "GET", f"/export/cases.{form}{search(chance)}")
        assert answer.status_code in (200, 400)


def test_pages_are_drawn_or_refused_whatever_their_address_asks_for(dashboard, real):
    route = next(body for body in real if body["output"].startswith("..page.children"))
    for number in range(250 * TIMES):
        chance = of("page", number)
        body = copy.deepcopy(route)
        paths = PATHS if chance.random() < 0.3 else ("/", "/", "/detectors", f"/case/{CASE}")
        asked = {"pathname": chance.choice(paths), "search": search(chance)}
        body["inputs"][0]["value"] = {**asked, "theme": chance.choice(("light", "dark"))}
        assert dashboard.call(f"page/{number}", body).status_code == 200


def test_callbacks_take_every_value_of_the_right_kind(dashboard, real):
    for number in range(350 * TIMES):
        chance = of("values", number)
        body = with_values(chance, chance.choice(real))
        answer = dashboard.call(f"values/{number}", body)
        assert answer.status_code in (200, 204, 400, 404)
        assert answer.status_code != 400 or "; expected: " in answer.text, f"values/{number}: {answer.text}"


def test_mutated_bodies_are_answered_or_refused_in_one_line(dashboard, real):
    refused = 0
    for number in range(2500 * TIMES):
        chance = of("mutated", number)
        answer = dashboard.call(f"mutated/{number}", mutated(chance, chance.choice(real)))
        refused += answer.status_code == 400
    assert refused > 1000 * TIMES


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        ("null", "is null; expected an object"),
        ("[]", "is []; expected an object"),
        ("[" * 100_000, "in one another"),
        ('{"a":' * 30 + "1" + "}" * 30, "in one another"),
        ('{"output": 1' + "0" * 5000 + "}", "no JSON"),
        ('{"output": NaN}', "finite"),
        ('{"output": 9007199254740992}', "beyond 9,007,199,254,740,991"),
        ('{"output": "\\ud800"}', "surrogate"),
        ('{"output": "page.children"}', "expected one that a callback has"),
        ('{"output": ["page.children"]}', "expected one that a callback has"),
        ('{"output": "location.pathname"}', "inputs is []; expected a list of 1"),
    ],
    ids=range(14),
)
def test_what_is_no_body_is_refused_in_one_line(dashboard, body, words):
    answer = dashboard.call("fixed", body)
    assert answer.status_code == 400
    assert words in answer.text


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ((ids.CASE_ID, "data"), "1", 'case-id.data is "1"; expected the number of a case'),
        ((ids.CASE_ID, "data"), True, "case-id.data is true"),
        ((ids.THEME, "data"), "red", "theme.data is \"red\"; expected 'light', 'dark'"),
        ((ids.LOCATION, "search"), ["?"], 'location.search is ["?"]; expected a text'),
        ((ids.WHAT_IF_LIVE, "data"), {"k": "5"}, "expected k and threshold as whole numbers"),
        ((ids.CASE_SHOWN, "data"), "all", 'case-shown.data is "all"; expected an object'),
    ],
    ids=["text", "bool", "theme", "list", "point", "shown"],
)
def test_a_value_of_another_kind_is_named_with_what_was_expected(dashboard, real, place, value, words):
    body = copy.deepcopy(next(one for one in real if one["output"].startswith("..case-page.children")))
    for one in [*body["inputs"], *body["state"]]:
        if isinstance(one, dict) and (one["id"], one["property"]) == place:
            one["value"] = value
    answer = dashboard.call("fixed", body)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_case_that_is_not_there_is_said_in_one_line(dashboard, real):
    body = copy.deepcopy(next(one for one in real if one["output"].startswith("..case-page.children")))
    (number,) = [one for one in body["state"] if isinstance(one, dict) and one["id"] == ids.CASE_ID]
    number["value"] = 9999
    answer = dashboard.call("fixed", body)
    assert (answer.status_code, answer.text.count("\n")) == (404, 1)
    assert "9999" in answer.text


def test_a_mistake_of_ours_is_one_line_and_its_traceback_is_in_the_log_alone(
    dashboard, real, monkeypatch, caplog
):
    def fails(*_arguments):
        raise KeyError("a secret of ours")

    monkeypatch.setattr("db.read.case_detail", fails)
    body = next(one for one in real if one["output"].startswith("..case-page.children"))
    answer = dashboard.client.post("/_dash-update-component", json=body)
    assert (answer.status_code, answer.mimetype) == (500, "text/plain")
    assert answer.text == "This could not be answered. The log of the server has the details.\n"
    assert "a secret of ours" in caplog.text
