"""From nothing to a ranking: a project in steps, and a labeller who practises first."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from labelapp.models import Member, PracticeResult, Project, Prompt, Ranking, User
from tests.browser.conftest import As
from tests.browser.ranking_page import RankingPage


def test_a_project_in_steps(live_server: Any, sign_in_as: As, root: User, tmp_path: Path) -> None:
    page = sign_in_as(root)
    page.goto(live_server.url)
    page.get_by_role("link", name="Create your first project").click()
    page.get_by_label("Name", exact=True).fill("Trip plans")
    page.get_by_text("Advanced").click()
    expect(page.get_by_label("Slug")).to_have_attribute("placeholder", "trip-plans")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=re.compile("^Helpfulness")).click()
    guidelines = page.get_by_label("Guidelines", exact=True)
    expect(guidelines).to_have_value(re.compile("^Rank the responses by how well"))
    guidelines.press("Control+Home")
    guidelines.type("For travellers. ")
    expect(page.locator("#preview")).to_contain_text("For travellers.")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("link", name="Guidelines").click()  # and back: nothing is lost
    expect(guidelines).to_have_value(re.compile("^For travellers. Rank"))
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("button", name="Skip for now").click()
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_label("Link for a labeller")).to_have_value(re.compile("/join/"))
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("Trip plans is set up.")).to_be_visible()
    assert Project.objects.get().setup_step == ""


def rank(page: Page, task: int, order: list[str]) -> None:
    """Rank the responses by keys; `order` has the beginning of each, the best first."""
    ranking = RankingPage(page, "")
    expect(page.get_by_role("button", name="Check")).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_role("heading", name=f"Practice {task} of 3")).to_be_visible()
    letters = ranking.letters()
    for text, letter in letters.items():
        place = next(i for i, start in enumerate(order, start=1) if text.startswith(start))
        expect(ranking.card(letter)).to_have_attribute("aria-current", "true")
        page.keyboard.press(str(place))
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/practice/*/")


def test_a_labeller_practises_and_then_ranks(
    live_server: Any, sign_in_as: As, labeller: Member, prompt: Prompt
) -> None:
    Project.objects.update(practice=True)
    page = sign_in_as(labeller)
    page.goto(f"{live_server.url}/projects/kitchen/labelling/")
    rank(page, 1, ["Act now", "Rinse", "Red wine", "Wash it"])
    expect(page.get_by_role("heading", name="All 6 pairs as expected")).to_be_visible()
    expect(page.get_by_role("link", name="Next").first).to_be_focused()
    page.keyboard.press("Enter")
    sorry, thanks = "Dear Mrs Okafor, I am sorry", "Dear Mrs Okafor, thank"
    rank(page, 2, [thanks, sorry, "Dear Mrs Okafor, there", "Dear Mrs Okafor, you"])
    expect(page.get_by_text("You had it the other way round.")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Practice 3 of 3")).to_be_visible()
    expect(page.get_by_role("button", name="Check")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("w")  # as written: the texts are asked for
    expect(page.locator("article .written").first).to_be_visible()
    page.keyboard.press("w")
    page.get_by_role("button", name="Skip practice").click()
    expect(page.get_by_role("article")).to_have_count(4)
    expect(page.get_by_text("Practice 3 of 3")).to_have_count(0)
    assert PracticeResult.objects.get().pairs == {"1": [6, 6], "2": [5, 6]}
    assert not Ranking.objects.exists()
