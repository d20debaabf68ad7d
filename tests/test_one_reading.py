"""One event on a case's page is one request, one reading of the case and of its state, one small answer."""

import json

import pytest

import db.engine
import db.read
from benchmarks.pages import Visit, callbacks_of
from dashapp import ids
from dashapp.app import create_app
from tests.support import database

CASE = 19  # attacked, with neighbors by two metrics
READ_ONCE = ("case_detail", "case_metrics", "tuned_rules", "tuned_point", "case_neighbors")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    engine = db.engine.create(tmp_path_factory.mktemp("one") / "cases.db")
    database.fill(engine, per_group=6, references=60)
    yield create_app(engine).server.test_client()
    engine.dispose()


class Reader(Visit):
    """A browser that remembers what the answers change."""

    def __init__(self, client):
        super().__init__(client, callbacks_of(client))
        self.answers = []

    def ask(self, method, address, **body):
        answer = super().ask(method, address, **body)
        if method == "POST":
            self.answers.append({} if answer is None else json.loads(answer)["response"])
        return answer

    def changes(self, search):
        """What the page changes for a query string: component -> properties."""
        self.answers.clear()
        self.follow(search)
        (answer,) = self.answers
        return answer

    def shown(self):
        """All that the page shows, by component."""
        shell = (ids.LOCATION, ids.ROUTE, ids.PAGE)
        return {key: without_named(value) for key, value in self.components.items() if key not in shell}


def without_named(tree):
    """A part of a page without what has an id of its own."""
    if isinstance(tree, list):
        return [without_named(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    if "id" in tree.get("props", {}):
        return tree["props"]["id"]
    return {name: without_named(one) for name, one in tree.items()}


@pytest.fixture
def page(client):
    visit = Reader(client)
    visit.open(f"/case/{CASE}", "")
    return visit


def test_one_callback_follows_the_address_of_a_case(client):
    def follows(callback):
        inputs = [(one["id"], one["property"]) for one in callback["inputs"]]
        return (ids.LOCATION, "search") in inputs

    (callback,) = filter(follows, callbacks_of(client))
    assert callback["output"].startswith(f"..{ids.CASE_PAGE}.children...{ids.CASE_SHOWN}.data...")


def test_another_layer_is_one_reading_of_the_case_and_of_its_state(page, monkeypatch):
    counts = dict.fromkeys(READ_ONCE, 0)

    def counting(name):
        question = getattr(db.read, name)

        def ask(*arguments, **keywords):
            counts[name] += 1
            return question(*arguments, **keywords)

        return ask

    for name in READ_ONCE:
        monkeypatch.setattr(db.read, name, counting(name))
    changed = page.changes("?layer=dense")
    assert counts == dict.fromkeys(READ_ONCE, 1)
    assert "dense" in changed[ids.CASE_LAYER_TITLE]["children"]


def test_only_what_changes_is_sent(page):
    changed = page.changes("?layer=dense")
    assert {ids.CASE_LIST, ids.CASE_COUNTS, ids.WHAT_IF_ROC, ids.CASE_VERDICT} <= changed.keys()
    for same in (ids.CASE_PAGE, ids.CASE_SOFTMAX, ids.CASE_PICTURES, ids.CASE_CHANNELS, ids.PAIR, ids.TWIN):
        assert same not in changed
    assert changed[ids.CASE_GRAPH].keys() == {"elements"}
    changed = page.changes("?layer=dense&panel=list")
    assert {key for key in changed if not key.startswith("{")} == {
        ids.CASE_SHOWN,
        ids.CASE_NEIGHBORS,
        ids.CASE_PANEL,
    }
    assert page.changes("?layer=dense&panel=list") == {}
    assert page.changes("?layer=dense&panel=list&metric=cosine").keys() == {ids.CASE_PAGE, ids.CASE_SHOWN}


@pytest.mark.parametrize(
    "search",
    [
        "?layer=dense",
        "?layer=logits&neighbors=all&panel=graph",
        "?metric=cosine&rule=max-class",
        "?layer=dense&k=3&threshold=1&twin=1",
        "?map=repair&activations=conv1&difference=original",
        "?layer=flatten&pair=7&order=stored",
    ],
)
def test_a_page_that_was_changed_is_the_page_that_comes_with_the_address(client, page, search):
    page.changes(search)
    whole = Reader(client)
    whole.open(f"/case/{CASE}", search)
    changed, fresh = page.shown(), whole.shown()
    assert len(fresh) > 50
    assert {key for key in fresh if changed[key] != fresh[key]} == set()


def test_a_page_that_is_being_left_asks_for_nothing(page):
    page.components[ids.LOCATION]["pathname"] = "/"
    assert page.changes("?kind=clean") == {}
