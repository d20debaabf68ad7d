"""The case view as a person uses it: each test is a walk through one page."""

import math
import re

import pytest
from playwright.sync_api import Page, expect
from scipy.stats import pearsonr

pytest_plugins = ("tests.support.browser",)

ATTACKED, CLEAN = 50, 34  # validation cases of the synthetic database
SETTLED = '#case-graph[data-settled="true"]'
EDGES = """() => document.getElementById("case-graph")._cyreg.cy.edges().map((edge) => {
  const [a, b] = [edge.source().position(), edge.target().position()];
  return [edge.data("distance"), Math.hypot(a.x - b.x, a.y - b.y)];
})"""
PLACE = """(id) => {
  const element = document.getElementById("case-graph");
  const box = element.getBoundingClientRect();
  const { x, y } = element._cyreg.cy.getElementById(id).renderedPosition();
  return [box.left + x, box.top + y];
}"""
CHANGED_PIXEL = """async () => {
  const images = [...document.querySelectorAll(".case-image img")];
  const pixels = await Promise.all(images.map(async (image) => {
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.getContext("2d").getImageData(0, 0, 32, 32).data;
  }));
  const at = pixels[0].findIndex((value, i) => value !== pixels[1][i]) >> 2;
  return [at >> 5, at & 31];
}"""
ZOOM = "() => document.getElementById('case-graph')._cyreg.cy.zoom()"
AXIS = "(id) => document.querySelector(`#${id} .js-plotly-plot`).layout.xaxis.title.text"
INK = "() => document.querySelector('#case-softmax .js-plotly-plot')._fullLayout.font.color"


def opened(page: Page, path: str) -> None:
    page.visit(path)
    page.wait_for_selector(SETTLED)


def expect_layer(page: Page, layer: str) -> None:
    """Wait until every part of the page, and the graph, shows the layer."""
    expect(page.locator("#case-layer-title")).to_contain_text(f"in {layer}")
    chosen = page.locator(".layer[aria-pressed=true], .decision:has([aria-pressed=true])")
    expect(chosen).to_have_count(2)
    assert chosen.evaluate_all("all => all.map((one) => one.dataset.layer)") == [layer, layer]
    page.wait_for_function(
        "(n) => document.getElementById('case-graph')._cyreg.cy.edges().length === n",
        arg=page.locator(".neighbor-row").count(),
    )
    page.wait_for_selector(SETTLED)


def scroll_to_graph(page: Page) -> None:
    """Bring the graph into view and let it take notice: scroll events come with the next frame."""
    page.locator(".graph-frame").scroll_into_view_if_needed()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def node_of_rank(page: Page, rank: int) -> str:
    return page.locator(".neighbor-row").nth(rank - 1).get_attribute("data-node")


def length_correlation(page: Page) -> float:
    """Pearson's correlation of the stored distances with the drawn lengths."""
    distances, drawn = zip(*page.evaluate(EDGES), strict=True)
    return pearsonr(distances, drawn).statistic


def test_a_case_shows_what_was_changed_and_what_the_network_made_of_it(page):
    opened(page, f"/case/{ATTACKED}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {ATTACKED}")
    assert page.locator(".layer-name").all_inner_texts() == (
        ["conv1", "conv2", "conv3", "conv4", "flatten", "dense", "logits", "composed"]
    )
    expect(page.locator(".decision[data-layer]")).to_have_count(4)
    expect(page.locator(".decision[data-detector] .decision-reason")).to_have_count(3)
    expect(page.locator(".pixel .swatch")).to_have_count(2)
    page.wait_for_function(
        "[...document.querySelectorAll('.case-page img')].every((one) => one.naturalWidth > 0)"
    )

    row, column = page.evaluate(CHANGED_PIXEL)
    expect(page.locator(".pixel-place")).to_have_text(f"row {row}, column {column}")
    image = page.locator(".case-image-frame").nth(1).bounding_box()
    ring = page.locator(".pixel-ring").nth(1).bounding_box()
    across = image["x"] + image["width"] * (column + 0.5) / 32
    down = image["y"] + image["height"] * (row + 0.5) / 32
    assert ring["x"] + ring["width"] / 2 == pytest.approx(across, abs=1)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(down, abs=1)


def test_a_clean_case_says_so_and_an_unknown_layer_gets_a_line(page):
    opened(page, f"/case/{CLEAN}?layer=conv9")
    expect(page.locator(".case-summary")).to_contain_text(re.compile("nothing was changed", re.IGNORECASE))
    expect(page.locator(".case-image img")).to_have_count(1)
    expect(page.locator(".pixel-ring")).to_have_count(0)
    expect(page.locator("#case-notice")).to_contain_text("“conv9”")
    expect_layer(page, "composed")
    page.locator(".layer[data-layer=dense]").click()
    expect(page.locator("#case-notice")).to_be_empty()
    expect_layer(page, "dense")


