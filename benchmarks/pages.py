"""What each page of the dashboard costs: time on the server, and bytes beside the libraries.

    python -m benchmarks.pages DATABASE [--repeats N]

Plays the browser without one: asks for the document, the layout, the page, and every callback that the page
calls when it comes, with the values that are in it. Times are of this process, the median of the repeats;
bytes are as they go over the wire, compressed. Scripts and styles are left out: they are kept for ever.
"""

import argparse
import gzip
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import db.engine
import db.read
from dashapp import ids
from dashapp.app import create_app

ACCEPTED = {"Accept-Encoding": "gzip"}  # every browser and proxy accepts it
IMAGE = re.compile(r"/images/[0-9a-f]{64}\.png")


class Cost(NamedTuple):
    """The cost of one visit."""

    seconds: float  # all answers one after the other
    slowest: float  # the slowest of them, seconds
    busy: float  # CPU seconds for all of them: other work on the machine does not count
    requests: int  # without images
    text: int  # bytes of documents and JSON
    images: int  # bytes
    image_count: int


class Visit:
    """A browser with an empty cache that opens an address."""

    def __init__(self, client, callbacks: list[dict]) -> None:
        self.client, self.callbacks = client, callbacks
        self.times: list[float] = []
        self.busy, self.busiest = 0.0, 0.0
        self.text = 0
        self.seen: set[str] = set()
        self.components: dict[str, dict] = {}  # id as JSON or text -> properties

    def cost(self) -> Cost:
        sizes = [len(self.client.get(address, headers=ACCEPTED, buffered=True).data) for address in self.seen]
        count = len(self.times)
        return Cost(sum(self.times), max(self.times), self.busy, count, self.text, sum(sizes), len(sizes))

    def timed(self, question: Callable):
        """Ask a question, record its time, and return its answer."""
        began, busy = time.perf_counter(), time.process_time()
        answer = question()
        self.times.append(time.perf_counter() - began)
        spent = time.process_time() - busy
        self.busy, self.busiest = self.busy + spent, max(self.busiest, spent)
        return answer

    def ask(self, method: str, address: str, **body) -> bytes | None:
        """Send a request; returns its response, unpacked, or None if a callback changes nothing."""
        answer = self.timed(
            lambda: self.client.open(address, method=method, headers=ACCEPTED, buffered=True, **body)
        )
        self.text += len(answer.data)
        if answer.status_code == 204:
            return None
        assert answer.status_code == 200, (address, answer.status_code, answer.data[:300])
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(answer.data) if packed else answer.data

    def open(self, pathname: str, search: str) -> None:
        """Open an address: request the document, the shell, the page, and the callbacks of its components."""
        self.ask("GET", pathname + search)
        self._take(json.loads(self.ask("GET", "/_dash-layout")))
        self.ask("GET", "/_dash-dependencies")
        self.components[ids.LOCATION] |= {"pathname": pathname, "search": search}
        self.components[ids.THEME]["data"] = "light"
        before = set(self.components)
        self.components[ids.ROUTE]["data"] = {"pathname": pathname, "search": search, "theme": "light"}
        router = next(one for one in self.callbacks if f"{ids.PAGE}.children" in one["output"])
        self._call(router, [f"{ids.ROUTE}.data"])
        new = set(self.components) - before
        for callback in self.callbacks:
            if callback["prevent_initial_call"]:
                continue
            named = [one["id"] for one in callback["inputs"]]
            named += [_output(part)[0] for part in _outputs(callback["output"])]
            touched = {key for one in named for key in self._matching(one)}
            if callback is not router and (touched & new or callback["output"] == f"{ids.NAV}.children"):
                self._call(callback, [])

    def follow(self, search: str) -> None:
        """Change the query string of the address on the same page."""
        self.components[ids.LOCATION]["search"] = search
        for callback in self.callbacks:
            if any(one["id"] == ids.LOCATION and one["property"] == "search" for one in callback["inputs"]):
                self._call(callback, [f"{ids.LOCATION}.search"])

    def _call(self, callback: dict, changed: list[str]) -> None:
        outputs = [_output(part) for part in _outputs(callback["output"])]
        filled = [self._fill(component, name, value=False) for component, name in outputs]
        inputs = [self._fill(one["id"], one["property"]) for one in callback["inputs"]]
        state = [self._fill(one["id"], one["property"]) for one in callback["state"]]
        if any(one is None for one in (*filled, *inputs, *state)):
            return  # belongs to another page
        body = {
            "output": callback["output"],
            "outputs": filled if callback["output"].startswith("..") else filled[0],
            "inputs": inputs,
            "state": state,
            "changedPropIds": changed,
        }
        answer = self.ask("POST", "/_dash-update-component", json=body)
        if answer is not None:
            for component, values in json.loads(answer)["response"].items():
                self.components.setdefault(component, {}).update(values)
                self._take(values)

    def _fill(self, component: str, name: str, *, value: bool = True):
        """The components that match an id of a callback, with their values; None: there is none."""
        found = []
        for key in self._matching(component):
            one = {"id": json.loads(key) if key.startswith("{") else key, "property": name}
            found.append(one | ({"value": self.components[key].get(name)} if value else {}))
        if component.startswith("{") and '["ALL"]' in component:
            return found
        return found[0] if found else None

    def _matching(self, component: str) -> list[str]:
        if not component.startswith("{"):
            return [component] if component in self.components else []
        wanted = json.loads(component)
        return [
            key
            for key in self.components
            if key.startswith("{")
            and (parts := json.loads(key)).keys() == wanted.keys()
            and all(isinstance(wanted[name], list) or wanted[name] == parts[name] for name in wanted)
        ]

    def _take(self, tree) -> None:
        """Store the contents of a response: components by id, addresses of images."""
        self.seen |= set(IMAGE.findall(json.dumps(tree)))
        for component in components(tree):
            found = component.get("id")
            if found is not None:
                key = found
                if not isinstance(found, str):  # as responses write it
                    key = json.dumps(found, separators=(",", ":"), sort_keys=True)
                self.components[key] = dict(component)


