"""A reviewer goes through disagreements by keyboard, and adjudicates by key and by drag."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Member, Origin, Project, Prompt
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from tests.browser.conftest import As
from tests.conftest import AddPrompt, AddRanking


@pytest.fixture
def disputed(project: Project, add_prompt: AddPrompt, add_ranking: AddRanking) -> list[Prompt]:
    prompts = [add_prompt(f"{name}?") for name in ("First", "Second")]
    for name, ranks in (("ann", (1, 2, 3, 4)), ("bob", (1, 2, 3, 4)), ("cleo", (4, 3, 2, 1))):
        member = Member.objects.create(project=project, name=name)
        for prompt in prompts:
            add_ranking(prompt, member, ranks)
    with Recorder(project) as recorder:
        list(recorder.record(rankings_by_prompt(project)))
        recorder.store()
    return prompts


def stored(prompt: Prompt) -> list[int]:
    return list(prompt.rankings.get(is_current=True, origin=Origin.ADJUDICATED).ranks().values())


def drag(page: Page, letter: str, rank: int) -> None:
    """Drags a letter from its row to a rank, as a hand would."""
    chip = page.locator(f".adjudicating .handle[data-letter={letter}] .chip")
    lane = page.locator(f".adjudicating .lane[data-rank='{rank}']")
    lane.scroll_into_view_if_needed()
    start, end = chip.bounding_box(), lane.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 9, start["y"] + 9)
    page.mouse.down()
    page.mouse.move(start["x"] + 20, start["y"] + 20, steps=3)
    page.mouse.move(end["x"] + 30, end["y"] + 30, steps=6)
    page.mouse.up()


def test_a_reviewer_adjudicates_by_keys_and_goes_on_to_the_next(
    live_server: Any, sign_in_as: As, reviewer: Member, disputed: list[Prompt]
) -> None:
    page = sign_in_as(reviewer)
    page.goto(f"{live_server.url}/projects/kitchen/agreement/")
    page.get_by_role("link", name="Disagreements by prompt").click()
    page.get_by_role("link", name="First?").click()
    first = page.get_by_role("group", name="Response A", exact=True)
    expect(first).to_have_attribute("aria-current", "true")  # the page listens to keys
    first.focus()
    for key in ("2", "j", "1", "j", "4", "u", "j", "3"):  # A 2, B 1; C 4 and back to 3; D 3
        page.keyboard.press(key)
    page.get_by_role("button", name="Save decision").click()
    expect(page.get_by_text("Decision saved. The labellers’ own rankings")).to_be_visible()
    assert stored(disputed[0]) == [2, 1, 3, 3]
    page.goto(f"{live_server.url}/projects/kitchen/disagreements/{disputed[0].pk}/?show=all")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"prompt {disputed[1].pk}")
    page.wait_for_load_state()  # its scripts run
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"prompt {disputed[0].pk}")


def test_a_letter_is_dragged_to_its_rank(
    live_server: Any, sign_in_as: As, reviewer: Member, disputed: list[Prompt]
) -> None:
    page = sign_in_as(reviewer)
    page.goto(f"{live_server.url}/projects/kitchen/disagreements/{disputed[0].pk}/")
    drag(page, "D", 1)
    lane = page.locator(".adjudicating .lane[data-rank='1']")
    expect(lane.get_by_role("button", name="Response D, rank 1")).to_be_visible()
    page.get_by_role("button", name="Save decision").click()
    expect(page.get_by_text("Decision saved. The labellers’ own rankings")).to_be_visible()
    assert stored(disputed[0]) == [1, 2, 3, 1]


def test_texts_stand_beside_the_ranks_and_saving_leads_on(
    live_server: Any, sign_in_as: As, reviewer: Member, disputed: list[Prompt]
) -> None:
    for response in disputed[0].responses.all():
        response.text = f"{response.text}\n\n" + "A paragraph of some length. " * 200
        response.save()
    page = sign_in_as(reviewer)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{live_server.url}/projects/kitchen/disagreements/{disputed[0].pk}/?show=all")
    row = page.get_by_role("group", name="Response D", exact=True)
    row.focus()
    text = page.locator("article", has=page.locator("#response-D"))
    expect(text).to_have_attribute("aria-current", "true")
    expect(text).to_be_in_viewport()
    expect(row).to_be_in_viewport()
    row.press("1")
    page.get_by_role("button", name="Save and go to the next").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"prompt {disputed[1].pk}")
    expect(page.locator(".messages")).to_contain_text(f"prompt {disputed[0].pk} saved")
    assert stored(disputed[0])[3] == 1


def test_two_responses_are_compared_beside_the_ranks(
    live_server: Any, sign_in_as: As, reviewer: Member, disputed: list[Prompt]
) -> None:
    one, other = disputed[0].responses.order_by("pk")[:2]
    one.text, other.text = "It scatters blue light. Surely.", "It scatters blue light. Maybe."
    for response in (one, other):
        response.text += " The same again." * 2000
        response.save()
    page = sign_in_as(reviewer)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{live_server.url}/projects/kitchen/disagreements/{disputed[0].pk}/?show=all")
    first, third = page.locator(".said-in-full[data-letter=A]"), page.locator("#response-C")
    first.get_by_role("button", name="Show all, 6005 words").click()
    expect(first.get_by_role("button", name="Fold")).to_be_visible()
    first.get_by_role("button", name="Compare").click()
    row = page.get_by_role("group", name="Response B", exact=True)
    row.focus()
    page.keyboard.press("c")  # the response of the row
    expect(page.get_by_text("of words shared")).to_be_visible()
    expect(page.locator("mark.only-here")).to_have_text(["Surely", "Maybe"])
    expect(third).to_be_hidden()
    row.press("1")
    expect(page.get_by_role("button", name="Response B, rank 1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(third).to_be_visible()
