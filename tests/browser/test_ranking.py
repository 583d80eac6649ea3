"""Every way of ranking gives the same ranking."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from labelapp.models import Prompt
from tests.browser.conftest import RESPONSES, stored
from tests.browser.ranking_page import RankingPage

ORDER = dict(zip(RESPONSES, (2, 4, 3, 1), strict=True))
TIES = dict(zip(RESPONSES, (1, 2, 1, 3), strict=True))

WAYS = ("rank_by_keyboard", "rank_by_radio", "rank_by_click", "rank_by_drag")


@pytest.mark.parametrize("way", WAYS)
def test_ranking_in_any_way_stores_what_was_meant(
    way: str, ranking_page: RankingPage, prompt: Prompt
) -> None:
    ranking_page.open()
    getattr(ranking_page, way)(ORDER)
    ranking_page.expect_rail(ORDER)
    ranking_page.submit.click()
    ranking_page.expect_empty()
    assert stored(prompt) == ORDER


@pytest.mark.parametrize("way", WAYS)
def test_responses_in_one_lane_are_tied(
    way: str, ranking_page: RankingPage, prompt: Prompt
) -> None:
    ranking_page.open()
    getattr(ranking_page, way)(TIES)
    ranking_page.expect_rail(TIES)
    ranking_page.submit.click()
    ranking_page.expect_empty()
    assert stored(prompt) == TIES


def test_the_whole_task_by_keyboard(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    ranking_page.rank_by_keyboard(ORDER)
    ranking_page.page.keyboard.press("Enter")
    ranking_page.expect_empty()
    assert stored(prompt) == ORDER


def test_arrows_and_letters_move_between_cards(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    keyboard = ranking_page.page.keyboard
    keyboard.press("ArrowDown")
    expect(ranking_page.card("B")).to_be_focused()
    keyboard.press("j")
    expect(ranking_page.card("C")).to_be_focused()
    keyboard.press("k")
    keyboard.press("ArrowUp")
    keyboard.press("ArrowUp")
    expect(ranking_page.card("A")).to_be_focused()
    expect(ranking_page.card("A")).to_have_attribute("aria-current", "true")


def test_arrows_leave_a_radio_group_upwards_and_change_it_sideways(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    ranking_page.open()
    ranking_page.radio("B", 2).check()
    ranking_page.page.keyboard.press("ArrowRight")
    expect(ranking_page.radio("B", 3)).to_be_checked()
    ranking_page.page.keyboard.press("ArrowDown")
    expect(ranking_page.card("C")).to_be_focused()
    expect(ranking_page.radio("B", 3)).to_be_checked()


def test_undo_takes_the_last_change_back(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    keyboard = ranking_page.page.keyboard
    keyboard.press("1")
    keyboard.press("3")
    keyboard.press("u")
    expect(ranking_page.radio("A", 1)).to_be_checked()
    expect(ranking_page.said).to_have_text("Undone: A ranked 1.")
    ranking_page.page.get_by_role("button", name="Undo").click()
    expect(ranking_page.radio("A", 1)).not_to_be_checked()
    expect(ranking_page.page.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_rank_can_be_taken_back(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    take_back: list[Callable[[], None]] = [
        lambda: ranking_page.page.keyboard.press("0"),
        lambda: ranking_page.card("A").get_by_role("button", name="Clear the rank").click(),
        lambda: ranking_page.chip("A").drag_to(ranking_page.tray),
    ]
    for act in take_back:
        ranking_page.radio("A", 2).check()
        expect(ranking_page.lane(2).locator(".chip")).to_have_text("A")
        act()
        expect(ranking_page.radio("A", 2)).not_to_be_checked()
        expect(ranking_page.tray.locator(".chip")).to_have_text(["A", "B", "C", "D"])


def test_a_card_is_dragged_by_its_letter(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    ranking_page.card("B").locator(".chip").drag_to(ranking_page.lane(2))
    expect(ranking_page.radio("B", 2)).to_be_checked()
    expect(ranking_page.card("B").locator(".chip")).to_have_text("B")


def test_keys_rest_while_a_note_is_written(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    keyboard = ranking_page.page.keyboard
    keyboard.press("n")
    keyboard.type("1 u j ?")
    expect(ranking_page.page.get_by_label("what was hard")).to_have_value("1 u j ?")
    expect(ranking_page.page.get_by_role("dialog")).not_to_be_visible()
    keyboard.press("Escape")
    assert set(ranking_page.entered().values()) == {None}
    ranking_page.rank_by_keyboard(ORDER)
    keyboard.press("Enter")
    ranking_page.expect_empty()
    assert prompt.rankings.get().note == "1 u j ?"


def test_keys_with_control_belong_to_the_browser(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    ranking_page.page.keyboard.press("Alt+1")
    assert set(ranking_page.entered().values()) == {None}


def test_a_question_mark_shows_the_keys(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    ranking_page.page.keyboard.press("?")
    keys = ranking_page.page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    ranking_page.page.keyboard.press("2")
    ranking_page.page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    assert set(ranking_page.entered().values()) == {None}


def test_a_chosen_letter_is_put_down_with_escape(ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    ranking_page.chip("A").click()
    expect(ranking_page.chip("A")).to_have_attribute("aria-pressed", "true")
    ranking_page.page.keyboard.press("Escape")
    ranking_page.lane(1).get_by_role("button", name="Rank 1").click()
    expect(ranking_page.said).to_have_text("Choose a letter first, then its rank.")
    assert set(ranking_page.entered().values()) == {None}


@pytest.fixture
def without_ties(prompt: Prompt) -> None:
    prompt.project.ties_allowed = False
    prompt.project.save()


@pytest.mark.usefixtures("without_ties")
@pytest.mark.parametrize("way", WAYS)
def test_without_ties_a_lane_holds_one(way: str, ranking_page: RankingPage, prompt: Prompt) -> None:
    ranking_page.open()
    first, second = list(ranking_page.letters())[:2]
    if way == "rank_by_keyboard":
        for key in ("1", "j", "1"):
            ranking_page.page.keyboard.press(key)
    else:
        getattr(ranking_page, way)({first: 1, second: 1})
    ranking_page.expect_rail({second: 1})
    expect(ranking_page.said).to_have_text(
        "B ranked 1. A is unranked again: this project allows no ties."
    )
    ranking_page.page.keyboard.press("u")
    ranking_page.expect_rail({first: 1})


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_with_nine_responses_everything_beside_them_is_in_sight(
    ranking_page: RankingPage, add_prompt: Callable[..., Prompt], size: tuple[int, int]
) -> None:
    for name in ("first", "second"):
        prompt = add_prompt(name, [f"{name} {n} " + "word " * 80 for n in range(9)])
    prompt.project.rating_scale = 7
    prompt.project.save()
    page = ranking_page.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    ranking_page.open().ready()
    for place in "123456789":  # then the submit can be undone, which takes a line of its own
        for key in (place, "r", "4", "j"):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("second", exact=False).first).to_be_visible()
    for key in ("1", "r", "1", "j", "2", "r", "7"):
        page.keyboard.press(key)
    expect(page.get_by_text("Scores and ranks differ")).to_be_visible()
    names = ("None is acceptable", "Note", "Skip…", "Undo the submit", "Submit")
    for name in names:
        thing = page.locator(".verdict").get_by_text(name, exact=True).last
        expect(thing).to_be_in_viewport(ratio=1)
    verdict = page.locator(".verdict")
    assert verdict.evaluate("it => it.scrollHeight <= it.clientHeight"), "a part of it is cut off"
    expect(ranking_page.lane(9)).to_be_in_viewport(ratio=1)


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"has_touch": True}


def test_a_phone_ranks_by_finger(ranking_page: RankingPage, prompt: Prompt, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    ranking_page.open()
    letters = ranking_page.letters()
    for text, rank in ORDER.items():
        if rank < 3:
            drag_with_finger(
                page, ranking_page.chip(letters[text]), middle(ranking_page.lane(rank))
            )
        else:
            ranking_page.chip(letters[text]).tap()
            page.get_by_role("button", name=f"Give {letters[text]} rank {rank}").tap()
    ranking_page.expect_rail(ORDER)
    ranking_page.submit.tap()
    ranking_page.expect_empty()
    assert stored(prompt) == ORDER


def drag_with_finger(page: Page, chip: Locator, place: tuple[float, float]) -> None:
    """Playwright taps but does not drag with a finger; Chromium's own protocol does."""
    finger = page.context.new_cdp_session(page)
    x, y = middle(chip)
    to_x, to_y = place
    steps = [
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": (x + to_x) / 2, "y": (y + to_y) / 2}]),
        ("touchMove", [{"x": to_x, "y": to_y}]),
        ("touchEnd", []),
    ]
    for kind, points in steps:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def middle(thing: Locator) -> tuple[float, float]:
    box = thing.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
