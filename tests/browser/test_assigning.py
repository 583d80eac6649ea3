"""Tagging and assigning prompts in the browser."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Assignee, Member, Tag
from tests.browser.conftest import As
from tests.conftest import AddPrompt

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
