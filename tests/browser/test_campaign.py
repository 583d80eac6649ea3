"""A manager's way through a campaign: how far it is, one prompt made urgent, one reopened."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Project, Prompt
from tests.browser.conftest import As, from_menu
from tests.labelapp.labelling.acting import submit


@pytest.fixture
def campaign(add_prompt: Any, labeller: Member) -> dict[str, Prompt]:
    """One prompt ranked, one in progress, two waiting; a response of one names its model."""
    names = ("ranked", "begun", "waiting", "last")
    found = {name: add_prompt(f"The {name} prompt?", priority=-i) for i, name in enumerate(names)}
    first = assignments.current_assignment(labeller)
    assert first is not None
    submit(assignment=first, entered=RankingInput(dict(zip("ABCD", (1, 2, 3, 4), strict=True))))
    assignments.current_assignment(labeller)
    found["last"].responses.filter(text="Paint.").update(text="I am ChatGPT.", names_itself=True)
    return found


def test_a_manager_sees_progress_raises_a_priority_and_reopens_a_prompt(
    live_server: Any, sign_in_as: As, manager: Member, campaign: dict[str, Prompt]
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/")
    from_menu(page, "Quality", "Progress").click()
    expect(page.get_by_text("3 rankings to go.")).to_be_visible()
    expect(page.get_by_role("row", name="labeller").first).to_contain_text("1")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("nobody gets a new one")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    # What waits stands in the order of the queue; the last one is made the first.
    from_menu(page, "Data", "Prompts").click()
    page.get_by_role("link", name="Waiting", exact=True).click()
    rows = page.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("The waiting prompt?")
    page.get_by_role("checkbox", name="The last prompt?").check()
    expect(page.get_by_role("status")).to_have_text("1 selected")
    page.get_by_label("Priority").fill("9")
    page.get_by_role("button", name="Set the priority").click()
    expect(page.get_by_text("1 prompt now has priority 9.")).to_be_visible()
    expect(rows.nth(1)).to_contain_text("The last prompt?")

    # The ranked one is reopened from its own page.
    page.get_by_role("link", name="Done", exact=True).click()
    page.get_by_role("link", name="The ranked prompt?").click()
    expect(page.get_by_text("1 ranking requested: all made.")).to_be_visible()
    page.get_by_role("button", name="Ask for one more ranking").click()
    expect(page.get_by_text("2 rankings requested: 1 not assigned yet.")).to_be_visible()
    campaign["ranked"].refresh_from_db()
    assert (campaign["ranked"].rankings_needed, campaign["ranked"].came_back) == (1, True)


def test_enter_presses_the_button_beside_a_field_and_the_change_is_undone(
    live_server: Any, sign_in_as: As, manager: Member, campaign: dict[str, Prompt]
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/prompts/")
    page.get_by_role("checkbox", name="The last prompt?").check()
    page.get_by_label("Rankings wanted").fill("5")
    page.get_by_label("Rankings wanted").press("Enter")
    expect(page.get_by_text("1 prompt now wants 5 rankings.")).to_be_visible()
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.get_by_text("Undone: 1 prompt as before.")).to_be_visible()
    page.goto(f"{live_server.url}/projects/kitchen/prompts/{campaign['last'].pk}/")
    page.get_by_label("Rankings wanted").fill("3")
    page.get_by_label("Rankings wanted").press("Enter")
    expect(page.get_by_text("1 prompt now wants 3 rankings.")).to_be_visible()


def test_all_of_a_page_can_be_chosen_at_once(
    live_server: Any, sign_in_as: As, manager: Member, campaign: dict[str, Prompt]
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/prompts/")
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.get_by_role("status")).to_have_text("4 selected")
    page.get_by_role("checkbox", name="The last prompt?").uncheck()
    expect(page.get_by_role("status")).to_have_text("3 selected")
    page.get_by_role("button", name="Remove from queue").click()
    # The ranked one needs nobody else; the begun one might, were it skipped.
    expect(page.get_by_text("2 prompts removed from the queue")).to_be_visible()


def test_a_manager_finds_who_gave_the_model_away_and_takes_a_prompt_back(
    live_server: Any, sign_in_as: As, manager: Member, campaign: dict[str, Prompt]
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/")
    page.get_by_role("link", name="See the prompts").click()
    page.get_by_role("link", name="The last prompt?").click()
    expect(page.locator("mark")).to_have_text("I am ChatGPT")
    page.goto(f"{live_server.url}/projects/kitchen/prompts/{campaign['begun'].pk}/")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("The prompt was taken back from labeller.")).to_be_visible()


def test_the_overview_refreshes_itself_while_somebody_sees_it(
    live_server: Any, sign_in_as: As, manager: Member, campaign: dict[str, Prompt]
) -> None:
    page = sign_in_as(manager)
    page.clock.install()
    page.goto(f"{live_server.url}/projects/kitchen/")
    decisions = page.get_by_role("region", name="Needs a decision")
    expect(decisions).to_contain_text("reveals the model")
    page.wait_for_load_state()  # its scripts run
    Project.objects.update(paused=True)
    page.clock.fast_forward(31_000)
    expect(decisions).to_contain_text("This project is paused.")

    # Coming back to the page counts as well; while somebody is in it, or sees another, it rests.
    Project.objects.update(paused=False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(decisions).not_to_contain_text("This project is paused.")
    requested = []
    page.on("request", lambda request: requested.append(urlsplit(request.url).path))
    decisions.get_by_role("link", name="See the prompts").focus()
    page.clock.fast_forward(31_000)
    page.get_by_role("link", name="Export rankings").focus()
    hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
    page.evaluate(hide % "true")
    page.clock.fast_forward(31_000)
    assert set(requested) <= {"/notifications/bell/"}  # which nobody is in
    page.evaluate(hide % "false")
    with page.expect_request("**/live/"):
        page.clock.fast_forward(31_000)
