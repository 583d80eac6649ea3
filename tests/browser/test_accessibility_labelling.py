"""axe-core finds no fault on the pages of labellers, in any state."""

from typing import Any

from playwright.sync_api import Page, expect

from labelapp.models import (
    Member,
    Project,
    Prompt,
)
from labelapp.people import records
from tests.browser.accessible import (
    Faults,
    browser_context_args,
    campaign,
    faults,
    link,
)
from tests.browser.conftest import As
from tests.browser.ranking_page import RankingPage

__all__ = ["browser_context_args", "campaign", "faults", "link"]  # fixtures


def test_a_labellers_pages(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    campaign: list[Prompt],
    labeller: Member,
    manager: Member,
    link: str,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")
    sign_in_as(labeller)
    ranked = labeller.assignments.get(prompt=campaign[0])
    of_project = ("", "work/", "work/?skipped=1", f"work/{ranked.token}/", "people/")
    faults.visit(live_server.url, ["", "nowhere/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])
    Project.objects.update(paused=True)
    labeller.assignments.filter(submitted_at=None).delete()
    faults.visit(live_server.url, ["projects/kitchen/", "projects/kitchen/labelling/"])
    labeller.is_active = False
    labeller.save()
    faults.visit(live_server.url, [link, ""])


def test_the_ranking_page_in_its_states(
    faults: Faults, ranking_page: RankingPage, campaign: list[Prompt], expected_errors: list[str]
) -> None:
    expected_errors.append("Failed to load resource")
    page = ranking_page.open().ready().page
    faults.look("ranking, fresh")
    page.keyboard.press("?")
    faults.look("ranking, keys")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(4)
    faults.look("ranking, as written")
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("% of words shared")
    page.get_by_role("button", name="Mark words").click()
    faults.look("ranking, comparison as written")
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(0)
    faults.look("ranking, comparison")
    for key in ("Escape", "k", "g", "1", "j", "2", "j", "2", "j", "3"):
        page.keyboard.press(key)
    for details in page.locator("details:not([open])").all():
        if details.is_visible():
            details.locator("summary").click()
    page.locator("[name=score-A][value='1']").check(force=True)
    page.locator("[name=score-D][value='7']").check(force=True)
    faults.look("ranking, ranked and unfolded, with a contradiction")
    ranking_page.chip("D").click()
    page.get_by_role("button", name="Insert D before A").hover()
    faults.look("ranking, with places to insert")
    page.keyboard.press("Escape")
    Project.objects.update(ties_allowed=False)
    page.get_by_text("Skip…").click()  # folded again
    page.keyboard.press("Escape")
    ranking_page.submit.click()
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    faults.look("ranking, refused")


def test_the_ranking_page_after_a_submit_and_in_german(
    faults: Faults, ranking_page: RankingPage, campaign: list[Prompt]
) -> None:
    page = ranking_page.open().ready().page
    for key in ("1", "j", "2", "j", "2", "j", "3", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    faults.look("ranking, done")
    page.set_extra_http_headers({"Accept-Language": "de"})
    page.reload()
    expect(page.get_by_role("heading", name="Deine Rangfolge")).to_be_attached()
    faults.look("ranking, in German")
    for key in ("1", "j", "2", "j", "2", "j", "3", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Undo the submit")).not_to_be_visible()
    page.keyboard.press("s")
    faults.look("ranking, skipping in German")


def test_a_labellers_pages_from_right_to_left(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    campaign: list[Prompt],
    labeller: Member,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # what is not found
    page.set_extra_http_headers({"Accept-Language": "ar"})
    faults.visit(live_server.url, ["sign-in/"])
    sign_in_as(labeller)
    of_project = ("", "labelling/", "my-work/", "nowhere/")
    faults.visit(live_server.url, ["", "account/", "notifications/settings/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])


def test_a_message_above_a_task(
    faults: Faults, page: Page, live_server: Any, ranking_page: RankingPage, prompt: Prompt,
    labeller: Member, manager: Member,
) -> None:  # fmt: skip
    assert manager.user is not None
    records.send(member=labeller, by=manager.user, text="Please read all of them.")
    ranking_page.open()
    faults.look("a task, with a message")
    page.get_by_role("button", name="Got it").click()
    expect(page.get_by_text("Please read all of them.")).to_have_count(0)
    faults.look("a task, with the message dismissed")
