"""The guidelines beside a task: open on the first one, and folded afterwards."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Project, Prompt
from tests.browser.conftest import RESPONSES
from tests.browser.ranking_page import PHONE, WIDE, RankingPage, await_true


def test_the_guidelines_are_open_on_the_first_task_and_folded_afterwards(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).to_be_visible()
    page.reload()
    expect(guidelines).to_be_visible()
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    ranking_page.next_ready()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(guidelines).not_to_be_visible()
    page.get_by_role("button", name="Undo the submit").click()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("first")
    expect(guidelines).to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).not_to_be_visible()
    page.reload()
    expect(ranking_page.submit).to_be_visible()
    expect(guidelines).not_to_be_visible()


def test_on_a_phone_the_first_guidelines_stand_before_the_responses(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    ranking_page.open().ready()
    guidelines = page.locator("#guidelines")
    expect(page.get_by_text("Prefer short.")).to_be_visible()
    expect(guidelines).not_to_have_attribute("data-sheet", "")
    page.keyboard.press("2")  # nothing is in the way
    expect(ranking_page.radio("A", 2)).to_be_checked()
    page.keyboard.press("g")  # they may be out of sight
    expect(guidelines).to_have_attribute("data-sheet", "")
    expect(page.get_by_text("Prefer short.")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Prefer short.")).not_to_be_visible()


@pytest.mark.usefixtures("experienced")
def test_the_guidelines_stay_open_from_task_to_task(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).not_to_be_visible()
    for key in ("g", "1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    expect(guidelines).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(guidelines).to_be_visible()
    page.reload()
    expect(guidelines).to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).not_to_be_visible()


@pytest.mark.usefixtures("experienced")
def test_on_a_phone_the_guidelines_are_a_sheet_that_escape_closes(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    ranking_page.open()
    ranking_page.card("B").focus()
    page.keyboard.press("g")
    sheet = page.locator("#guidelines")
    await_true(
        sheet,
        "sheet => (({ x, y, width, height }) => [x, y, width, height].join())"
        f"(sheet.getBoundingClientRect()) === '0,0,{PHONE['width']},{PHONE['height']}'",
    )
    page.keyboard.press("Escape")
    expect(page.get_by_text("Prefer short.")).not_to_be_visible()
    expect(ranking_page.card("B")).to_be_focused()


@pytest.mark.usefixtures("experienced")
def test_the_guidelines_open_over_a_comparison(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    for key in ("g", "p", "j", "p"):
        page.keyboard.press(key)
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).not_to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).to_be_visible()
    page.keyboard.press("Escape")
    expect(guidelines).not_to_be_visible()
    expect(page.get_by_role("article")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(len(RESPONSES))
    expect(guidelines).to_be_visible()  # as it was before


def test_a_project_without_guidelines_has_no_pane(
    ranking_page: RankingPage, prompt: Prompt, project: Project, page: Page
) -> None:
    project.guidelines = ""
    project.save()
    ranking_page.open()
    page.keyboard.press("g")
    expect(page.locator("#guidelines")).to_have_count(0)