def components(tree) -> Iterator[dict]:
    """The properties of every component in a part of a response."""
    if isinstance(tree, list):
        for one in tree:
            yield from components(one)
    elif isinstance(tree, dict):
        if "props" in tree:
            yield tree["props"]
        for one in tree.values():
            yield from components(one)


def _outputs(text: str) -> list[str]:
    return text[2:-2].split("...") if text.startswith("..") else [text]


def _output(part: str) -> tuple[str, str]:
    component, _, name = part.partition("@")[0].rpartition(".")
    return component, name


def callbacks_of(client) -> list[dict]:
    """The callbacks that run on the server."""
    return [
        one
        for one in json.loads(client.get("/_dash-dependencies").data)
        if not one.get("clientside_function")
    ]


def measured(database: str, repeats: int) -> Iterator[tuple[str, Cost]]:
    """Yield each page with the medians of its costs."""
    engine = db.engine.create(database, read_only=True)
    client = create_app(engine).server.test_client()
    callbacks = callbacks_of(client)
    attacked = db.read.list_cases(engine, *db.read.case_query(engine, "?kind=adversarial")).rows
    case = f"/case/{attacked[0].id}" if attacked else "/case/1"
    pages = [
        ("case list", "/", "", None),
        ("case list, attacked only", "/", "?kind=adversarial", None),
        ("case view", case, "", None),
        ("case view, another layer", case, "", "?layer=dense"),
        ("case view, all neighbors", case, "?neighbors=all", None),
        ("detectors", "/detectors", "", None),
    ]
    for name, path, search, then in pages:
        costs = []
        for _ in range(repeats + 1):
            visit = Visit(client, callbacks)
            visit.open(path, search)
            if then is not None:
                visit.times, visit.busy, visit.text, before = [], 0.0, 0, visit.seen
                visit.seen = set()
                visit.follow(then)
                visit.seen -= before
            costs.append(visit.cost())
        costs = costs[1:] or costs  # the first one warms up
        yield (
            name,
            costs[0]._replace(
                seconds=statistics.median(one.seconds for one in costs),
                slowest=statistics.median(one.slowest for one in costs),
                busy=statistics.median(one.busy for one in costs),
            ),
        )
    engine.dispose()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("database", metavar="DATABASE", help="path or URL")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args(arguments)
    head = (
        "page",
        "requests",
        "server ms",
        "slowest ms",
        "CPU ms",
        "text KB",
        "images",
        "images KB",
        "KB in all",
    )
    print(f"{head[0]:28}" + "".join(f"{name:>12}" for name in head[1:]))
    for name, cost in measured(options.database, options.repeats):
        numbers = (
            f"{cost.requests}",
            f"{1000 * cost.seconds:.0f}",
            f"{1000 * cost.slowest:.0f}",
            f"{1000 * cost.busy:.0f}",
            f"{cost.text / 1000:.0f}",
            f"{cost.image_count}",
            f"{cost.images / 1000:.0f}",
            f"{(cost.text + cost.images) / 1000:.0f}",
        )
        print(f"{name:28}" + "".join(f"{number:>12}" for number in numbers), flush=True)


if __name__ == "__main__":
    main()
