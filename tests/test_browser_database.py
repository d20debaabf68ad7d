"""What a person sees while the database is another one, gone, or locked, and that nothing typed is lost."""

import os
import shutil
import sqlite3

import pytest
from playwright.sync_api import expect

pytest_plugins = ("tests.support.browser",)

CASE = 61
PROBED = 60_000  # milliseconds in which a page has looked again, and drawn itself anew
REPLACED = "The database x.db was replaced by another one while this dashboard ran"


@pytest.fixture
def other(migrated_file):
    """Another database, of its own identity, without a case."""
    return migrated_file


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts the dashboard over the file `start.path`, on one port; gives process and address."""
    from tests.support.browser import serving

    running = []

    def start():
        port = running[0][1].rpartition(":")[2] if running else "0"
        process = serving("--database", str(start.path), "--port", port)
        running.append((process, process.stdout.readline().strip()))
        return running[-1]

    start.path, start.running = tmp_path_factory.mktemp("gone") / "x.db", running
    yield start
    for process, _ in running:
        process.kill()
        process.communicate()


@pytest.fixture
def served(start, database_file):
    """The dashboard over a copy of the synthetic database, without a note: process and address."""
    if not start.running or start.running[-1][0].poll() is not None:
        shutil.copyfile(database_file, start.path)
        start()
    connection = sqlite3.connect(start.path)
    with connection:
        connection.execute("DELETE FROM annotations")
    connection.close()
    return start.running[-1]


@pytest.fixture
def path(served, start):
    """The file of that database."""
    return start.path


@pytest.fixture
def tab(tab):
    """The tab, which shall see no exception."""
    wrong = []

    def catch(error):
        wrong.append(str(error))

    tab.on("pageerror", catch)
    yield tab
    tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    tab.remove_listener("pageerror", catch)
    assert wrong == []


def notes(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT case_id, body FROM annotations ORDER BY id").fetchall()
    connection.close()
    return found


def write(page, words):
    field = page.get_by_label("Note")
    field.fill(words)
    field.press("Control+Enter")


def test_a_note_for_a_database_that_is_gone_stays_on_the_page_and_is_saved_when_it_is_back(
    served, path, tab, other, tmp_path
):
    kept = tmp_path / "kept.db"
    _, address = served
    tab.goto(f"{address}/case/{CASE}")
    alert, state = tab.get_by_role("alert"), tab.locator(".notes-note .notes-state")
    write(tab, "seen on Monday")
    expect(state).to_contain_text("saved")

    path.rename(kept)
    shutil.copyfile(other, path)
    write(tab, "seen on Tuesday")
    expect(alert).to_contain_text(f"Not saved. {REPLACED}")
    expect(tab.locator("[data-unsaved=failed]")).to_be_visible()
    expect(tab.get_by_label("Note")).to_have_value("seen on Tuesday")
    field = tab.get_by_label("Add a tag")
    field.fill("night")
    field.press("Enter")
    expect(alert).to_contain_text("Not saved")
    expect(field).to_have_value("night")
    tab.get_by_role("button", name="unclear").click()
    expect(tab.locator(".verdicts [aria-pressed=true]")).to_have_count(0)
    assert notes(path) == []

    fresh = tab.context.new_page()
    assert fresh.goto(f"{address}/case/{CASE}").status == 503
    expect(fresh.get_by_role("alert")).to_contain_text(REPLACED)

    os.replace(kept, path)
    expect(tab.locator("[data-unsaved]")).to_have_count(0, timeout=PROBED)
    expect(state).to_contain_text("saved")
    expect(field).to_have_value("night")
    assert notes(path) == [(CASE, "seen on Tuesday")]
    expect(fresh.locator("h1")).to_contain_text(f"Case {CASE}", timeout=PROBED)
    fresh.close()


def test_a_page_that_could_not_be_drawn_is_drawn_when_the_database_is_back(served, path, tab, tmp_path):
    kept = tmp_path / "kept.db"
    _, address = served
    tab.goto(address)
    expect(tab.locator("main h1")).to_be_visible()
    path.rename(kept)
    tab.get_by_role("link", name="Detectors").click()
    expect(tab.get_by_role("alert")).to_contain_text(
        "The database x.db is gone: its file was moved or deleted"
    )
    kept.rename(path)
    expect(tab.locator("main h1")).to_have_text("Detectors", timeout=PROBED)
    expect(tab.get_by_role("alert")).to_have_count(0)


def test_a_note_for_a_locked_database_is_kept_over_other_pages_and_saved_after(served, path, tab):
    _, address = served
    tab.goto(f"{address}/case/{CASE}")
    expect(tab.get_by_label("Note")).to_be_visible()
    locking = sqlite3.connect(path, isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    write(tab, "while it is locked")
    expect(tab.get_by_role("alert")).to_contain_text(
        "Not saved. The database x.db is locked by another process"
    )
    tab.get_by_role("link", name="Next").click()
    expect(tab.locator("h1")).to_contain_text(f"Case {CASE + 1}")
    expect(tab.get_by_label("Note")).to_have_value("")
    tab.go_back()
    expect(tab.locator("h1")).to_contain_text(f"Case {CASE}")
    expect(tab.get_by_label("Note")).to_have_value("while it is locked")
    expect(tab.locator("[data-unsaved=failed]")).to_be_visible()
    assert notes(path) == []
    locking.execute("ROLLBACK")
    locking.close()
    expect(tab.locator("[data-unsaved]")).to_have_count(0, timeout=PROBED)
    expect(tab.locator(".notes-note .notes-state")).to_contain_text("saved")
    expect(tab.get_by_role("alert")).to_have_count(0)
    assert notes(path) == [(CASE, "while it is locked")]


def test_a_page_of_the_database_before_writes_nothing_into_the_one_after_a_restart(
    served, start, path, tab, other
):
    process, address = served
    tab.goto(f"{address}/case/{CASE}")
    expect(tab.get_by_label("Note")).to_be_visible()
    process.terminate()
    process.wait()
    path.unlink()
    shutil.copyfile(other, path)
    process, _ = start()
    write(tab, "of the one before")
    expect(tab.get_by_role("alert")).to_contain_text(
        "This page shows another database than the server has now"
    )
    expect(tab.get_by_label("Note")).to_have_value("of the one before")
    assert notes(path) == []
    path.unlink()
    process.terminate()
    process.wait()
