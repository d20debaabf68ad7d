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

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import db.engine
import db.migrate
from tests.support import database

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30_000  # ms that a step may take; both cores may be busy with other tests


@pytest.fixture(scope="session")
def database_file(tmp_path_factory) -> Path:
    """A migrated database file with the synthetic rows of `database.fill`, to be read."""
    path = tmp_path_factory.mktemp("site") / "cases.db"
    engine = db.engine.create(path)
    db.migrate.upgrade(engine)
    database.fill(engine)
    engine.dispose()
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
    """One browser window for all tests, so that scripts are loaded once: 1280 x 900, light, no motion."""
    window = chromium.new_context(
        base_url=site, viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    window.set_default_timeout(PATIENCE)
    yield window
    window.close()


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
def page(window, site, expected_errors) -> Iterator[Page]:
    """A fresh tab that remembers nothing; paths are relative to the site: `page.goto("/")`."""
    errors: list[str] = []
    opened = window.new_page()
    opened.wait_for_function = partial(wait_until, opened)
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    if opened.url.startswith(site):
        opened.evaluate("localStorage.clear(); sessionStorage.clear()")
    opened.close()
    unexpected = [error for error in errors if not any(part in error for part in expected_errors)]
    assert not unexpected, f"errors in the browser: {unexpected}"
