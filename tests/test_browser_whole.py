"""What holds on every page: axe finds nothing, the keyboard is seen, it fits, nothing leaves the machine."""

import re
import shutil
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from dashapp import app

pytest_plugins = ("tests.support.browser",)

DRAWN = 20_000  # milliseconds for charts: the browser loads all of plotly.js for them
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = {  # name -> address, what shows that it is there
    "list": ("/", "main h1"),
    "no match": ("/?kind=clean&outcome=TP", "main :is(h1, h2):text('No case matches')"),
    "refused": ("/?outcome=maybe", "h1:text('cannot be shown')"),
    "attacked": ("/case/49?neighbors=all", ".neighbor-row.is-beyond"),
    "clean": ("/case/33", ".neighbor-row"),
    "detectors": ("/detectors", ".js-plotly-plot .main-svg"),
    "not found": ("/elsewhere", "h1:text('Nothing here')"),
}
# The element that has the keyboard shows it: itself, what it spreads over, or the box that it fills.
SHOWS_FOCUS = """() => {
    const element = document.activeElement;
    const drawn = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
    return drawn(getComputedStyle(element)) || drawn(getComputedStyle(element, "::after"))
        || drawn(getComputedStyle(element.parentElement)) || element.closest(".skip-link") !== null;
}"""
NAME = """() => {
    const element = document.activeElement;
    return (element.getAttribute("aria-label") || element.innerText || element.placeholder || "").trim();
}"""


def violations(page, rules):
    """What axe finds serious or critical, one line each with the element."""
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def judged(page):
    """Both themes; the dark one only has other colors."""
    page.emulate_media(color_scheme="light")
    found = violations(page, {"type": "tag", "values": WCAG})
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    return found + violations(page, {"type": "rule", "values": ["color-contrast"]})


def walked(page):
    """Tab through a page's first controls; their names, each seen to have the keyboard."""
    names = []
    for _ in range(20):
        page.keyboard.press("Tab")
        names.append(page.evaluate(NAME))
        assert page.evaluate(SHOWS_FOCUS), f"{names[-1]!r} has the keyboard, and nothing shows it"
    return names


@pytest.mark.parametrize("name", PAGES)
def test_a_page_passes_axe_fits_shows_the_keyboard_and_stays_on_this_machine(
    page, site, expected_errors, name
):
    address, sign = PAGES[name]
    hosts = set()

    def note(request):
        hosts.add(urlsplit(request.url).netloc)

    page.on("request", note)
    if name == "not found":
        expected_errors.append("404")
    page.goto(address)
    expect(page.locator(sign).first).to_be_visible(timeout=DRAWN)
    if name in ("attacked", "clean"):
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=DRAWN)
    assert judged(page) == []
    if name in ("list", "attacked", "detectors"):
        names = walked(page)
        menu = [page.TITLE for page in app.PAGES if "<" not in page.PATH]
        header = ["Skip to the content", "Explainable Pixels", *menu, "Go to case …", "Keys"]
        assert names[: len(header) + 1] == [*header, "Switch between light and dark"]
        for width in (768, 1024, 1280, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            for selector in ("html", ".app-header"):
                # Charts take a moment to follow.
                wide = f"document.querySelector('{selector}')"
                page.wait_for_function(f"{wide}.scrollWidth <= {wide}.clientWidth", timeout=5_000)
    page.remove_listener("request", note)
    assert hosts <= {urlsplit(site).netloc, ""}  # '' is data: and blob:
    assert page.locator("[data-title*='loud'], [href^='http']").count() == 0


def test_axe_finds_nothing_serious_in_an_empty_database(tab, migrated_file, tmp_path):
    from tests.support.browser import serving

    empty = shutil.copyfile(migrated_file, tmp_path / "empty.db")
    with serving("--database", str(empty), "--port", "0") as process:
        try:
            address = process.stdout.readline().strip()
            for path in ("/", "/detectors"):
                tab.goto(f"{address}{path}")
                expect(tab.locator("main h1")).to_be_visible()
                assert judged(tab) == []
            # The server goes away; the page says so instead of standing still.
            process.terminate()
            process.wait()
            tab.get_by_role("link", name="Cases").click()
            expect(tab.get_by_role("alert")).to_contain_text("The server cannot be reached")
        finally:
            process.kill()  # or leaving would wait for it


def test_the_header_can_be_skipped_and_the_address_stays(page):
    page.goto("/detectors")
    expect(page.locator("main h1")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert urlsplit(page.url).fragment == ""


def test_help_opens_and_closes_with_the_keyboard_and_stays_in_the_window(page):
    page.set_viewport_size({"width": 1024, "height": 900})
    page.visit("/detectors")
    button = page.get_by_role("button", name="What is “AUC, paired”?")
    expect(button).to_be_visible()
    text = page.locator(".help-text:popover-open")
    button.focus()
    page.keyboard.press("Enter")
    expect(text).to_contain_text("the very same images before the attack")
    expect(button).to_have_attribute("aria-expanded", "true")
    box = text.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1024
    assert violations(page, {"type": "tag", "values": WCAG}) == []
    page.keyboard.press("Escape")
    expect(text).to_have_count(0)
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    button.click()
    expect(text).to_have_count(1)
    page.get_by_role("button", name="What is “EER”?").click()
    expect(text).to_contain_text("Equal error rate")
    expect(text).to_have_count(1)


def test_what_takes_longer_than_a_moment_is_seen_to_be_on_its_way(page):
    page.visit("/")
    expect(page.locator("main h1")).to_be_visible()
    held = []
    page.route(re.compile("_dash-update-component"), lambda route: held.append(route))
    page.get_by_role("link", name="Detectors").click()
    bar = page.locator("._dash-loading-callback")
    expect(bar).to_have_css("opacity", "1")
    page.unroute(re.compile("_dash-update-component"))  # lets those go that it held
    expect(page.locator("h1")).to_have_text("Detectors")
    expect(bar).to_have_count(0, timeout=DRAWN)