def test_a_click_on_a_layer_updates_everything_and_the_address_keeps_it(page):
    opened(page, f"/case/{ATTACKED}")
    expect_layer(page, "composed")
    before = page.evaluate(EDGES)
    page.locator(".layer[data-layer=dense]").click()
    expect_layer(page, "dense")
    assert "layer=dense" in page.url
    assert page.evaluate(EDGES) != before
    k = page.locator(".neighbor-row").count()
    assert page.evaluate(AXIS, "case-counts").endswith(f" {k}")
    expect(page.locator(".decision[data-layer=dense] .decision-reason")).to_contain_text(
        f"of {k}; alarms above"
    )

    page.locator(".decision[data-layer=logits]").click()  # anywhere on the card, as its text is
    expect_layer(page, "logits")
    page.locator(".decision[data-layer=flatten] .decision-reason").click()
    expect_layer(page, "flatten")
    page.go_back()
    expect_layer(page, "logits")
    assert page.evaluate(AXIS, "case-counts").endswith(f" {page.locator('.neighbor-row').count()}")
    expect(page.locator("#case-verdict")).to_contain_text("compared layers")
    expect(page.locator("#case-verdict")).to_contain_text("logits: ")
    page.reload()
    page.wait_for_selector(SETTLED)
    expect_layer(page, "logits")
    page.go_back()
    expect_layer(page, "dense")
    page.go_forward()
    expect_layer(page, "logits")


def test_text_of_a_decision_that_is_selected_chooses_no_layer(page):
    opened(page, f"/case/{ATTACKED}")
    address = page.url
    box = page.locator(".decision[data-layer=dense] .decision-reason").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 8, steps=3)
    page.mouse.up()
    assert page.evaluate("getSelection().toString().length") > 3
    page.locator("h1").click()
    assert page.url == address
    expect_layer(page, "composed")


def test_enter_and_space_choose_a_layer_which_leaves_the_k_and_threshold_of_the_one_before(page):
    opened(page, f"/case/{ATTACKED}?layer=dense&k=3&threshold=1")
    expect_layer(page, "dense")
    expect(page.locator("#what-if-case .decision-reason")).to_contain_text("of 3; alarms above 1")
    for key, layer, kind in (("Enter", "logits", ".layer"), ("Space", "flatten", ".decision")):
        button = page.locator(f"button{kind}[data-layer={layer}], {kind}[data-layer={layer}] button")
        button.focus()
        page.keyboard.press(key)
        expect_layer(page, layer)
        expect(button).to_be_focused()
        expect(page).to_have_url(re.compile(rf"/case/{ATTACKED}\?layer={layer}$"))
    page.go_back()
    expect_layer(page, "logits")
    page.go_back()
    expect_layer(page, "dense")
    expect(page).to_have_url(re.compile(r"\?layer=dense&k=3&threshold=1$"))
    expect(page.locator("#what-if-case .decision-reason")).to_contain_text("of 3; alarms above 1")
    page.go_forward()
    expect_layer(page, "logits")
    assert "k=" not in page.url


def test_pointing_links_the_parts_and_enlarges_the_images(page):
    opened(page, f"/case/{ATTACKED}?layer=dense")
    page.locator(".decision[data-layer=flatten]").hover()
    expect(page.locator(".layer[data-layer=flatten]")).to_have_attribute("data-hinted", "")
    expect(page.locator("[data-hinted]")).to_have_count(2)
    page.locator("h1").hover()
    expect(page.locator("[data-hinted]")).to_have_count(0)

    scroll_to_graph(page)
    row, card = page.locator(".neighbor-row").nth(2), page.locator(".graph-card")
    x, y = page.evaluate(PLACE, node_of_rank(page, 3))
    page.mouse.move(x, y)
    expect(card.locator("strong")).to_have_text(row.locator(".class-name").inner_text())
    expect(card).to_contain_text("rank 3")
    expect(card).to_contain_text(f"distance {row.locator('.neighbor-distance').inner_text()}")
    expect(card).to_contain_text("euclidean, dense")
    assert card.locator("img").bounding_box()["width"] >= 4 * 32
    expect(row).to_have_attribute("data-pointed", "")
    page.mouse.move(x, 5)
    expect(card).to_be_hidden()
    page.locator(".neighbor-list").focus()
    page.keyboard.press("ArrowDown")
    expect(card).to_contain_text("rank 1")
    page.keyboard.press("ArrowDown")
    expect(card).to_contain_text("rank 2")


