"""The best few ranked by keys; the rest stay below."""

from playwright.sync_api import expect

from labelapp.models import Project, Prompt
from tests.browser.conftest import stored
from tests.browser.ranking_page import RankingPage, all_sent
from training.rankings import UNRANKED


def test_the_best_two_are_ranked_and_the_rest_stay_below(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    Project.objects.update(rank_top=2)
    page = ranking_page.open().ready().page
    expect(page.get_by_text("Rank the best 2; the rest may stay below them.")).to_be_visible()
    letters = ranking_page.letters()
    page.keyboard.press("1")
    expect(ranking_page.submit).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("j")
    page.keyboard.press("2")
    expect(ranking_page.submit).to_have_attribute("aria-disabled", "false")
    expect(page.locator("#missing")).to_have_text("below the others")
    expect(page.locator("#said")).to_contain_text("the others come below")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You’re all caught up")).to_be_visible()
    all_sent(page)
    first, second, *rest = letters
    assert stored(prompt) == {first: 1, second: 2} | dict.fromkeys(rest, UNRANKED)
