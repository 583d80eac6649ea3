"""Scores and flags have keys."""

import pytest
from playwright.sync_api import Locator, expect

from labelapp.models import Prompt, Rating
from tests.browser.conftest import RESPONSES
from tests.browser.ranking_page import RankingPage

FLAGS = ["Hallucination", "Harmful advice"]


@pytest.fixture(autouse=True)
def scored_and_flagged(prompt: Prompt) -> None:
    prompt.project.rating_scale = 7
    prompt.project.flags = FLAGS
    prompt.project.save()


def score(ranking_page: RankingPage, letter: str, value: int) -> Locator:
    group = ranking_page.page.get_by_role("group", name=f"Score of response {letter}")
    return group.get_by_role("radio", name=str(value), exact=True)


def flag(ranking_page: RankingPage, letter: str, name: str) -> Locator:
    return ranking_page.card(letter).get_by_role("checkbox", name=name)


def test_a_whole_task_with_scores_and_flags_by_keyboard(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().ready().page
    letters = ranking_page.letters()
    for place, value in enumerate("7642", start=1):
        for key in (str(place), "r", value, *(["t", "2"] if place == 3 else []), "j"):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    ranking_page.expect_empty()
    ratings = {r.response.text: r for r in Rating.objects.select_related("response")}
    by_letter = {letters[text]: rating for text, rating in ratings.items()}
    assert [by_letter[letter].score for letter in "ABCD"] == [7, 6, 4, 2]
    assert [by_letter[letter].flags for letter in "ABCD"] == [[], [], [FLAGS[1]], []]
    assert len(ratings) == len(RESPONSES)


def test_a_key_asks_for_a_score_and_says_what_it_gave(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().ready().page
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(ranking_page.said).to_have_text("Score of B: press 1 to 7.")
    expect(ranking_page.card("B")).to_have_attribute("data-awaits", "scores")
    page.keyboard.press("9")  # no such score, and no rank either
    page.keyboard.press("5")
    expect(ranking_page.said).to_have_text("B scored 5.")
    expect(score(ranking_page, "B", 5)).to_be_checked()
    assert set(ranking_page.entered().values()) == {None}
    page.keyboard.press("2")
    expect(ranking_page.radio("B", 2)).to_be_checked()
    expect(score(ranking_page, "B", 5)).to_be_checked()


def test_flags_unfold_for_their_key_which_sets_and_takes_them_off(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().ready().page
    expect(flag(ranking_page, "A", FLAGS[0])).not_to_be_visible()
    page.keyboard.press("t")
    expect(ranking_page.said).to_have_text("Flags of A: 1 Hallucination, 2 Harmful advice.")
    page.keyboard.press("1")
    expect(ranking_page.said).to_have_text("A flagged: Hallucination.")
    expect(flag(ranking_page, "A", FLAGS[0])).to_be_checked()
    page.keyboard.press("t")
    page.keyboard.press("1")
    expect(ranking_page.said).to_have_text("A no longer flagged: Hallucination.")
    expect(flag(ranking_page, "A", FLAGS[0])).not_to_be_checked()


@pytest.mark.parametrize("key", ["Escape", "j"])
def test_another_key_gives_up_the_score(
    ranking_page: RankingPage, prompt: Prompt, key: str
) -> None:
    page = ranking_page.open().ready().page
    page.keyboard.press("r")
    page.keyboard.press(key)
    expect(page.locator("[data-awaits]")).to_have_count(0)
    page.keyboard.press("2")
    expect(ranking_page.radio("B" if key == "j" else "A", 2)).to_be_checked()


def test_flags_that_were_used_stay_unfolded(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.open().ready().page
    ranking_page.card("B").get_by_text("Flags").click()
    expect(flag(ranking_page, "A", FLAGS[0])).not_to_be_visible()  # what is above does not move
    for letter in "BCD":
        expect(flag(ranking_page, letter, FLAGS[0])).to_be_visible()
    page.reload()
    for letter in "ABCD":
        expect(flag(ranking_page, letter, FLAGS[0])).to_be_visible()
    ranking_page.card("A").get_by_text("Flags").click()
    page.reload()
    expect(flag(ranking_page, "A", FLAGS[0])).not_to_be_visible()


def test_the_keys_name_scores_and_flags(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.open().ready().page
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("give the marked response this score")
    expect(keys).to_contain_text("set this flag of the marked response")


def test_beside_another_response_a_low_window_folds_scores_and_flags(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.page
    page.set_viewport_size({"width": 1024, "height": 768})
    ranking_page.open().ready()
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(score(ranking_page, "A", 3)).not_to_be_visible()
    text = ranking_page.card("A").locator(".text").bounding_box()
    assert text is not None
    assert text["height"] > 300, "the texts have the room"
    asked = page.locator(".asked-card")
    line = asked.bounding_box()
    assert line is not None
    assert line["height"] < 50, "what was asked takes one line"
    shown = page.get_by_role("button", name="Scores, flags")
    for act in (shown.click, lambda: page.keyboard.press("r")):
        expect(shown).to_have_attribute("aria-pressed", "false")
        act()
        expect(score(ranking_page, "A", 3)).to_be_visible()
        expect(shown).to_have_attribute("aria-pressed", "true")
        shown.click()
    asked.focus()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("Why is the sky blue?")
