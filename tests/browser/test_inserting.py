"""A response can be inserted between others, and moved by one place."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Prompt
from tests.browser.conftest import RESPONSES, stored
from tests.browser.ranking_page import RankingPage
from tests.browser.test_ranking import drag_with_finger, middle

LETTERS = "ABCDEFGHI"

Ranks = dict[str, int | None]


def rank(page: Page, ranks: str) -> None:
    """Press the digits of A, B, C and so on; a dot leaves one without a rank. A is marked then."""
    for digit in ranks:
        if digit != ".":
            page.keyboard.press(digit)
        page.keyboard.press("j")
    for _ in ranks:
        page.keyboard.press("k")


def ranks_of(page: Page) -> Ranks:
    """The ranks that the radios hold, by letter."""
    return page.locator(".response").evaluate_all(
        """cards => Object.fromEntries(cards.map((card) => {
            const checked = card.querySelector(".ranks input:checked");
            return [card.dataset.letter, checked && Number(checked.value)];
        }))"""
    )


def levels(ranks: Ranks, without: str = "") -> list[set[str]]:
    """The ranked responses, best first, tied ones together."""
    places = sorted({place for place in ranks.values() if place})
    found = [{letter for letter, own in ranks.items() if own == place} for place in places]
    return [left for level in found if (left := level - {without})]


def without_ties(prompt: Prompt) -> None:
    prompt.project.ties_allowed = False
    prompt.project.save()


@pytest.mark.parametrize("ties_allowed", [True, False])
def test_whatever_is_inserted_or_moved_the_others_keep_their_order(
    ranking_page: RankingPage, add_prompt: Callable[..., Prompt], ties_allowed: bool
) -> None:
    prompt = add_prompt(responses=[f"Response number {n}." for n in range(9)])
    if not ties_allowed:
        without_ties(prompt)
    page = ranking_page.open().ready().page
    chance = random.Random(17)
    for step in range(120):
        letter = chance.choice(LETTERS)
        page.locator(f"#response-{letter}").focus()
        if step % 4 == 0:  # ties, gaps and responses without a rank
            page.keyboard.press(str(chance.randint(0, 9)))
            continue
        before = ranks_of(page)
        digit = chance.randint(1, 9)
        key = chance.choice([f"Shift+Digit{digit}"] * 2 + ["Alt+ArrowUp", "Alt+ArrowDown"])
        page.keyboard.press(key)
        after = ranks_of(page)
        message = f"{key} on {letter} of {before} made {after}"
        assert levels(after, letter) == levels(before, letter), message
        if before == after:
            continue
        assert {letter} in levels(after), message
        assert {place for place in after.values() if place} == set(
            range(1, len(levels(after)) + 1)
        ), message
        had_gaps = max((place or 0 for place in before.values()), default=0) > len(levels(before))
        if key.startswith("Shift") and not had_gaps:
            assert after[letter] == min(digit, len(levels(after))), message
        if step % 3 == 0:
            page.keyboard.press("u")
            assert ranks_of(page) == before, f"undone: {message}"


@pytest.mark.parametrize(
    ("before", "letter", "key", "after", "said"),
    [
        ("123.", "D", "Shift+Digit1", "2341", "D ranked 1. Moved down: A, B and C."),
        ("123.", "D", "Shift+Digit4", "1234", "D ranked 4."),
        ("112.", "D", "Shift+Digit2", "1132", "D ranked 2. Moved down: C."),
        ("1234", "A", "Shift+Digit3", "3124", "A ranked 3. Moved up: B and C."),
        ("1234", "D", "Shift+Digit2", "1342", "D ranked 2. Moved down: B and C."),
        ("1123", "B", "Shift+Digit1", "2134", "B ranked 1. Moved down: A, C and D."),
        ("1123", "A", "Alt+ArrowUp", "1234", "A ranked 1. Moved down: B, C and D."),
        ("1123", "A", "Alt+ArrowDown", "2134", "A ranked 2. Moved down: C and D."),
        ("1123", "C", "Alt+ArrowUp", "2213", "C ranked 1. Moved down: A and B."),
        ("1234", "B", "Alt+ArrowDown", "1324", "B ranked 3. Moved up: C."),
        ("12..", "C", "Alt+ArrowUp", "123.", "C ranked 3."),
        ("12..", "C", "Alt+ArrowDown", "12..", "C not ranked"),
        ("1234", "A", "Alt+ArrowUp", "1234", "A is first already."),
        ("1234", "D", "Alt+ArrowDown", "1234", "D is last already."),
    ],
)
def test_shift_with_a_digit_inserts_and_alt_with_an_arrow_moves(
    ranking_page: RankingPage,
    prompt: Prompt,
    before: str,
    letter: str,
    key: str,
    after: str,
    said: str,
) -> None:
    page = ranking_page.open().ready().page
    rank(page, before)
    page.locator(f"#response-{letter}").focus()
    page.keyboard.press(key)
    assert list(ranks_of(page).values()) == [None if r == "." else int(r) for r in after]
    expect(ranking_page.said).to_contain_text(said)
    if before != after:
        page.keyboard.press("u")
        own = before["ABCD".index(letter)]
        state = f"{letter} not ranked" if own == "." else f"{letter} ranked {own}"
        expect(ranking_page.said).to_contain_text(f"Undone: {state}.")
        assert list(ranks_of(page).values()) == [None if r == "." else int(r) for r in before]


def test_a_response_is_dropped_between_two_lanes(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.open().ready().page
    letters = ranking_page.letters()
    rank(page, "1.23")
    expect(page.locator(".between:visible")).to_have_count(0)
    drop_before(page, "B", 2)
    assert ranks_of(page) == {"A": 1, "B": 2, "C": 3, "D": 4}
    expect(ranking_page.lane(2).locator(".chip")).to_have_text("B")
    drop_before(page, "D", 1)
    drop_before(page, "A", 5)  # after the last
    wanted = {"A": 4, "B": 2, "C": 3, "D": 1}
    assert ranks_of(page) == wanted
    expect(page.locator(".between:visible")).to_have_count(0)
    ranking_page.submit.click()
    ranking_page.expect_empty()
    assert stored(prompt) == {text: wanted[letter] for text, letter in letters.items()}


def drop_before(page: Page, letter: str, place: int) -> None:
    """Drag a letter with the mouse to the edge above a lane, looking where it would go."""
    page.locator(f".bar button.chip[data-letter={letter}]").hover()
    page.mouse.down()
    page.mouse.move(*middle(page.locator(f".lane:nth-child({min(place, 4)})")), steps=4)
    between = page.locator(f".between[data-before='{place}']")
    page.mouse.move(*middle(between), steps=2)
    expect(between).to_have_attribute("data-over", "")
    page.mouse.up()


def test_a_chosen_letter_is_inserted_by_click_and_by_keyboard(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().ready().page
    rank(page, "112.")
    ranking_page.chip("D").click()
    page.get_by_role("button", name="Insert D before A and B").click()
    assert ranks_of(page) == {"A": 2, "B": 2, "C": 3, "D": 1}
    ranking_page.chip("D").click()
    expect(page.get_by_role("button", name="Insert D before")).to_have_count(1)
    page.get_by_role("button", name="Insert D before C").press("Enter")
    assert ranks_of(page) == {"A": 1, "B": 1, "C": 3, "D": 2}
    expect(ranking_page.lane(2).get_by_role("button", name="Rank 2: D")).to_be_focused()
    page.keyboard.press("Enter")
    ranking_page.expect_empty()


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"has_touch": True}


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_a_finger_drops_between_the_lanes_of_a_phone(
    ranking_page: RankingPage, prompt: Prompt, page: Page, direction: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    ranking_page.open().ready()
    page.evaluate("way => (document.documentElement.dir = way)", direction)
    for letter, place in {"A": 1, "B": 2}.items():
        ranking_page.radio(letter, place).check()
    (x, y), (other_x, _) = (middle(ranking_page.lane(place)) for place in (1, 2))
    drag_with_finger(page, ranking_page.chip("C"), ((x + other_x) / 2, y))
    assert ranks_of(page) == {"A": 1, "B": 3, "C": 2, "D": None}


def test_without_ties_inserting_throws_nobody_out(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    without_ties(prompt)
    ranking_page.open().ready()
    wanted = dict(zip(RESPONSES, (3, 2, 1, 4), strict=True))
    letters = ranking_page.letters()
    for text in sorted(RESPONSES, key=lambda text: wanted[text], reverse=True):
        ranking_page.page.locator(f"#response-{letters[text]}").focus()
        ranking_page.page.keyboard.press("Shift+Digit1")
    ranking_page.expect_rail(wanted)
    ranking_page.page.keyboard.press("Enter")
    ranking_page.expect_empty()
    assert stored(prompt) == wanted
