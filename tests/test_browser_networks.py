"""The networks' pages as a person uses them: in a browser, against a dashboard with two networks."""

import re

import pytest
from playwright.sync_api import expect

import db.engine
import db.migrate
from tests.support import database
from tests.support.two_networks import add_second

pytest_plugins = ("tests.support.browser",)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a dashboard with two networks on the same images."""
    from tests.support.browser import serving  # at the top it would be loaded before pytest can prepare it

    path = tmp_path_factory.mktemp("networks") / "two.db"
    engine = db.engine.create(path)
    db.migrate.upgrade(engine)
    database.fill(engine, per_group=8, references=60)
    add_second(engine)
    engine.dispose()
    with serving("--database", str(path), "--port", "0") as process:
        yield process.stdout.readline().strip().rstrip("/")
        process.terminate()


def test_rows_are_sorted_narrowed_and_unfolded_and_the_matrix_leads_to_both(page, address):
    page.goto(f"{address}/networks")
    names = page.locator(".network-name")
    expect(names).to_have_text(["cifar10-cnn", "second"])
    header = page.locator("thead .n-accuracy")
    header.locator("a").focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(header.locator("a")).to_be_focused()
    page.keyboard.press("Enter")
    expect(names).to_have_text(["second", "cifar10-cnn"])
    page.get_by_role("searchbox", name="Find networks and data sets").fill("cifar10-cnn")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?sort=accuracy&find=cifar10-cnn$"))
    expect(names).to_have_count(1)
    page.go_back()
    expect(names).to_have_count(2)
    page.locator(".network-more summary").first.click()
    expect(page.locator(".network-detectors").get_by_role("link", name="repair")).to_be_visible()
    page.locator(".transfer-matrix td a").first.click()
    expect(page.locator("h1")).to_have_text("cifar10-cnn beside second on cifar10")


def test_a_count_shows_its_images_and_an_image_its_case(page, address):
    page.goto(f"{address}/compare")
    cell = page.locator(".compare-square td a").first
    count = int(cell.inner_text())
    cell.click()
    expect(page).to_have_url(re.compile(r"&show=both#images$"))
    expect(page.locator(".compare-image")).to_have_count(count)
    expect(page.locator("#images")).to_be_in_viewport()
    page.get_by_role("link", name="Swap").click()
    expect(page.locator("h1")).to_have_text("second beside cifar10-cnn on cifar10")
    page.go_back()
    page.locator(".compare-image a").first.click()
    expect(page).to_have_title(re.compile(r"^Case \d+ · "))
    expect(page.locator("[aria-pressed=true]", has_text="Vulnerability")).to_be_visible()
