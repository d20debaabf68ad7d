"""What a person does among many networks and many classes: choose, find by name; and no page is cut off."""

import shutil

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert
from test_browser_whole import judged

import db.engine
from db import schema
from tests.support import any_database

pytest_plugins = ("tests.support.browser",)

STEM = (*((64, 64, 2),) * 20, *((32, 32, 2),) * 30)
SHAPE = any_database.Shape(classes=40, size=(200, 120), viewed=STEM, stride=4, cases=60)
NETWORKS = 50


@pytest.fixture(scope="module")
def address(migrated_file, tmp_path_factory):
    """A dashboard over 50 networks, of which one has cases: of 40 classes and images of 200 x 120."""
    from tests.support.browser import serving

    path = shutil.copyfile(migrated_file, tmp_path_factory.mktemp("any") / "any.db")
    engine = db.engine.create(path)
    any_database.fill(engine, SHAPE)
    others = [{"id": i, "name": f"net-{i}", "sha256": f"{i:064x}"} for i in range(2, NETWORKS + 1)]
    facts = {"description": {}, "created_at": "t"}
    pair = {"dataset_id": 1, "test_accuracy": 0.5, "created_at": "t"}
    with engine.begin() as connection:
        connection.execute(insert(schema.networks), [facts | one for one in others])
        pairs = [pair | {"network_id": one["id"]} for one in others]
        connection.execute(insert(schema.network_datasets), pairs)
    engine.dispose()
    with serving("--database", str(path), "--port", "0") as process:
        yield process.stdout.readline().strip().rstrip("/")
        process.terminate()


def test_a_network_is_found_by_name_and_stays_chosen(tab, address):
    tab.goto(address)
    expect(tab.locator("main h1")).to_have_text("Validation cases")
    menu = tab.locator(".scope-menu > summary")
    menu.click()
    field = tab.get_by_label("Find a network or a data set by name")
    expect(field).to_be_focused()
    field.fill("none such")
    expect(tab.get_by_text("None has this name.")).to_be_visible()
    field.fill("net-1")
    expect(tab.locator(".scope:visible")).to_have_count(10)
    field.fill("net-17")
    expect(tab.locator(".scope:visible")).to_have_count(1)
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    expect(tab.locator(".scope-menu > summary")).to_contain_text("net-17")
    expect(tab).to_have_url(f"{address}/?network=17&dataset=1")
    expect(tab.locator(".scope-menu[open]")).to_have_count(0)
    tab.get_by_role("link", name="Detectors", exact=True).click()
    expect(tab.locator("main h1")).to_have_text("No evaluation yet")
    expect(tab).to_have_url(f"{address}/detectors?network=17&dataset=1")
    tab.locator(".scope-menu > summary").click()
    tab.keyboard.press("Escape")
    expect(tab.locator(".scope-menu[open]")).to_have_count(0)
    expect(tab.locator(".scope-menu > summary")).to_be_focused()
    tab.go_back()
    expect(tab.locator("main h1")).to_have_text("Validation cases")


def test_classes_are_found_in_the_filters_and_in_the_charts_of_a_case(tab, address):
    tab.goto(f"{address}/?partition=all")
    field = tab.locator("[data-finds=predicted]")
    field.fill("c")
    found = tab.locator(".facet-predicted .facet-find a")
    expect(found.first).to_be_visible()
    name = found.first.locator(".facet-name").inner_text()
    field.press("Enter")
    expect(tab.locator(".chip").filter(has_text=name)).to_be_visible()
    tab.goto(f"{address}/case/1")
    finder = tab.get_by_label("Add a class to the charts, by its name")
    finder.fill("c33")
    finder.press("Enter")
    expect(tab.get_by_title("Remove c33 from the charts")).to_be_visible()
    expect(tab).to_have_url(f"{address}/case/1?classes=33")
    for chart in ("case-softmax", "case-counts"):
        expect(tab.locator(f"#{chart} .ytick text").filter(has_text="c33")).to_have_count(1)
    tab.get_by_title("Remove c33 from the charts").click()
    expect(tab).to_have_url(f"{address}/case/1")


def test_no_page_is_cut_off_and_axe_finds_nothing(tab, address):
    for path, sign in (
        ("/?partition=all", "tbody tr"),
        ("/?view=gallery", ".gallery-tile"),
        ("/case/1?map=vulnerability", "#case-softmax .main-svg"),
    ):
        tab.goto(address + path)
        expect(tab.locator(sign).first).to_be_visible()
        for width in (768, 1366, 1920):
            tab.set_viewport_size({"width": width, "height": 900})
            for selector in ("html", ".app-header"):
                wide = f"document.querySelector('{selector}')"
                tab.wait_for_function(f"{wide}.scrollWidth <= {wide}.clientWidth", timeout=5_000)
        assert judged(tab) == []


def test_a_map_tells_the_place_and_the_color_of_a_square(tab, address):
    tab.goto(f"{address}/case/1?map=vulnerability")
    frame = tab.locator(".case-image-frame.has-map").first
    expect(frame).to_be_visible()
    box = frame.bounding_box()
    assert (box["width"], box["height"]) == (120, 200)  # as it is
    tab.mouse.move(box["x"] + 41, box["y"] + 99)
    expect(tab.locator(".map-readout")).to_contain_text("row 96, column 40")
    expect(tab.locator(".lens")).to_have_count(2)
