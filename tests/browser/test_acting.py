"""Beyond the ranks: the next task at once, skipping, undoing, scores, my work, time."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from labelapp.models import Assignment, Project, Prompt, Ranking
from tests.browser.conftest import RESPONSES, stored
from tests.browser.ranking_page import RankingPage, all_sent, settle

AddPrompt = Callable[..., Prompt]
RANK_ALL = ("1", "j", "2", "j", "3", "j", "4")


@pytest.fixture
def two_prompts(add_prompt: AddPrompt) -> tuple[Prompt, Prompt]:
    first, second = (add_prompt(name, [f"{name} {n}" for n in range(4)]) for name in ("one", "two"))
    return first, second


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def rank_and_await_the_next(ranking_page: RankingPage) -> None:
    """Give every response a rank, and wait until the page has the next task ready."""
    press(ranking_page.page, *RANK_ALL)
    ranking_page.next_ready()


def hold_the_first_submit(page: Page) -> list[Route]:
    """Collect the posts of submits and skips, and hold the first until the test continues it."""
    seen: list[Route] = []

    def hold(route: Route) -> None:
        seen.append(route)
        if len(seen) > 1:
            route.continue_()

    page.route(re.compile(r"/labelling/(skip/)?$"), hold)
    return seen


def prompt_shown(ranking_page: RankingPage, text: str) -> None:
    region = ranking_page.page.get_by_role("region", name="Prompt")
    expect(region).to_contain_text(text)


# The next task at once


def test_the_next_task_stands_there_while_the_ranking_is_still_on_its_way(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    rank_and_await_the_next(ranking_page)
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    expect(ranking_page.card("A")).to_be_focused()
    assert not Ranking.objects.exists()
    page.keyboard.press("3")
    all_sent(page)
    held[0].continue_()
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    expect(page.get_by_text("1 ranked")).to_be_visible()
    assert Ranking.objects.get().prompt == two_prompts[0]
    expect(ranking_page.radio("A", 3)).to_be_checked()


def test_a_ranking_that_cannot_be_stored_comes_back_and_the_next_waits_as_it_was(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt], expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource: net::"]
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    rank_and_await_the_next(ranking_page)
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    page.keyboard.press("3")
    all_sent(page)
    held[0].abort("connectionrefused")
    prompt_shown(ranking_page, "one")
    expect(ranking_page.problem).to_contain_text("Podium cannot be reached.")
    expect(ranking_page.radio("D", 4)).to_be_checked()
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    expect(ranking_page.radio("A", 3)).to_be_checked()
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    assert Ranking.objects.get().prompt == two_prompts[0]


def test_after_a_skip_the_next_task_begins_at_its_top_with_nothing_unfolded(
    ranking_page: RankingPage, add_prompt: AddPrompt
) -> None:
    for name in ("one", "two"):
        add_prompt(name, [f"{name} {n} " + "far away\n\n" * 40 for n in range(4)])
    page = ranking_page.open().page
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#note-text").evaluate("note => note.style.height = '90px'")  # as by dragging
    page.get_by_text("Skip…").click()
    page.get_by_role("button", name="I cannot judge this").click()
    prompt_shown(ranking_page, "two")
    expect(ranking_page.card("A")).to_be_focused()
    settle(page)  # an unfolded part would scroll itself into view
    assert page.evaluate("window.scrollY") == 0
    expect(page.get_by_role("button", name="I cannot judge this")).not_to_be_visible()


def test_a_refused_ranking_comes_back_with_the_reasons_though_the_next_stood_there(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt], expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource: the server responded with a status of 422"]
    page = ranking_page.open().page
    Project.objects.update(ties_allowed=False)  # after the page was opened
    press(page, "1", "j", "1", "j", "2", "j", "3")
    ranking_page.next_ready()
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "one")
    reasons = page.get_by_role("alert").filter(has_text="Not saved yet.")
    expect(reasons).to_contain_text("This project allows no ties")
    expect(reasons).to_be_focused()
    expect(ranking_page.problem).not_to_be_visible()
    expect(ranking_page.radio("B", 1)).to_be_checked()
    press(page, *RANK_ALL, "Enter")
    prompt_shown(ranking_page, "two")
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    assert Ranking.objects.count() == 1


def test_a_second_submit_waits_for_the_first(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    rank_and_await_the_next(ranking_page)
    press(page, "Enter", *RANK_ALL, "Enter")
    all_sent(page)
    assert len(held) == 1
    held[0].continue_()
    ranking_page.expect_empty()
    assert len(held) == 2
    assert Ranking.objects.count() == 2


def test_a_skip_waits_for_a_ranking_on_its_way_which_is_not_lost_where_it_fails(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt], expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource: net::"]
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    rank_and_await_the_next(ranking_page)
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    press(page, "s", "Enter")
    all_sent(page)
    assert len(held) == 1
    assert not Assignment.objects.filter(skipped_at__isnull=False).exists()
    held[0].abort("connectionrefused")
    prompt_shown(ranking_page, "one")
    expect(ranking_page.radio("D", 4)).to_be_checked()
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    page.get_by_role("button", name="Something else").click()  # still unfolded
    ranking_page.expect_empty()
    assert Ranking.objects.get().prompt == two_prompts[0]


def test_a_skip_goes_out_once_the_ranking_before_it_is_stored(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    rank_and_await_the_next(ranking_page)
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    press(page, "s", "Enter")
    all_sent(page)
    assert len(held) == 1
    held[0].continue_()
    ranking_page.expect_empty()
    assert len(held) == 2
    assert Ranking.objects.get().prompt == two_prompts[0]
    assert Assignment.objects.get(skipped_at__isnull=False).prompt == two_prompts[1]


def test_a_ranking_that_is_refused_comes_back_with_the_reasons(
    project: Project,
    ranking_page: RankingPage,
    two_prompts: tuple[Prompt, Prompt],
    expected_errors: list[str],
) -> None:
    expected_errors += ["Failed to load resource: the server responded with a status of 422"]
    page = ranking_page.open().page
    press(page, "1", "j", "1", "j", "2", "j", "3")
    ranking_page.next_ready()
    project.ties_allowed = False
    project.save()
    page.keyboard.press("Enter")
    refused = page.get_by_role("alert").filter(has_text="share rank 1")
    expect(refused).to_be_focused()
    prompt_shown(ranking_page, "one")
    expect(ranking_page.radio("D", 3)).to_be_checked()
    ranking_page.radio("A", 4).check()
    page.get_by_role("button", name="Submit", exact=True).click()
    prompt_shown(ranking_page, "two")
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    assert Ranking.objects.get().prompt == two_prompts[0]


def test_a_reload_shows_the_task_that_stood_there_and_not_the_one_kept_ready(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    rank_and_await_the_next(ranking_page)
    assert Assignment.objects.count() == 2
    page.reload()
    prompt_shown(ranking_page, "one")


# Undo and skip


def test_a_submit_is_undone_by_key_and_everything_is_there_again(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    press(page, *RANK_ALL, "Enter")
    prompt_shown(ranking_page, "two")
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    page.keyboard.press("u")
    prompt_shown(ranking_page, "one")
    expect(ranking_page.said).to_have_text("Undone. The task is here again as you left it.")
    expect(ranking_page.radio("D", 4)).to_be_checked()
    assert not Ranking.objects.filter(is_current=True).exists()
    press(page, "2", "Enter")
    prompt_shown(ranking_page, "two")
    expect(page.get_by_text("1 ranked")).to_be_visible()
    assert Ranking.objects.get(is_current=True).version == 2


def test_the_last_of_all_can_be_undone_as_well(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.open().page
    press(page, *RANK_ALL, "Enter")
    ranking_page.expect_empty()
    page.get_by_role("button", name="Undo the submit").click()
    expect(ranking_page.radio("A", 1)).to_be_checked()


def test_a_task_is_skipped_with_a_reason_and_that_is_undone(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    press(page, "2", "s")
    expect(page.get_by_role("button", name="I cannot judge this")).to_be_focused()
    page.keyboard.press("Enter")
    prompt_shown(ranking_page, "two")
    skipped = Assignment.objects.get(prompt=two_prompts[0])
    assert skipped.skip_reason == "cannot judge"
    assert skipped.slot is None
    page.get_by_role("button", name="Undo the skip").click()
    prompt_shown(ranking_page, "one")
    expect(ranking_page.radio("A", 2)).to_be_checked()
    skipped.refresh_from_db()
    assert skipped.slot == 1


def test_enter_in_the_words_of_a_skip_submits_nothing(
    ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt]
) -> None:
    page = ranking_page.open().page
    held = hold_the_first_submit(page)
    press(page, *RANK_ALL, "s")
    page.get_by_label("In your words").fill("Not mine")
    page.keyboard.press("Enter")
    all_sent(page)
    assert held == []
    prompt_shown(ranking_page, "one")
    assert not Ranking.objects.exists()


def test_without_javascript_a_task_is_skipped_too(
    live_server: Any, ranking_page: RankingPage, two_prompts: tuple[Prompt, Prompt], browser: Any
) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(ranking_page.page.context.cookies())
    page = context.new_page()
    page.goto(ranking_page.url)
    page.get_by_text("Skip…").click()
    page.get_by_role("button", name="Something else").click()
    expect(page.get_by_text("Skipped.")).to_be_visible()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("two")
    context.close()


# Scores, flags, all bad


def test_scores_flags_and_all_bad_are_stored_and_a_contradiction_is_said_gently(
    project: Project, ranking_page: RankingPage, prompt: Prompt
) -> None:
    project.rating_scale, project.flags = 7, ["Hallucination", "Gives harmful advice"]
    project.save()
    page = ranking_page.open().page
    letters = ranking_page.letters()
    ranking_page.rank_by_keyboard(dict(zip(RESPONSES, (1, 2, 3, 4), strict=True)))
    for text, score in zip(RESPONSES, (5, 6, 3, 1), strict=True):
        group = page.get_by_role("group", name=f"Score of response {letters[text]}")
        group.get_by_role("radio", name=str(score), exact=True).check()
    warning = page.get_by_text("Scores and ranks differ")
    expect(warning).to_contain_text(f"{letters[RESPONSES[1]]} has the higher score")
    card = ranking_page.card(letters[RESPONSES[3]])
    card.get_by_text("Flags").click()
    card.get_by_label("Hallucination").check()
    page.get_by_label("None is acceptable").check()
    press(page, "0", "4")  # keys do not rest for a box
    ranking_page.submit.click()
    ranking_page.expect_empty()
    ranking = Ranking.objects.get()
    assert stored(prompt) == dict(zip(RESPONSES, (1, 2, 3, 4), strict=True))
    ratings = {rating.response.text: rating for rating in ranking.ratings.all()}
    assert [ratings[text].score for text in RESPONSES] == [5, 6, 3, 1]
    assert ratings[RESPONSES[3]].flags == ["Hallucination"]
    assert ranking.all_bad


# My work


def test_a_ranking_is_opened_again_and_stored_as_a_new_version(
    live_server: Any, ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().page
    press(page, *RANK_ALL, "Enter")
    ranking_page.expect_empty()
    page.get_by_role("link", name="1 ranked").click()
    page.get_by_role("link", name="Why is the sky blue?").click()
    expect(page.get_by_text("You ranked this on")).to_be_visible()
    expect(ranking_page.radio("D", 4)).to_be_checked()
    page.wait_for_load_state()  # its scripts run
    page.keyboard.press("2")
    page.get_by_role("button", name="Save changes").click()
    ranking_page.expect_empty()
    assert [r.version for r in Ranking.objects.order_by("version")] == [1, 2]
    assert Ranking.objects.get(is_current=True).version == 2


# Time and leases


def test_only_time_at_work_is_counted(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.page
    page.clock.install()
    ranking_page.open()
    page.clock.pause_at(timezone.now() + timedelta(hours=1))
    seconds = page.locator("input[name=seconds]")
    before = float(seconds.input_value())
    page.mouse.move(10, 10)
    page.clock.run_for(20_000)
    assert float(seconds.input_value()) - before == pytest.approx(20, abs=1)
    page.clock.run_for(600_000)  # nobody is there
    assert float(seconds.input_value()) - before == pytest.approx(60, abs=1)


def test_an_open_page_keeps_its_lease(ranking_page: RankingPage, prompt: Prompt) -> None:
    page = ranking_page.page
    page.clock.install()
    ranking_page.open()
    soon = timezone.now() + timedelta(minutes=1)
    Assignment.objects.update(expires_at=soon)
    page.mouse.move(10, 10)
    with page.expect_response("**/labelling/alive/"):
        page.clock.run_for(305_000)
    assert Assignment.objects.get().expires_at > soon
