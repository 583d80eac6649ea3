"""Reading a task: long responses, formulas, wide parts, and chats."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from labelapp.models import Prompt
from tests.browser.ranking_page import LONG, PHONE, WIDE, RankingPage, await_true, settle, top


@pytest.fixture
def long_and_short(add_prompt: Any) -> Prompt:
    prompt: Prompt = add_prompt(responses=(LONG, "Short.", "Shorter.", "Shortest."))
    return prompt


def long_card(page: Page) -> Locator:
    return page.get_by_role("article").filter(has_text="Paragraph 1,")


def short_card(page: Page) -> Locator:
    return page.get_by_role("article").filter(has_text="Shorter.")


def test_a_long_response_is_cut_and_says_how_long_it_is(
    ranking_page: RankingPage, long_and_short: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    card = long_card(page)
    words = len(LONG.split())
    assert (card.bounding_box() or {})["height"] < 900
    more = card.get_by_role("button", name=f"Show all, {words} words")
    expect(more).to_have_attribute("aria-expanded", "false")
    expect(card.get_by_text("min read")).to_be_visible()
    more.click()
    expect(card.get_by_role("button", name="Fold")).to_have_attribute("aria-expanded", "true")
    assert (card.bounding_box() or {})["height"] > 1800
    expect(short_card(page).locator(".fold")).not_to_be_visible()


def test_unfolding_and_folding_keep_the_place_being_read(
    ranking_page: RankingPage, long_and_short: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    button = long_card(page).locator(".fold")
    button.scroll_into_view_if_needed()
    first = long_card(page).get_by_text("Paragraph 1,")
    before = top(first)
    button.click()
    settle(page)
    assert top(first) == pytest.approx(before, abs=1)
    button.scroll_into_view_if_needed()
    settle(page)
    before = top(button)
    button.click()
    settle(page)
    assert top(button) == pytest.approx(before, abs=1) or page.evaluate("scrollY") == 0


def test_a_key_unfolds_the_marked_response_and_that_lasts(
    ranking_page: RankingPage, long_and_short: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    card = long_card(page)
    card.get_by_role("radio", name="2").first.check()
    page.keyboard.press("f")
    expect(card.locator(".fold")).to_have_attribute("aria-expanded", "true")
    page.reload()
    expect(card.locator(".fold")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Home")


def test_printing_shows_all(ranking_page: RankingPage, long_and_short: Prompt, page: Page) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    page.emulate_media(media="print")
    assert (long_card(page).bounding_box() or {})["height"] > 1800


def test_formulas_are_set_as_mathematics(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt("Solve $x^2 = 2$.", [f"$$x = {n}\\sqrt{{2}}$$" for n in range(4)])
    ranking_page.open()
    expect(page.get_by_role("region", name="Prompt").locator("math msup")).to_be_visible()
    expect(ranking_page.card("A").locator("math msqrt")).to_be_visible()
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("% of words shared")
    expect(page.locator("mark math")).to_have_count(2)  # one number of each differs
    page.get_by_role("button", name="Mark words").click()
    expect(page.locator("mark math")).to_have_count(0)


WIDE_TABLE = "|" + "column|" * 14 + "\n|" + "-|" * 14 + "\n|" + "a long value|" * 14
WIDE_CODE = "```\n" + "x = " + "f(" * 90 + "\n```"
WIDE_FORMULA = "$$x = " + " + ".join(f"a_{{{n}}}b_{{{n}}}" for n in range(40)) + "$$"


def test_what_is_wide_scrolls_in_its_own_box_on_a_phone(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    inline = "So " + WIDE_FORMULA.strip("$").join("$$") + " holds."
    add_prompt(WIDE_TABLE, [WIDE_TABLE, WIDE_CODE, WIDE_FORMULA, inline])
    page.set_viewport_size(PHONE)
    ranking_page.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = page.locator(".response :is(.table-box, pre, .formula)")
    expect(boxes).to_have_count(4)
    for box in boxes.all():
        expect(box).to_have_attribute("tabindex", "0")
        box.focus()
        page.keyboard.press("ArrowRight")
        await_true(box, "box => box.scrollLeft > 0")


@pytest.fixture
def chat(add_prompt: Any) -> Prompt:
    prompt: Prompt = add_prompt()
    turns = [{"role": "system", "content": "Be kind."}]
    for n in range(1, 7):
        turns.append({"role": "user", "content": f"Question {n}? " + "Please. " * 40})
        turns.append({"role": "assistant", "content": f"Answer {n}. " + "Of course. " * 40})
    prompt.messages = turns[:-1]
    prompt.save()
    return prompt


def test_a_chat_begins_at_its_last_turn_and_says_who_spoke(
    ranking_page: RankingPage, chat: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    asked = ranking_page.open().page.get_by_role("region", name="Prompt")
    expect(asked.get_by_text("Question 6?")).to_be_in_viewport()
    expect(asked.get_by_text("Question 1?")).not_to_be_in_viewport()
    expect(asked.get_by_text("Assistant").first).to_be_attached()
    asked.get_by_text("System:").scroll_into_view_if_needed()
    expect(asked.get_by_text("Be kind.")).to_be_in_viewport()


def test_on_a_phone_the_turns_before_the_last_are_folded_away(
    ranking_page: RankingPage, chat: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    asked = ranking_page.open().page.get_by_role("region", name="Prompt")
    expect(asked.get_by_text("Question 6?")).to_be_visible()
    expect(asked.get_by_text("Question 5?")).not_to_be_visible()
    asked.get_by_text("11 messages before").click()
    expect(asked.get_by_text("Question 5?")).to_be_visible()


def test_a_finger_opens_the_guidelines_and_the_comparison(
    ranking_page: RankingPage, long_and_short: Prompt, browser: Any, page: Page
) -> None:
    cookies = page.context.cookies()
    context = browser.new_context(viewport=PHONE, has_touch=True)
    context.add_cookies(cookies)
    phone = RankingPage(context.new_page(), ranking_page.url).open()
    phone.card("A").get_by_role("button", name="Compare").tap()
    phone.card("B").get_by_role("button", name="Compare with A").tap()
    expect(phone.page.get_by_role("article")).to_have_count(2)
    expect(phone.card("B")).to_be_in_viewport(ratio=0.9)
    phone.radio("B", 2).tap()
    expect(phone.radio("B", 2)).to_be_checked()
    phone.page.get_by_role("button", name="Back").tap()
    phone.page.get_by_role("article").last.scroll_into_view_if_needed()
    phone.page.locator(".asked-strip summary").tap()
    phone.page.get_by_role("button", name="Guidelines").tap()
    expect(phone.page.get_by_text("Prefer short.")).to_be_in_viewport()
    context.close()


@pytest.mark.usefixtures("experienced")
def test_without_javascript_everything_is_shown(
    ranking_page: RankingPage, long_and_short: Prompt, browser: Any, page: Page
) -> None:
    context = browser.new_context(viewport=WIDE, java_script_enabled=False)
    context.add_cookies(page.context.cookies())
    plain = context.new_page()
    plain.goto(ranking_page.url)
    assert (long_card(plain).bounding_box() or {})["height"] > 1800
    expect(plain.locator(".compare, .fold, .comparison").locator("visible=true")).to_have_count(0)
    plain.locator("summary").get_by_text("Guidelines").click()
    expect(plain.get_by_text("Prefer short.")).to_be_visible()
    context.close()
