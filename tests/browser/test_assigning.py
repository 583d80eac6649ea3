"""Tagging and assigning prompts, and returning rankings, in the browser."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignee, Member, Tag
from tests.browser.conftest import As
from tests.conftest import AddPrompt
from tests.labelapp.labelling.acting import ABCD, submit

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_manager_tags_and_assigns_prompts(
    page: Page,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    live_server: Any,
) -> None:
    first, second = add_prompt("First?"), add_prompt("Second?")
    sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/prompts/")
    choose = page.locator(f'input[name="prompt"][value="{first.pk}"]')
    choose.check()
    page.get_by_label("Tag", exact=True).last.fill("hard")
    page.get_by_role("button", name="Add the tag").click()
    expect(page.get_by_text("1 prompt tagged “hard”.")).to_be_visible()
    assert list(Tag.objects.get().prompt_tags.values_list("prompt", flat=True)) == [first.pk]
    choose.check()
    page.get_by_text("Assign to…").click()
    page.get_by_label("People", exact=True).select_option("labeller")
    page.get_by_label("Nobody else may rank them").check()
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("table").get_by_text("labeller").first).to_be_visible()
    given = Assignee.objects.get()
    assert (given.prompt, given.member) == (first, labeller)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.reserved, second.reserved) == (True, False)


def test_a_ranking_is_returned_and_its_labeller_told(
    page: Page,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    live_server: Any,
) -> None:
    prompt = add_prompt("First?")
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    submit(assignment=assignment, entered=RankingInput(ABCD))
    sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/people/{labeller.pk}/")
    page.get_by_role("checkbox", name="Select “First?”").check()
    page.get_by_role("button", name="Return the selected to labeller").click()
    expect(page.get_by_text("1 ranking returned to labeller.")).to_be_in_viewport()
    sign_in_as(labeller)
    page.goto(f"{live_server.url}/")
    page.get_by_role("link", name="1 unread").click()
    page.get_by_role("link", name="1 of your rankings was returned").click()
    page.get_by_role("button", name="Submit").click()  # what they had entered is there
    expect(page.get_by_text("You’re all caught up")).to_be_visible()
    assert list(prompt.rankings.filter(is_current=True).values_list("version", flat=True)) == [2]
