"""Texts as they were written: the switch, its signs, and the comparison of sources."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from labelapp.models import Member, Prompt, PromptAgreement, Score, State, TrainingRun
from tests.browser.conftest import As
from tests.browser.finished_runs import start_run
from tests.browser.ranking_page import RankingPage

EXACT = "**Bold** x*2*3\n\n  *leading*, trailing  \nzero\u200bwidth\tend\r\n"
RESPONSES = (EXACT, "# A heading", "abc \u202egnp.exe\u202c def", "no\u00a0break")
SOURCE = "text => text.textContent"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def exact(add_prompt: Any) -> Prompt:
    prompt: Prompt = add_prompt("What is *this*?", RESPONSES)
    return prompt


def letter_of(page: Page, words: str) -> str:
    card = page.get_by_role("article").filter(has_text=words)
    return card.get_attribute("data-letter") or ""


def texts(page: Page) -> list[str]:
    """The texts of the responses, as the page holds them."""
    return [text.evaluate(SOURCE) for text in page.locator(".response .text").all()]


def test_the_switch_shows_every_text_as_it_was_written(
    ranking_page: RankingPage, exact: Prompt, page: Page
) -> None:
    ranking_page.open()
    switch = page.get_by_role("button", name="As written", exact=True).first
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert sorted(texts(page)) == sorted(RESPONSES)
    expect(page.locator(".asked-card .written")).to_have_text("What is *this*?")
    expect(ranking_page.said).to_have_text("The texts are shown as written.")
    switch.click()
    expect(page.locator(".response strong")).to_have_text("Bold")
    expect(page.locator(".written")).to_have_count(0)


def test_what_cannot_be_seen_is_marked_and_named(
    ranking_page: RankingPage, exact: Prompt, page: Page
) -> None:
    ranking_page.open()
    page.keyboard.press("w")
    card = ranking_page.card(letter_of(page, "Bold"))
    expect(card.locator(".sign")).to_have_count(5)
    titles = [sign.get_attribute("title") for sign in card.locator(".sign").all()]
    assert titles == [
        "U+0020 SPACE × 2",
        "U+200B ZERO WIDTH SPACE",
        "U+0009 CHARACTER TABULATION",
        "U+000D CARRIAGE RETURN",
        "U+000A LINE FEED",
    ]
    override = page.get_by_title("U+202E RIGHT-TO-LEFT OVERRIDE")
    assert override.evaluate("sign => getComputedStyle(sign, '::before').content") == '"RLO"'
    expect(page.get_by_title("U+00A0 NO-BREAK SPACE")).to_have_count(1)
    written = card.locator(".written")
    assert written.evaluate("text => getComputedStyle(text).whiteSpaceCollapse") == "preserve"


def test_what_is_half_ranked_is_kept(ranking_page: RankingPage, exact: Prompt, page: Page) -> None:
    ranking_page.open()
    for key in ("2", "j", "1", "w"):
        page.keyboard.press(key)
    expect(page.locator(".response .written")).to_have_count(4)
    expect(ranking_page.radio("A", 2)).to_be_checked()
    expect(ranking_page.radio("B", 1)).to_be_checked()
    expect(ranking_page.card("B")).to_be_focused()
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(0)
    expect(ranking_page.radio("A", 2)).to_be_checked()


def test_the_choice_lasts_from_task_to_task_and_after_a_reload(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    for name in ("first", "second"):
        add_prompt(f"*{name}*", [f"*{name}* {n}" for n in range(4)])
    ranking_page.open()
    page.keyboard.press("w")
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    expect(page.locator(".asked-card .written")).to_have_text("*first*")
    ranking_page.next_ready()
    page.keyboard.press("Enter")
    expect(page.locator(".asked-card .written")).to_have_text("*second*")
    expect(ranking_page.said).to_have_text("Ranking stored.")  # else the first would come again
    page.reload()
    expect(page.locator(".asked-card .written")).to_have_text("*second*")
    expect(page.locator(".as-written").first).to_have_attribute("aria-pressed", "true")


def test_a_remark_leads_to_the_source(ranking_page: RankingPage, exact: Prompt, page: Page) -> None:
    ranking_page.open()
    card = ranking_page.card(letter_of(page, "gnp"))
    expect(card.locator(".remark")).to_contain_text("This text has invisible characters.")
    expect(page.get_by_role("article").filter(has_text="heading").locator(".remark")).to_have_count(
        0
    )
    card.get_by_role("button", name="See it as written").click()
    expect(card.locator(".sign")).to_have_count(2)
    expect(card.locator(".remark")).not_to_be_visible()
    expect(card).to_be_focused()


def test_the_keys_name_the_switch_and_typing_a_w_does_not_press_it(
    ranking_page: RankingPage, exact: Prompt, page: Page
) -> None:
    ranking_page.open()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("show the texts as written")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("www")
    expect(page.locator("#note-text")).to_have_value("www")
    expect(page.locator(".written")).to_have_count(0)


def test_a_text_that_cannot_be_fetched_is_said_and_the_page_stays(
    ranking_page: RankingPage, exact: Prompt, page: Page, expected_errors: list[str]
) -> None:
    expected_errors.append("Failed to load resource")
    ranking_page.open()
    page.route("**/texts/", lambda route: route.abort())
    page.keyboard.press("w")
    expect(ranking_page.problem).to_contain_text("Podium cannot be reached")
    expect(page.locator(".response strong")).to_have_text("Bold")
    page.unroute("**/texts/")
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(4)


def test_long_texts_are_measured_again_for_their_folds(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    lines = "| a |\n|---|\n" + "| b |\n" * 22  # taller as a table than as lines
    add_prompt(responses=(lines, "b", "c", "d"))
    page.set_viewport_size({"width": 1280, "height": 600})
    ranking_page.open()
    fold = page.locator(".response:has(table) .fold")
    expect(fold).to_be_visible()
    page.keyboard.press("w")
    expect(page.locator(".written").first).to_be_visible()
    expect(page.locator(".fold").locator("visible=true")).to_have_count(0)


def test_without_javascript_texts_are_formatted(
    ranking_page: RankingPage, exact: Prompt, browser: Any, page: Page
) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(page.context.cookies())
    plain = context.new_page()
    plain.goto(ranking_page.url)
    expect(plain.locator(".response strong")).to_have_text("Bold")
    expect(plain.locator(".remark").first).to_be_visible()
    assert plain.locator(".as-written").first.evaluate("button => button.offsetWidth") <= 1
    context.close()


@pytest.mark.parametrize("path", ["prompts/{pk}/", "reviewing/{pk}/", "disagreements/{pk}/"])
def test_reviewers_see_texts_as_written(
    path: str,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    exact: Prompt,
    add_ranking: Any,
    scored_exact: TrainingRun,
) -> None:
    add_ranking(exact, labeller, [1, 2, 3, 4])
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/{path.format(pk=exact.pk)}")
    page.keyboard.press("w")
    expect(page.locator("article .written")).to_have_count(4)
    shown = page.locator("article .written").evaluate_all("all => all.map(one => one.textContent)")
    assert sorted(shown) == sorted(RESPONSES)
    page.reload()
    expect(page.locator("article .written")).to_have_count(4)
    page.get_by_role("button", name="As written", exact=True).click()
    expect(page.locator(".written")).to_have_count(0)


@pytest.fixture
def scored_exact(manager: Member, exact: Prompt) -> TrainingRun:
    run = start_run(manager, state=State.DONE, finished_at=timezone.now(), metrics={})
    for reward, response in enumerate(exact.responses.order_by("pk")):
        Score.objects.create(run=run, response=response, reward=reward)
    PromptAgreement.objects.create(
        run=run, prompt=exact, comparisons=6, against=1, disagreement=1 / 6, held_out=True
    )
    return run


def open_pair(ranking_page: RankingPage, *beginnings: str) -> list[str]:
    """Compare the responses that begin so; their letters."""
    page = ranking_page.page
    ranking_page.open()
    letters = [letter_of(page, beginning) for beginning in beginnings]
    for letter in letters:
        ranking_page.card(letter).focus()
        page.keyboard.press("p")
    expect(page.locator(".likeness")).not_to_be_empty()
    return letters


def marked(ranking_page: RankingPage, letter: str) -> list[str]:
    marks = ranking_page.card(letter).locator("mark.only-here")
    return marks.evaluate_all("all => all.map(one => one.textContent)")


def test_sources_are_compared_and_what_formatting_hides_is_said(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(
        responses=(
            "First is [here](https://a.example/x), with **bold** and much more of it.",
            "Second is [here](https://a.example/y), with bold and much more of it.",
            "c",
            "d",
        )
    )
    first, second = open_pair(ranking_page, "First", "Second")
    expect(ranking_page.card(first).locator("mark")).to_have_text(["First"])
    expect(page.locator(".unseen")).to_have_text("Some differences show only as written.")
    page.keyboard.press("w")
    expect(page.locator("[data-pinned] .written")).to_have_count(2)
    assert marked(ranking_page, first) == ["First", "x", "**", "**"]
    assert marked(ranking_page, second) == ["Second", "y"]
    expect(page.locator(".unseen")).not_to_be_visible()
    page.get_by_role("button", name="Mark words").click()
    expect(page.locator("mark")).to_have_count(0)
    page.keyboard.press("w")
    expect(page.locator(".written")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_count(4)


def test_differences_in_spaces_and_invisible_characters_are_marked(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(
        responses=("Same words here\n\n  now one", "Same\u00a0words here\n now\u200b two", "c", "d")
    )
    first, second = open_pair(ranking_page, "one", "two")
    page.keyboard.press("w")
    expect(page.locator("[data-pinned] .written")).to_have_count(2)
    assert marked(ranking_page, first) == [" ", "\n ", "one"]
    assert marked(ranking_page, second) == ["\u00a0", "\u200b two"]
    assert ranking_page.card(second).locator("mark .sign").first.get_attribute("title") == (
        "U+00A0 NO-BREAK SPACE"
    )


def test_texts_that_differ_in_spaces_only_are_not_called_the_same(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt(responses=("yes it is", "yes it is ", "c", "d"))
    ranking_page.open()
    letters = [
        card.get_attribute("data-letter") or ""
        for card in page.get_by_role("article").filter(has_text="yes it is").all()
    ]
    for letter in letters:
        ranking_page.card(letter).focus()
        page.keyboard.press("p")
    expect(page.locator(".likeness")).to_have_text("The same words; spaces or line breaks differ")
    expect(page.locator(".unseen")).to_be_visible()
    page.keyboard.press("w")
    expect(page.locator("mark .sign[data-shown='·']")).to_have_count(1)


def test_on_a_phone_the_switch_is_there_in_the_task_and_in_the_comparison(
    ranking_page: RankingPage, exact: Prompt, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    ranking_page.open()
    switches = page.get_by_role("button", name="As written", exact=True).locator("visible=true")
    expect(switches).to_have_count(1)
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).not_to_be_empty()
    expect(switches).to_have_count(1)
    switches.click()
    expect(page.locator("[data-pinned] .written")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
