"""Maps and keys of the case view, as a person uses them who hardly touches the mouse."""

import re

from playwright.sync_api import Page, expect

from tests.support.database_maps import MAPS_NOT, SHIFT, SWEPT_NOT

pytest_plugins = ("tests.support.browser",)

ATTACKED = 50  # a validation case of the synthetic database that some positions fool
SETTLED = '#case-graph[data-settled="true"]'
POSITION = r"^row 5, column 9: \+[0-3]\.\d\d \w+ by  (0|255) (0|255) (0|255)$"


def opened(page: Page, path: str) -> None:
    page.visit(path)
    page.wait_for_selector(SETTLED)


def test_maps_lie_over_the_images_and_tell_the_numbers_of_a_position(page):
    opened(page, f"/case/{ATTACKED}")
    over = page.locator(".map-over")
    expect(over).to_have_count(0)
    page.get_by_role("button", name="Vulnerability").click()
    expect(over).to_have_count(1)  # over the original: the map is of the image before the attack
    assert "map=vulnerability" in page.url
    expect(page.locator(".map-said")).to_contain_text("12 of 1,024 positions fool it, towards")
    frame = page.locator(".case-image-frame.has-map")
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 9.5 / 32, box["y"] + box["height"] * 5.5 / 32)
    readout = page.locator(".map-readout")
    expect(readout).to_contain_text(
        re.compile(r"^row 5, column 9: \+[0-3]\.\d\d \w+ by  (0|255) (0|255) (0|255)$")
    )
    expect(readout.locator(".swatch")).to_have_count(1)
    page.mouse.move(5, 5)
    expect(readout).to_have_text("Point at a position for its numbers.")
    frame.focus()
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text(re.compile(r"^row 16, column 15: −"))

    page.locator("h1").click()
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Repair", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(over).to_have_count(2)
    expect(page.locator(".map-said")).to_contain_text("The highest margin is")
    page.reload()
    page.wait_for_selector(SETTLED)
    expect(over).to_have_count(2)
    page.go_back()
    expect(over).to_have_count(1)
    page.get_by_role("button", name="Plain").click()
    expect(over).to_have_count(0)

    suspect = page.locator(".case-image-frame .suspect")
    expect(suspect).to_be_hidden()
    page.locator(".decision[data-detector=repair]").hover()
    expect(suspect).to_be_visible()

    opened(page, f"/case/{SWEPT_NOT}?map=vulnerability")
    expect(page.locator(".map-said .notice-line")).to_contain_text("xpixels ingest")
    expect(page.locator(".case-image img")).to_have_count(1)


def test_a_conv_layer_opens_to_all_its_maps_and_to_what_the_attack_changed(page):
    opened(page, f"/case/{ATTACKED}")
    page.get_by_role("button", name=re.compile("^conv3")).click()
    channels = page.locator(".channel")
    expect(channels).to_have_count(64)
    expect(page.locator("button.layer-conv[aria-expanded=true]")).to_contain_text("conv3")
    means = channels.evaluate_all("all => all.map((one) => Number(one.title.split('mean ')[1]))")
    assert means == sorted(means, reverse=True)
    page.get_by_role("button", name="Difference to the original").click()
    expect(page.locator(".is-difference")).to_have_count(1)
    expect(channels.first.locator("b")).to_have_text("3")
    assert channels.first.get_attribute("title") == f"channel 3: mean {SHIFT / 225:.4g}"
    assert channels.nth(1).get_attribute("title").endswith("mean 0")
    page.reload()
    page.wait_for_selector(SETTLED)
    expect(page.locator(".is-difference")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^conv3")).click()
    expect(channels).to_have_count(0)
    expect(page.locator("button.layer-conv[aria-expanded=true]")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"/case/{ATTACKED}$"))
    page.go_back()
    expect(page.locator(".is-difference")).to_have_count(1)
    page.go_forward()
    expect(channels).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Close").click()
    expect(channels).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"/case/{ATTACKED}$"))
    opened(page, f"/case/{MAPS_NOT}?activations=conv1&difference=original")
    expect(page.locator(".case-channels .notice-line")).to_contain_text("before the attack are not stored")


def test_keys_do_what_buttons_do_and_rest_while_something_is_typed(page):
    opened(page, f"/case/{ATTACKED}?kind=adversarial")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog.locator("kbd", has_text=re.compile("^n$"))).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    chosen = page.locator(".layer-compared[aria-pressed=true] .layer-name")
    page.keyboard.press("2")
    expect(chosen).to_have_text("dense")
    page.keyboard.press("j")
    expect(chosen).to_have_text("logits")
    page.keyboard.press("k")
    expect(chosen).to_have_text("dense")

    held, ring = page.locator(".held-original"), page.locator(".pixel-ring").first
    expect(held).to_be_hidden()
    page.keyboard.down("h")
    expect(held).to_be_visible()
    page.keyboard.up("h")
    expect(held).to_be_hidden()
    page.keyboard.down("r")
    expect(ring).to_be_hidden()
    page.keyboard.up("r")
    expect(ring).to_be_visible()
    page.locator(".can-hold").hover()
    page.mouse.down()
    expect(held).to_be_visible()
    page.mouse.up()
    expect(held).to_be_hidden()

    page.keyboard.press("v")
    expect(page.locator(".verdict-digit").first).to_be_visible()
    page.keyboard.press("5")
    verdict = page.locator(".verdicts [aria-pressed=true]")
    expect(verdict).to_contain_text("unclear")
    expect(page.locator(".verdict-digit").first).to_be_hidden()
    verdict.click()
    expect(verdict).to_have_count(0)
    page.keyboard.press("t")
    page.keyboard.type("npl")
    expect(page.get_by_label("Add a tag")).to_have_value("npl")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {ATTACKED}")

    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {ATTACKED + 1}")
    assert "layer=dense" in page.url
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {ATTACKED}")
    page.keyboard.press("/")
    page.keyboard.type("51")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Case 51")
    page.locator("h1").click()
    page.keyboard.press("l")
    expect(page.locator(".case-page")).to_have_count(0)
    page.keyboard.press("?")
    expect(dialog).to_contain_text("go to a case by its number")
    expect(dialog).not_to_contain_text("layer")


def test_an_answer_that_comes_late_shows_nothing_on_the_next_case(page):
    opened(page, f"/case/{ATTACKED}")
    held = []

    def hold(route):
        if "case-pictures.children" in route.request.post_data and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/_dash-update-component*", hold)
    with page.expect_request(lambda request: "case-pictures.children" in (request.post_data or "")):
        page.get_by_role("button", name="Repair", exact=True).click()
    page.get_by_role("link", name="Next").click()
    expect(page.locator("h1")).to_have_text(f"Case {ATTACKED + 1}")
    shown = page.locator(".case-images img").first
    image = shown.get_attribute("src")
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].continue_()
    with page.expect_response("**/_dash-update-component*"):  # one more answer, after the late one
        page.get_by_role("button", name="Switch between light and dark").click()
    assert shown.get_attribute("src") == image
    expect(page.locator(".map-over")).to_have_count(0)  # the map was asked for where nobody is any more
