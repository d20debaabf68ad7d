"""The case list as a person uses it: in a browser, against the served dashboard."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect

pytest_plugins = ("tests.support.browser",)


@pytest.fixture
def cases(page):
    """The page with the case list open."""
    page.visit("/")
    expect(page.locator("tbody tr")).to_have_count(32)
    return page


def facet(page, name, value):
    return page.locator(f".facet-{name} a", has_text=value)


def column(page, name):
    return page.locator(f"tbody .c-{name}").all_inner_texts()


def address(page, path):
    """Wait for the path and query string, and for the list to show it."""
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))
    if not path.startswith("/case/"):
        expect(page.locator(f".cases[data-search='{path[1:]}']")).to_be_attached()


def test_the_list_shows_the_validation_cases_with_all_their_images(cases):
    expect(cases.locator("h1")).to_have_text("Validation cases")
    expect(cases).to_have_title("Cases · Explainable Pixels")
    expect(cases.locator(".app-facts")).to_contain_text("81.2 % test accuracy")
    cases.wait_for_load_state("networkidle")
    loaded = cases.eval_on_selector_all("img.thumbnail", "all => all.map(i => i.complete && i.naturalWidth)")
    assert len(loaded) == 32 + 16
    assert set(loaded) == {32}
    assert cases.eval_on_selector("img.thumbnail", "i => getComputedStyle(i).imageRendering") == "pixelated"


def test_the_ring_is_on_the_attacked_pixel(cases):
    facet(cases, "kind", "adversarial").click()
    address(cases, "/?kind=adversarial")
    expect(cases.locator("tbody tr")).to_have_count(16)
    row, left = (int(number) for number in cases.locator(".place").first.inner_text().split(", "))
    image = cases.locator(".thumb img").first.bounding_box()
    ring = cases.locator(".thumb .ring").first.bounding_box()
    scale = image["width"] / 32
    assert ring["x"] + ring["width"] / 2 - image["x"] == pytest.approx((left + 0.5) * scale, abs=0.5)
    assert ring["y"] + ring["height"] / 2 - image["y"] == pytest.approx((row + 0.5) * scale, abs=0.5)


def test_a_filter_changes_address_rows_and_counts_and_comes_off_again(cases):
    facet(cases, "kind", "clean").click()
    address(cases, "/?kind=clean")
    expect(cases.locator("tbody tr")).to_have_count(16)
    assert set(column(cases, "kind")) == {"clean"}
    expect(cases.locator(".list-count")).to_have_text("16 of 64 cases")
    cases.locator(".tile", has_text="false alarm").click()
    address(cases, "/?kind=clean&outcome=FP")
    expect(cases.locator("tbody tr")).to_have_count(2)
    assert set(column(cases, "outcome")) == {"false alarm"}
    cases.locator(".chip", has_text="clean").click()
    address(cases, "/?outcome=FP")
    cases.locator(".reset").click()
    address(cases, "/")
    expect(cases.locator("tbody tr")).to_have_count(32)


def test_another_layer_shows_its_own_outcomes(cases):
    before = cases.locator(".tile-count").all_inner_texts()
    cases.locator(".segment", has_text="logits").click()
    address(cases, "/?detector=logits")
    expect(cases.locator(".layer-choice .segment-on")).to_have_text("logits")
    assert cases.locator(".tile-count").all_inner_texts() != before


def test_back_forward_and_reload_show_what_the_address_says(cases):
    facet(cases, "true", "cat").click()
    address(cases, "/?true=cat")
    facet(cases, "kind", "adversarial").click()
    address(cases, "/?kind=adversarial&true=cat")
    expect(cases.locator(".list-count")).to_have_text("2 of 64 cases")
    rows = column(cases, "id")
    cases.go_back()
    address(cases, "/?true=cat")
    expect(cases.locator(".list-count")).to_have_text("4 of 64 cases")
    cases.go_forward()
    expect(cases.locator(".list-count")).to_have_text("2 of 64 cases")
    cases.reload()
    expect(cases.locator("tbody tr")).to_have_count(2)
    assert column(cases, "id") == rows


def test_a_header_sorts_and_sorts_the_other_way(cases):
    header = cases.locator("th.c-confidence")
    header.locator("a").click()
    address(cases, "/?sort=-confidence")
    expect(header).to_have_attribute("aria-sort", "descending")
    shares = [float(re.sub(r"[^\d.]", "", text)) for text in column(cases, "confidence")]
    assert shares == sorted(shares, reverse=True)
    header.locator("a").click()
    address(cases, "/?sort=confidence")
    expect(header).to_have_attribute("aria-sort", "ascending")


def test_pages_follow_one_another(page):
    page.visit("/?partition=all")
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator(".list-foot")).to_contain_text("1–50 of 64")
    page.get_by_role("link", name="Next", exact=True).click()
    address(page, "/?partition=all&page=2")
    expect(page.locator("tbody tr")).to_have_count(14)
    assert column(page, "id")[0] == "51"
    page.locator(".pager").get_by_role("link", name="1", exact=True).click()
    address(page, "/?partition=all")


def test_a_click_anywhere_in_a_row_opens_its_case_and_back_returns_to_the_list(cases):
    facet(cases, "kind", "adversarial").click()
    expect(cases.locator("tbody tr")).to_have_count(16)
    case_id = column(cases, "id")[2]
    cases.locator("tbody tr").nth(2).locator(".c-class").first.click(force=True)
    address(cases, f"/case/{case_id}?kind=adversarial")
    expect(cases.locator("h1")).to_contain_text(case_id)
    expect(cases).to_have_title(f"Case {case_id} · Explainable Pixels")
    cases.go_back()
    expect(cases.locator("tbody tr")).to_have_count(16)


def test_the_keyboard_alone_filters_and_keeps_its_place(cases):
    cases.keyboard.press("Tab")
    link = facet(cases, "kind", "clean")
    link.focus()
    assert link.evaluate("a => getComputedStyle(a).outlineStyle") == "solid"
    cases.keyboard.press("Enter")
    address(cases, "/?kind=clean")
    expect(cases.locator("tbody tr")).to_have_count(16)
    expect(link).to_be_focused()


def test_a_typed_case_number_opens_the_case(cases):
    cases.get_by_placeholder("Go to case").fill("7")
    cases.keyboard.press("Enter")
    address(cases, "/case/7")
    expect(cases).to_have_title("Case 7 · Explainable Pixels")


@pytest.mark.parametrize("path", ["/case/999", "/elsewhere"])
def test_a_wrong_address_gets_our_page_and_a_way_back(page, expected_errors, path):
    expected_errors.append("404")
    assert page.goto(path).status == 404
    expect(page.locator(".notice h1")).to_have_text("Nothing here")
    page.get_by_role("link", name="Validation cases").click()
    expect(page.locator("tbody tr")).to_have_count(32)


def test_an_unknown_value_is_named_and_can_be_left(page):
    page.visit("/?outcome=maybe")
    expect(page.locator(".notice")).to_contain_text("outcome 'maybe'")
    expect(page.locator(".notice")).to_contain_text(
        "TP (attack detected), FP (false alarm), TN (correctly quiet)"
    )
    page.locator(".notice .button").click()
    expect(page.locator("tbody tr")).to_have_count(32)


def test_the_theme_toggles_at_once_and_is_kept(cases):
    def theme():
        return cases.evaluate(
            "[document.documentElement.dataset.theme, getComputedStyle(document.body).color]"
        )

    light = theme()
    assert light[0] == "light"
    cases.get_by_role("button", name="Switch between light and dark").click()
    expect(cases.locator("html")).to_have_attribute("data-theme", "dark")
    assert theme()[1] != light[1]
    cases.reload()
    expect(cases.locator("tbody tr")).to_have_count(32)
    assert theme()[0] == "dark"


def test_the_theme_stands_before_the_first_paint_and_follows_the_system(page):
    page.emulate_media(color_scheme="dark")
    session = page.context.new_cdp_session(page)
    early = (
        "addEventListener('DOMContentLoaded', () => window.early = document.documentElement.dataset.theme)"
    )
    session.send("Page.enable")
    session.send("Page.addScriptToEvaluateOnNewDocument", {"source": early})
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(32)
    session.detach()
    assert page.evaluate("window.early") == "dark"
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_nothing_is_cut_off_at_either_side(page):
    page.visit("/?kind=adversarial")
    expect(page.locator("tbody tr")).to_have_count(16)
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 1080})
        for selector in ("html", ".table-card", ".tiles", ".tile:nth-child(1)", ".app-header"):
            box = page.eval_on_selector(selector, "e => [e.scrollWidth, e.clientWidth]")
            assert box[0] <= box[1], (width, selector, box)
        cells = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
        assert page.eval_on_selector_all("tbody td:not(.c-image)", cells) == [], width


def test_an_expert_narrows_the_list_sorts_it_saves_it_and_takes_it_along(cases, tmp_path):
    """One walk over the tools above the list, as they are used together."""
    cases.locator(".facet-confidence summary").click()
    cases.get_by_label("Confidence, from").fill("0.3")
    cases.get_by_label("Confidence, from").press("Enter")
    address(cases, "/?confidence=0.3..")
    expect(cases.locator(".chip", has_text="confidence from 0.3")).to_be_visible()
    facet(cases, "kind", "adversarial").click()
    address(cases, "/?kind=adversarial&confidence=0.3..")
    expect(cases.locator(".chip", has_text="kind adversarial")).to_be_visible()
    header = cases.locator("th.c-confidence")
    header.locator("a").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    cases.locator("th.c-class a").first.click()
    address(cases, "/?kind=adversarial&confidence=0.3..&sort=true,-confidence")
    expect(cases.locator("th.c-confidence .sort-arrow")).to_have_text("↓2")

    cases.locator(".saved-views > summary").click()
    cases.get_by_label("Name of a new view").fill("sure attacks")
    cases.get_by_role("button", name="Save", exact=True).click()
    expect(cases.get_by_role("link", name="sure attacks")).to_be_visible()
    cases.keyboard.press("Escape")
    expect(cases.get_by_role("link", name="sure attacks")).to_be_hidden()
    ids = column(cases, "id")

    cases.locator(".menu-of > summary", has_text="Export").click()
    with cases.expect_download() as download:
        cases.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "cases.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cases.csv").read_text())))
    assert [row["case_id"] for row in rows] == ids
    cases.locator(".list-sql summary").click()
    expect(cases.locator(".list-sql code")).to_contain_text("ORDER BY facets.true_class")

    cases.get_by_role("link", name="Gallery").click()
    address(cases, "/?kind=adversarial&confidence=0.3..&sort=true,-confidence&view=gallery")
    expect(cases.locator(".gallery-tile")).to_have_count(len(ids))
    cases.goto("/")
    cases.locator(".saved-views > summary").click()
    cases.get_by_role("link", name="sure attacks").click()
    address(cases, "/?kind=adversarial&confidence=0.3..&sort=true,-confidence")
    expect(cases.locator("tbody tr")).to_have_count(len(ids))
    cases.get_by_role("button", name="Random case").click()
    expect(cases).to_have_url(re.compile(r"/case/\d+\?kind=adversarial"))
    assert re.search(r"/case/(\d+)", cases.url)[1] in ids
    cases.goto("/")
    cases.locator(".saved-views > summary").click()
    cases.get_by_role("button", name="Forget sure attacks").click()
    expect(cases.get_by_role("link", name="sure attacks")).to_have_count(0)


def test_words_and_numbers_are_found(cases):
    cases.get_by_label("Find case numbers").fill("40-41, 33")
    cases.keyboard.press("Enter")
    expect(cases.locator("tbody tr")).to_have_count(3)
    assert column(cases, "id") == ["33", "40", "41"]
    cases.reload()
    expect(cases.get_by_label("Find case numbers")).to_have_value("40-41, 33")
