"""Annotating a case as a person does it, with the mouse and without."""

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("tests.support.browser",)

CASE = 61  # a clean validation case of the synthetic database
SETTLED = '#case-graph[data-settled="true"]'
MARKUP = "<img src=x onerror=alert(1)> odd & <b>bold</b>"


@pytest.fixture
def emptied(page: Page):
    """The strip of a case that nothing is said of, before and after."""
    page.visit(f"/case/{CASE}")
    page.wait_for_selector(SETTLED)
    yield page
    page.reload()
    page.wait_for_selector(SETTLED)
    for left in page.locator(".verdicts [aria-pressed=true], .tag button").all()[::-1]:
        left.click()
    page.locator(".note-input").fill("")
    page.locator("h1").click()
    expect(page.locator(".tag, .verdicts [aria-pressed=true]")).to_have_count(0)
    expect(page.locator(".notes-note .notes-state")).to_be_empty()


def test_verdict_tags_and_note_are_kept_at_once_and_text_stays_text(emptied):
    page = emptied
    chosen = page.locator(".verdicts [aria-pressed=true]")
    page.get_by_role("button", name="mislabeled").click()
    expect(chosen).to_contain_text("mislabeled")
    page.get_by_role("button", name="near boundary").click()
    expect(chosen).to_contain_text("near boundary")

    field = page.get_by_label("Add a tag")
    field.fill(" Odd  Color")
    field.press("Enter")
    expect(page.locator(".tag")).to_have_text("odd color×")
    expect(field).to_have_value("")
    field.fill("a/b")
    field.press("Enter")
    expect(page.locator(".notes-tags .notes-state")).to_contain_text("'/'")
    field.fill("night")
    field.press("Enter")
    expect(page.locator(".tag")).to_have_count(2)
    assert page.locator("datalist option").evaluate_all("all => all.map((one) => one.value)") == [
        "night",
        "odd color",
    ]

    note = page.get_by_label("Note")
    note.fill(MARKUP)
    expect(page.locator("[data-unsaved]")).to_have_count(1)
    note.press("Control+Enter")
    expect(page.locator(".notes-note .notes-state")).to_contain_text("saved")
    expect(page.locator("[data-unsaved]")).to_have_count(0)
    expect(note).to_be_focused()

    page.reload()
    page.wait_for_selector(SETTLED)
    expect(chosen).to_contain_text("near boundary")
    expect(page.get_by_label("Note")).to_have_value(MARKUP)
    expect(page.locator(".notes-note .notes-state")).to_contain_text("saved")
    page.get_by_role("button", name="Remove the tag night").click()
    expect(page.locator(".tag")).to_have_count(1)
    expect(page.locator(".tag")).to_have_text("odd color×")
    chosen.click()
    expect(chosen).to_have_count(0)
