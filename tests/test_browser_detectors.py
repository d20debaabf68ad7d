"""The detectors' page as a person uses it: in a browser, against the served dashboard."""

import re

import pytest
from playwright.sync_api import expect

pytest_plugins = ("tests.support.browser",)

DRAWN = 20_000  # milliseconds for charts: the browser loads all of plotly.js for them


@pytest.fixture
def detectors(page):
    """The page with its charts drawn."""
    page.visit("/")
    page.get_by_role("link", name="Detectors").click()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=DRAWN)
    return page


def names(page):
    return page.locator("tbody .row-link").all_inner_texts()


def test_the_header_leads_there_and_marks_where_one_is(detectors):
    expect(detectors).to_have_title("Detectors · Explainable Pixels")
    expect(detectors.locator(".app-nav [aria-current]")).to_have_text("Detectors")
    expect(detectors.locator(".detector-table tbody tr")).to_have_count(7)
    detectors.locator(".app-nav").get_by_role("link", name="Cases").click()
    expect(detectors.locator(".app-nav [aria-current]")).to_have_text("Cases")
    expect(detectors.locator("h1")).to_have_text("Validation cases")


def test_a_row_shows_its_charts_and_the_filters_take_it_along(detectors):
    row = detectors.locator(".detector-table tbody tr", has_text="dense")
    row.locator(".d-fpr").click(force=True)  # the whole row is the link
    expect(detectors).to_have_url(re.compile(r"\?detector=dense\+euclidean\+total$"))
    expect(detectors.locator(".detector-on .row-link")).to_have_text("dense")
    expect(detectors.locator("h2", has_text="dense euclidean total: what k does")).to_be_visible()
    detectors.locator(".filter-metric a", has_text="cosine").click()
    expect(detectors).to_have_url(re.compile(r"metric=cosine&detector=dense\+cosine\+total$"))
    expect(detectors.locator("#detectors-k")).to_contain_text("best on validation", timeout=DRAWN)
    detectors.go_back()
    expect(detectors.locator("h2", has_text="dense euclidean total: what k does")).to_be_visible()


def test_a_header_sorts_with_the_keyboard_and_keeps_its_place(detectors):
    header = detectors.locator("thead .d-eer")
    header.locator("a").focus()
    detectors.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(header.locator("a")).to_be_focused()
    shares = [float(text.split()[0]) for text in detectors.locator("tbody .d-eer").all_inner_texts()]
    assert shares == sorted(shares)


def test_the_query_behind_a_chart_unfolds_and_is_selected_by_a_click(detectors):
    query = detectors.locator(".detector-chart .sql").first
    query.locator("summary").click()
    query.locator("pre").click()
    selected = detectors.evaluate("getSelection().toString()")
    assert selected.startswith("SELECT detector")
    assert selected.rstrip().endswith("ORDER BY detector, threshold")


def test_a_detector_without_k_has_its_other_charts(page):
    page.visit("/detectors?detector=repair")
    expect(page.locator("#detectors-thresholds")).to_contain_text("threshold of the score", timeout=DRAWN)
    expect(page.locator("#detectors-k")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1920])
def test_nothing_is_cut_off_and_charts_fill_their_cards(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 1080})
    page.visit("/detectors?metric=any&reference=any&sort=threshold")
    expect(page.locator("#detectors-k")).to_contain_text("best on validation", timeout=DRAWN)
    for selector in ("html", ".detector-table-card", ".app-header", ".heat"):
        box = page.eval_on_selector(selector, "e => [e.scrollWidth, e.clientWidth]")
        assert box[0] <= box[1], (selector, box)
    over = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.className + e.textContent)"
    assert page.eval_on_selector_all(".detector-table th, .detector-table td", over) == []
    fills = "all => all.map(e => e.querySelector('.main-svg').clientHeight / e.clientHeight)"
    assert all(0.97 < share < 1.03 for share in page.eval_on_selector_all(".detector-figure", fills))
