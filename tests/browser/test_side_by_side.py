"""Two responses side by side: their words marked, ranked, scrolled, and left again."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Prompt
from tests.browser.ranking_page import LONG, PHONE, WIDE, RankingPage, await_true, settle, top

PAIR = ("The cat sat on the mat.", "The dog sat on the mat today.", "Nobody.", "Nothing at all.")


@pytest.fixture
def pair(add_prompt: Any) -> Prompt:
    prompt: Prompt = add_prompt(responses=PAIR)
    return prompt


def open_pair(ranking_page: RankingPage) -> tuple[str, str]:
    """Cat and dog side by side, by key; their letters."""
    letters = ranking_page.letters()
    cat, dog = letters[PAIR[0]], letters[PAIR[1]]
    for letter in (cat, dog):
        ranking_page.card(letter).focus()
        ranking_page.page.keyboard.press("p")
    return cat, dog


@pytest.mark.parametrize("size", [WIDE, PHONE, {"width": 900, "height": 700}])
def test_two_responses_stand_side_by_side_with_their_words_marked(
    size: Any, ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    page.set_viewport_size(size)
    ranking_page.open()
    cat, dog = open_pair(ranking_page)
    expect(page.get_by_role("article")).to_have_count(2)
    expect(ranking_page.card(cat).locator("mark")).to_have_text("cat")
    expect(ranking_page.card(dog).locator("mark")).to_have_text(["dog", "today"])
    expect(page.locator(".likeness")).to_contain_text("% of words shared")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert top(ranking_page.card(cat)) == top(ranking_page.card(dog))
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("Why is the sky blue?")
    expect(ranking_page.submit).to_be_in_viewport()


def test_marks_are_not_told_by_colour_alone_and_can_be_taken_off(
    ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    ranking_page.open()
    cat, _ = open_pair(ranking_page)
    mark = ranking_page.card(cat).locator("mark")
    assert "underline" in mark.evaluate("mark => getComputedStyle(mark).textDecorationLine")
    switch = page.get_by_role("button", name="Mark words")
    switch.click()
    expect(mark).to_have_count(0)
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(mark).to_have_text("cat")


def test_ranks_are_given_side_by_side_and_escape_goes_back(
    ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    ranking_page.open()
    cat, dog = open_pair(ranking_page)
    page.keyboard.press("1")  # the one pinned last has the focus
    page.keyboard.press("j" if cat > dog else "k")
    page.keyboard.press("2")
    expect(ranking_page.radio(dog, 1)).to_be_checked()
    expect(ranking_page.radio(cat, 2)).to_be_checked()
    ranking_page.chip(cat).click()
    page.get_by_role("button", name=f"Give {cat} rank 3").click()
    expect(ranking_page.radio(cat, 3)).to_be_checked()
    ranking_page.card(dog).focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(4)
    expect(ranking_page.card(dog)).to_be_focused()
    expect(page.locator("mark")).to_have_count(0)
    assert ranking_page.entered() == dict(zip(PAIR, (3, 1, None, None), strict=True))


def test_the_first_pinned_waits_and_can_be_let_go(
    ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    ranking_page.open()
    first = ranking_page.card("A").get_by_role("button", name="Compare")
    first.click()
    expect(ranking_page.said).to_contain_text("A is chosen. Choose another")
    expect(ranking_page.card("B").get_by_role("button", name="Compare with A")).to_be_visible()
    ranking_page.card("A").get_by_role("button", name="Pick a second one").click()
    expect(ranking_page.card("B").get_by_role("button", name="Compare with A")).to_have_count(0)
    page.keyboard.press("p")
    page.keyboard.press("Escape")
    expect(ranking_page.card("A").locator(".compare")).to_have_attribute("aria-pressed", "false")


def test_another_response_takes_the_place_beside_the_marked_one(
    ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    ranking_page.open()
    page.keyboard.press("p")
    page.keyboard.press("j")
    page.keyboard.press("p")
    expect(ranking_page.card("B")).to_be_visible()
    page.get_by_role("button", name="Show D beside").click()
    expect(ranking_page.card("D")).to_be_visible()
    expect(ranking_page.card("A")).not_to_be_visible()
    page.get_by_role("button", name="Back to all").click()
    expect(page.get_by_role("article")).to_have_count(4)


def test_what_is_still_to_rank_comes_out_of_the_comparison(
    ranking_page: RankingPage, pair: Prompt, page: Page
) -> None:
    ranking_page.open()
    for key in ("p", "1", "j", "p", "2", "Enter"):
        page.keyboard.press(key)
    expect(ranking_page.card("C")).to_be_focused()
    expect(page.get_by_role("article")).to_have_count(4)


def test_the_place_is_the_same_after_a_comparison(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(responses=[f"{n} " + "Some words. " * 160 for n in range(6)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    for key in "jjpj":
        page.keyboard.press(key)
    place = page.evaluate("scrollY")
    assert place > 0
    page.keyboard.press("p")
    expect(page.get_by_role("article")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(6)
    assert abs(page.evaluate("scrollY") - place) < 2


def test_both_texts_scroll_together_where_that_is_wished(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(responses=[f"{n}\n\n{LONG}" for n in range(4)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    texts = [ranking_page.card(letter).locator(".text") for letter in "AB"]
    page.keyboard.press("PageDown")
    await_true(texts[1], "text => text.scrollTop > 100")
    settle(page)
    assert texts[0].evaluate("text => text.scrollTop") == 0
    page.get_by_role("button", name="Scroll together").click()
    ranking_page.card("B").focus()
    page.keyboard.press("ArrowDown")
    await_true(
        page.locator("#task"),
        """task => {
            const texts = [...task.querySelectorAll("[data-pinned] .text")];
            const [top, other] = texts.map((text) => text.scrollTop);
            return texts.length === 2 && top > 100 && Math.abs(top - other) <= 3;
        }""",
    )


def test_texts_too_long_to_compare_are_shown_and_that_is_said(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(responses=[" ".join(f"{n}x{i}" for i in range(21_000)) for n in range(4)])
    ranking_page.open()
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("Too long")
    expect(page.get_by_role("button", name="Mark words")).to_be_disabled()


def test_the_next_task_begins_with_no_comparison(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    ranking_page.open()
    for key in ("3", "j", "4", "j", "1", "p", "j", "2", "p"):
        page.keyboard.press(key)
    expect(page.get_by_role("article")).to_have_count(2)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(page.get_by_role("article")).to_have_count(4)
    page.keyboard.press("p")
    expect(ranking_page.card("A").locator(".compare")).to_have_attribute("aria-pressed", "true")
