"""Browser tests: the dashboard in a process of its own, and Chromium to look at it.

A test module asks for these fixtures with `pytest_plugins = ("tests.support.browser",)`. Any error in the
browser's console, any exception in a page fails the test that caused it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import db.engine
import db.migrate
from tests.support import database, fresh_database

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1280, "height": 900}
NOWHERE = "/nowhere"  # an address of the app that has no page
PATIENCE = 30_000  # ms that a step may take; both cores may be busy with other tests


@pytest.fixture(scope="session")
def database_file(shared) -> Path:
    """A migrated database file with the synthetic rows of `database.fill`, made once, to be read."""
    made, path = shared / "site.db", shared / "site" / "cases.db"
    with FileLock(shared / "site.lock"):
        if not path.exists():
            engine = db.engine.create(made)
            db.migrate.upgrade(engine)
            database.fill(engine)
            engine.dispose()
            path.parent.mkdir(exist_ok=True)
            fresh_database.copy_file(made, path)
    return path


@pytest.fixture(scope="session")
def site(database_file) -> Iterator[str]:
    """The address of the dashboard over `database_file`, served as `python -m dashapp` serves it."""
    with serving("--database", str(database_file), "--port", "0") as process:
        address = process.stdout.readline().strip()
        if not address.startswith("http://"):
            pytest.fail(f"the dashboard did not start: {address} {process.stderr.read()}")
        try:
            yield address
        finally:
            process.terminate()


def serving(*arguments: str) -> subprocess.Popen:
    """Start `python -m dashapp` with these arguments; its output is text in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "dashapp", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail("the browser tests need Chromium: run `sh tests/programs.sh`")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of console errors that a test provokes on purpose; the test appends to it."""
    return []


@pytest.fixture(scope="session")
def window(chromium, site) -> Iterator[BrowserContext]:
    """One browser window for all tests: 1280 x 900, light, no motion; paths are relative to the site."""
    window = chromium.new_context(base_url=site, viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    window.set_default_timeout(PATIENCE)
    yield window
    window.close()


@pytest.fixture(scope="session")
def only_tab(window) -> Page:
    """One tab for all tests, as each new one would compile every script anew."""
    opened = window.new_page()
    opened.wait_for_function = partial(wait_until, opened)
    opened.visit = partial(visit, opened)
    return opened


@pytest.fixture
def tab(only_tab) -> Iterator[Page]:
    """The tab, which remembers nothing of other tests; whoever asks for it watches for errors."""
    only_tab.set_viewport_size(SIZE)
    only_tab.emulate_media(color_scheme="light", reduced_motion="reduce")
    only_tab.mouse.move(-1, -1)
    session = only_tab.context.new_cdp_session(only_tab)
    session.send("Page.resetNavigationHistory")
    session.detach()
    yield only_tab
    only_tab.unroute_all()
    if urlsplit(only_tab.url).path != NOWHERE:
        only_tab.goto("/healthz")


def leave(page: Page) -> None:
    """Forget what the site remembers, and go to its page with nothing on it."""
    if not page.evaluate("Boolean(window.explainablePixels)"):
        return
    remembers = """localStorage.length + sessionStorage.length > 0
        || document.querySelector("[data-unsaved], dialog[open]") !== null"""
    if page.evaluate(remembers):
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        page.goto("/healthz")
    else:
        follow(page, NOWHERE)
        expect(page.locator(".notice h1")).to_have_text("Nothing here")


def follow(page: Page, address: str) -> None:
    """Go to an address as a click on a link of the app does, which loads no script again."""
    page.evaluate("(address) => window.explainablePixels.address.follow(address)", address)


def visit(page: Page, address: str) -> None:
    """Open an address of the site at the start of a test."""
    if urlsplit(page.url).path == NOWHERE:
        follow(page, address)
    else:
        page.goto(address)


def wait_until(page: Page, expression: str, *, arg: object = None, timeout: float = 15_000) -> None:
    """Wait until an expression, or a function of `arg`, is true in the page; `timeout` in milliseconds.

    In place of Playwright's `wait_for_function`, which needs `eval`, and that our policy forbids.
    """
    done = page.evaluate(
        """async ([arg, timeout]) => {
            const end = performance.now() + timeout;
            while (performance.now() < end) {
                const found = (EXPRESSION);
                if (await (typeof found === "function" ? found(arg) : found)) return true;
                await new Promise(requestAnimationFrame);
            }
            return false;
        }""".replace("EXPRESSION", expression),
        [arg, timeout],
    )
    assert done, f"after {timeout / 1000} s not yet: {expression}"


@pytest.fixture
def page(tab, site, expected_errors) -> Iterator[Page]:
    """The tab at the site; paths are relative: `page.goto("/")`, or `page.visit("/")`."""
    errors: list[str] = []

    def hear(message):
        if message.type == "error":
            errors.append(message.text)

    def catch(error):
        errors.append(str(error))

    tab.on("console", hear)
    tab.on("pageerror", catch)
    yield tab
    leave(tab)
    tab.remove_listener("console", hear)
    tab.remove_listener("pageerror", catch)
    unexpected = [error for error in errors if not any(part in error for part in expected_errors)]
    assert not unexpected, f"errors in the browser: {unexpected}"
