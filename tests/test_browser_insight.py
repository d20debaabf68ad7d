"""Part C of the case view as a person uses it: each test is a walk on one page."""

import re

from playwright.sync_api import Page, expect

pytest_plugins = ("tests.support.browser",)

ATTACKED = 49  # the first adversarial validation case of the synthetic database
SETTLED = '#case-graph[data-settled="true"]'
REASON = "#what-if-case .decision-reason"
EDGE = """(rank) => {
  const element = document.getElementById("case-graph");
  const box = element.getBoundingClientRect();
  const node = document.querySelectorAll(".neighbor-row")[rank - 1].dataset.node;
  const edge = element._cyreg.cy.getElementById(`to-${node}`);
  const [a, b] = [edge.source().renderedPosition(), edge.target().renderedPosition()];
  return [box.left + 0.4 * a.x + 0.6 * b.x, box.top + 0.4 * a.y + 0.6 * b.y];
}"""
AXIS = "() => document.querySelector('#case-counts .js-plotly-plot').layout.xaxis.title.text"


def opened(page: Page, search: str = "") -> None:
    page.visit(f"/case/{ATTACKED}{search}")
    page.wait_for_selector(SETTLED, state="attached")
    expect(page.locator("#what-if")).to_be_visible()


def frames(page: Page) -> None:
    """Let the page take notice of what the mouse did."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def slider(page: Page, name: str):
    return page.get_by_role("slider", name=name, exact=True)


def number(page: Page, name: str) -> int:
    return int(slider(page, name).get_attribute("aria-valuenow"))


def test_a_slider_moves_the_page_at_once_and_the_address_when_it_is_let_go(page):
    opened(page, "?layer=dense")
    tuned = number(page, "k"), number(page, "threshold")
    expect(page.locator("#what-if-flips")).to_contain_text("This is the tuned point")
    expect(page.locator("#what-if-reset")).to_be_disabled()
    entries = page.evaluate("history.length")
    slider(page, "k").scroll_into_view_if_needed()
    box = slider(page, "k").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=3)
    page.mouse.move(x + 80, y, steps=3)
    frames(page)
    k = number(page, "k")
    assert k > tuned[0]
    expect(page.locator(REASON)).to_contain_text(f"of {k}; alarms above")
    page.wait_for_function(f"({AXIS})().endsWith(' {k}')")
    expect(page.locator("#what-if-counts tbody tr")).to_have_count(5)
    assert f"k={k}" not in page.url
    page.mouse.up()
    expect(page).to_have_url(re.compile(rf"[?&]k={k}\b"))
    expect(page.locator(".neighbor-row")).to_have_count(k)

    slider(page, "threshold").focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile(r"threshold=-1\b"))
    expect(page.locator(REASON)).to_contain_text("alarms above −1)")
    expect(page.locator("#what-if-flips .what-if-flipped")).to_contain_text("now alarm")
    expect(page.locator(".flip").first).to_have_attribute("title", re.compile("now alarms"))
    assert page.evaluate("history.length") == entries

    page.reload()
    page.wait_for_selector(SETTLED)
    expect(page.locator(REASON)).to_contain_text(f"of {k}; alarms above")
    assert (number(page, "k"), number(page, "threshold")) == (k, -1)
    page.locator(".layer[data-layer=logits]").click()
    expect(page.locator("#case-layer-title")).to_contain_text("in logits")
    assert "k=" not in page.url
    assert "threshold=" not in page.url
    page.go_back()
    expect(page.locator(REASON)).to_contain_text(f"of {k}; alarms above")
    page.get_by_role("button", name="Back to tuned").click()
    expect(page.locator(REASON)).to_contain_text(f"of {tuned[0]}; alarms above")
    expect(page).to_have_url(re.compile(r"\?layer=dense$"))


def test_an_edge_and_the_list_open_both_activations(page):
    opened(page, "?layer=dense")
    page.locator(".graph-frame").scroll_into_view_if_needed()
    frames(page)
    row = page.locator(".neighbor-row").nth(3)
    distance = row.locator(".neighbor-distance").inner_text()
    page.mouse.click(*page.evaluate(EDGE, 4))
    pair = page.locator("#pair")
    expect(pair.locator("h2")).to_contain_text("its neighbor of rank 4 in dense")
    expect(pair.locator(".pair-said")).to_contain_text(re.compile(r"top 8 of 512 units carry \d"))
    chosen = pair.locator(".is-chosen td")
    expect(chosen).to_have_text([distance, "4"])
    expect(pair.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.locator(".neighbor-row[data-paired] .neighbor-rank")).to_have_text("4")
    pair.get_by_role("button", name="As stored").click()
    expect(pair.get_by_role("button", name="As stored")).to_have_attribute("aria-pressed", "true")
    assert "order=stored" in page.url
    page.keyboard.press("Escape")
    expect(pair).to_be_hidden()
    assert "pair=" not in page.url

    page.get_by_role("button", name="List", exact=True).click()
    expect(page.locator(".graph-frame")).to_be_hidden()
    page.mouse.move(5, 5)
    page.locator(".neighbor-list").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(pair.locator("h2")).to_contain_text("rank 2")
    expect(pair).to_be_focused()
    page.get_by_role("button", name="Graph", exact=True).click()
    expect(page.locator(".neighbor-list")).to_be_hidden()
    expect(page.locator(".graph-frame")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == f"case-{ATTACKED}-dense-euclidean.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_twin_view_and_another_metric_are_in_the_address(page):
    opened(page, "?layer=dense")
    page.get_by_role("button", name="Twin view").click()
    twin = page.locator("#twin")
    rows = page.locator(".neighbor-row").count()
    expect(twin.locator(".twin-row")).to_have_count(2 * rows)
    expect(twin.locator(".twin-said")).to_contain_text(re.compile("stay|left"))
    stays = twin.locator("ol").nth(1).locator(".twin-row.is-moves").count()
    assert stays + twin.locator(".twin-row.is-enters").count() == rows
    assert twin.locator("img").evaluate_all("all => all.every((one) => one.naturalWidth > 0)")
    assert "twin=1" in page.url
    page.locator(".layer[data-layer=flatten]").click()
    expect(twin.locator("h2")).to_contain_text("in flatten")

    page.get_by_role("button", name="cosine", exact=True).click()
    expect(page.locator(".case-decisions .how")).to_contain_text("cosine")
    expect(page.get_by_role("button", name="cosine", exact=True)).to_be_focused()
    expect(page.locator("#case-layer-title")).to_have_text("No neighbors in flatten")
    expect(page.locator("#what-if")).to_be_hidden()
    page.locator(".layer[data-layer=dense]").click()
    expect(page.locator("#case-layer-title")).to_contain_text("neighbors in dense")
    expect(page.locator(".case-decisions")).to_contain_text("No decisions yet")
    assert "metric=cosine" in page.url
    page.get_by_role("button", name="euclidean", exact=True).click()
    expect(page.locator("#what-if")).to_be_visible()
    assert "metric" not in page.url
    expect(page.locator(".case-decisions .decision")).to_have_count(4)
