"""Reading a task: long responses, two side by side, formulas, chats, the guidelines."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from labelapp.models import Member, Project, Prompt
from tests.browser.conftest import RESPONSES
from tests.browser.ranking_page import RankingPage, await_true, settle

LONG = "\n\n".join(f"Paragraph {n}, of a text that goes on for long." for n in range(1, 61))
PAIR = ("The cat sat on the mat.", "The dog sat on the mat today.", "Nobody.", "Nothing at all.")
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}


def top(thing: Locator) -> float:
    box = thing.bounding_box()
    assert box is not None
    return box["y"]


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


def test_the_guidelines_are_open_on_the_first_task_and_folded_afterwards(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).to_be_visible()
    page.reload()
    expect(guidelines).to_be_visible()
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    ranking_page.next_ready()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(guidelines).not_to_be_visible()
    page.get_by_role("button", name="Undo the submit").click()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("first")
    expect(guidelines).to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).not_to_be_visible()
    page.reload()
    expect(ranking_page.submit).to_be_visible()
    expect(guidelines).not_to_be_visible()


def test_on_a_phone_the_first_guidelines_stand_before_the_responses(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    ranking_page.open().ready()
    guidelines = page.locator("#guidelines")
    expect(page.get_by_text("Prefer short.")).to_be_visible()
    expect(guidelines).not_to_have_attribute("data-sheet", "")
    page.keyboard.press("2")  # nothing is in the way
    expect(ranking_page.radio("A", 2)).to_be_checked()
    page.keyboard.press("g")  # they may be out of sight
    expect(guidelines).to_have_attribute("data-sheet", "")
    expect(page.get_by_text("Prefer short.")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Prefer short.")).not_to_be_visible()


@pytest.fixture
def experienced(labeller: Member) -> None:
    labeller.ranked = 1
    labeller.save()


@pytest.mark.usefixtures("experienced")
def test_the_guidelines_stay_open_from_task_to_task(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page.set_viewport_size(WIDE)
    ranking_page.open()
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).not_to_be_visible()
    for key in ("g", "1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    expect(guidelines).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(guidelines).to_be_visible()
    page.reload()
    expect(guidelines).to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).not_to_be_visible()


@pytest.mark.usefixtures("experienced")
def test_on_a_phone_the_guidelines_are_a_sheet_that_escape_closes(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    ranking_page.open()
    ranking_page.card("B").focus()
    page.keyboard.press("g")
    sheet = page.locator("#guidelines")
    await_true(
        sheet,
        "sheet => (({ x, y, width, height }) => [x, y, width, height].join())"
        f"(sheet.getBoundingClientRect()) === '0,0,{PHONE['width']},{PHONE['height']}'",
    )
    page.keyboard.press("Escape")
    expect(page.get_by_text("Prefer short.")).not_to_be_visible()
    expect(ranking_page.card("B")).to_be_focused()


@pytest.mark.usefixtures("experienced")
def test_the_guidelines_open_over_a_comparison(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size(WIDE)
    ranking_page.open()
    for key in ("g", "p", "j", "p"):
        page.keyboard.press(key)
    guidelines = page.get_by_text("Prefer short.")
    expect(guidelines).not_to_be_visible()
    page.keyboard.press("g")
    expect(guidelines).to_be_visible()
    page.keyboard.press("Escape")
    expect(guidelines).not_to_be_visible()
    expect(page.get_by_role("article")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(len(RESPONSES))
    expect(guidelines).to_be_visible()  # as it was before


def test_a_project_without_guidelines_has_no_pane(
    ranking_page: RankingPage, prompt: Prompt, project: Project, page: Page
) -> None:
    project.guidelines = ""
    project.save()
    ranking_page.open()
    page.keyboard.press("g")
    expect(page.locator("#guidelines")).to_have_count(0)


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
