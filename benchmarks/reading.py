"""Readers of one database, some in a browser and some in SQL, and the problems of the answers they got."""

from __future__ import annotations

import http.client
import json as as_json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from sqlalchemy import Engine

import db.engine
from benchmarks.invariants import ALWAYS, broken, torn
from benchmarks.pages import Visit, callbacks_of
from db.commands import sql

LISTS = (
    *("?partition=all", "?partition=all&view=gallery", "?partition=all&kind=adversarial", "?outcome=FN"),
    *("?partition=all&confidence=0.3..0.9", "?detector=repair", "?sort=-unexpected", "?true=cat&true=dog"),
    *("?partition=tuning&sort=alarms", "?alarms=none", "?detector=dense&recovered=cat"),
)
CASES = ("", "?layer=dense&neighbors=all", "?layer=logits&twin=1&map=repair", "?activations=conv1&k=5")
STATEMENTS = (
    "SELECT * FROM case_overview ORDER BY case_id DESC LIMIT 20",
    "SELECT layer, outcome, COUNT(*) FROM layer_decisions GROUP BY layer, outcome",
    "SELECT * FROM detector_summary",
    "SELECT * FROM attack_matrix WHERE successes > 0",
    "SELECT * FROM first_divergence",
    "SELECT detector, outcome, SUM(cases) FROM facet_cells GROUP BY detector, outcome",
    "SELECT stage, status, COUNT(*) FROM runs GROUP BY stage, status",
)


class Tally:
    """The requests of all readers, and the problems of the answers; readers stop when there are enough."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seconds: dict[str, list[float]] = {"HTTP": [], "SQL": []}
        self.errors: list[str] = []
        self.torn: list[str] = []

    @property
    def requests(self) -> int:
        return sum(map(len, self.seconds.values()))

    @property
    def enough(self) -> bool:
        return self.requests >= self.wanted

    @property
    def sql_is_ahead(self) -> bool:
        """Whether SQL readers must wait: statements are quick, but should be as many as HTTP requests."""
        return len(self.seconds["SQL"]) > len(self.seconds["HTTP"]) and not self.enough

    @contextmanager
    def asked(self, kind: str, what: str) -> Iterator[None]:
        """Measure one request; any exception that it raises is counted as an error."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.errors.append(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        self.seconds[kind].append(time.perf_counter() - began)


class Client:
    """The part of a test client that a `Visit` uses, over one persistent HTTP connection."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)

    def open(self, address: str, method: str = "GET", headers=(), json=None, **_) -> SimpleNamespace:
        body = None if json is None else as_json.dumps(json)
        kind = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request(method, address, body, {**dict(headers), **kind})
        answer = self.connection.getresponse()
        data = answer.read()
        return SimpleNamespace(status_code=answer.status, headers=answer.headers, data=data)

    def get(self, address: str, **options) -> SimpleNamespace:
        return self.open(address, **options)


class Watched(Visit):
    """A browser whose requests are all counted, and whose answers are all checked."""

    def __init__(self, client, callbacks: list[dict], tally: Tally) -> None:
        super().__init__(client, callbacks)
        self.tally = tally

    def ask(self, method: str, address: str, **body) -> bytes | None:
        answer = None
        with self.tally.asked("HTTP", f"{method} {address} {str(body)[:200]}"):
            answer = super().ask(method, address, **body)
            if answer is not None:
                if b"Not saved" in answer:
                    raise ValueError(answer.decode()[:200])
                self.tally.torn += [f"{method} {address}: {what}" for what in torn(address, answer)]
        if answer is None and method == "GET":
            raise ConnectionError(f"no answer to {address}: the visit ends")
        return answer

    def note(self, callback: dict, text: str) -> None:
        """Write a note about the open case, by the callback that stores it."""
        (field,) = self._matching(callback["inputs"][0]["id"])
        self.components[field]["value"] = text
        self._call(callback, [f"{field}.n_blur"])


def browse(client, callbacks: list[dict], engine: Engine, tally: Tally, chance: random.Random) -> None:
    """Visit pages with a few images each until there are enough; sometimes export a list or write a note."""
    *answered, keep = callbacks
    while not tally.enough:
        with engine.connect() as connection:
            query = "SELECT id FROM cases ORDER BY RANDOM() LIMIT 1"
            case_id = connection.exec_driver_sql(query).scalar()
        places = [("/", chance.choice(LISTS)), ("/detectors", "")]
        if case_id is not None:
            places += [("/", chance.choice(LISTS)), *[(f"/case/{case_id}", chance.choice(CASES))] * 2]
        visit = Watched(client, answered, tally)
        path, search = chance.choice(places)
        try:
            visit.open(path, search)
            if path.startswith("/case/") and chance.random() < 0.2:
                visit.note(keep, f"seen {len(tally.seconds['HTTP'])} requests long")
            for address in chance.sample(sorted(visit.seen), min(3, len(visit.seen))):
                visit.ask("GET", address)
            if chance.random() < 0.2:
                visit.ask("GET", f"/export/cases.{chance.choice(('csv', 'parquet'))}?partition=all")
        except ConnectionError:
            continue  # counted as an error


def query(engine: Engine, tally: Tally, chance: random.Random) -> None:
    """Run SQL until there are enough requests: people's statements, and several invariants in a snapshot."""
    while not tally.enough:
        while tally.sql_is_ahead:
            time.sleep(0.02)
        statement = chance.choice(STATEMENTS)
        with tally.asked("SQL", statement):
            sql.run(engine, statement, seconds=60)
        with db.engine.snapshot(engine) as connection:
            for name in chance.sample(sorted(ALWAYS), 3):
                with tally.asked("SQL", name):
                    tally.torn += broken(connection, [name])


def read(
    tally: Tally, readers: int, client: Callable, path: Path, *, seed: int = 0, meanwhile: Callable = list
) -> None:
    """Run so many readers until there are enough requests, every other one by HTTP; client(): makes a client.

    `meanwhile` is called from time to time.
    """
    every = as_json.loads(client().get("/_dash-dependencies").data)
    keep = next(one for one in every if '"note-state"' in one["output"])
    callbacks = [*callbacks_of(client()), keep]
    engines = [db.engine.create(path, read_only=True) for _ in range(readers)]
    threads = [
        threading.Thread(
            target=browse if number % 2 == 0 else query,
            args=(
                *((client(), callbacks) if number % 2 == 0 else ()),
                *(engine, tally, random.Random(f"{seed}/{number}")),
            ),
            daemon=True,
        )
        for number, engine in enumerate(engines)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        meanwhile()
        threads[0].join(0.5)
    for engine in engines:
        engine.dispose()