def test_edge_lengths_follow_the_distances_also_after_pulling_an_image(page):
    opened(page, f"/case/{ATTACKED}")
    assert length_correlation(page) >= 0.95
    scroll_to_graph(page)
    node = node_of_rank(page, 2)
    x, y = page.evaluate(PLACE, node)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 40, steps=3)
    page.mouse.move(x + 60, y + 90, steps=3)
    assert page.evaluate(PLACE, node) == pytest.approx([x + 60, y + 90], abs=4)
    page.mouse.up()
    page.wait_for_selector(SETTLED)
    assert math.dist(page.evaluate(PLACE, node), (x, y)) > 5
    assert length_correlation(page) >= 0.95

    page.get_by_role("button", name="All 50").click()
    expect(page.locator(".neighbor-row")).to_have_count(50)
    expect_layer(page, "composed")
    assert "neighbors=all" in page.url
    assert len(page.evaluate(EDGES)) == 50
    assert length_correlation(page) >= 0.95


def test_the_wheel_zooms_the_background_pans_and_fit_undoes_both(page):
    opened(page, f"/case/{ATTACKED}")
    scroll_to_graph(page)
    box = page.locator(".graph-frame").bounding_box()
    corner = (box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)
    zoom, scrolled = page.evaluate(ZOOM), page.evaluate("window.scrollY")
    page.mouse.move(*corner)
    for notch in range(1, 6):  # Cytoscape's own zoom gets going with the first few
        page.mouse.wheel(0, -100)
        page.wait_for_function(f"({ZOOM})() > {zoom} * {1.2**notch}")
        assert page.evaluate(ZOOM) < 1.4**notch * zoom
    assert page.evaluate("window.scrollY") == scrolled
    before = page.evaluate(PLACE, "case")
    page.mouse.down()
    page.mouse.move(corner[0] - 80, corner[1] - 50, steps=5)
    page.mouse.up()
    assert page.evaluate(PLACE, "case") == pytest.approx([before[0] - 80, before[1] - 50], abs=8)
    page.get_by_role("button", name="Fit").click()
    page.wait_for_function(f"Math.abs(({ZOOM})() - {zoom}) < 0.02")


def test_next_and_the_way_back_keep_the_filter_and_the_theme_is_followed(page):
    opened(page, f"/case/{ATTACKED}?kind=adversarial")
    page.locator(".layer[data-layer=dense]").click()
    expect_layer(page, "dense")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {ATTACKED + 1}")
    expect_layer(page, "dense")
    assert "kind=adversarial" in page.url

    light = page.evaluate(INK)
    page.locator("#theme-toggle").click()
    page.wait_for_function(f"({INK})() !== '{light}'")
    page.get_by_role("link", name="← Cases").click()
    expect(page.locator(".case-page")).to_have_count(0)
    assert "kind=adversarial" in page.url


def test_a_page_that_is_left_while_the_graph_moves_ends_quietly(page):
    page.emulate_media(reduced_motion="no-preference")
    opened(page, f"/case/{ATTACKED}")
    scroll_to_graph(page)
    x, y = page.evaluate(PLACE, node_of_rank(page, 1))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 40, steps=3)
    page.mouse.up()
    expect(page.locator("#case-graph")).to_have_attribute("data-settled", "false")
    page.get_by_role("link", name="← Cases").evaluate("link => link.click()")  # at once, without scrolling
    expect(page.locator("tbody tr")).to_have_count(32)  # any error in the page fails the test


def test_all_neighbors_are_told_from_the_counted_ones(page):
    opened(page, f"/case/{ATTACKED}?layer=dense")
    k = page.locator(".neighbor-row").count()
    expect(page.locator("#case-legend")).to_contain_text(f"among the {k} shown:")
    expect(page.locator(".neighbor-rule")).to_have_count(0)
    page.get_by_role("button", name="All 50").click()
    expect(page.locator(".neighbor-row")).to_have_count(50)
    expect(page.locator("#case-legend")).to_contain_text("among the 50 shown:")
    expect(page.locator("#case-list > li").nth(k)).to_have_text(f"beyond the first {k}: not counted")


def test_a_case_that_is_not_there_is_a_page_with_status_404(page, expected_errors):
    expected_errors.append("404")
    response = page.goto("/case/99999")
    assert response.status == 404
    expect(page.locator("#page")).to_contain_text("99999")
