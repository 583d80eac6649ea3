"""Nothing is lost, nothing is doubled, nothing incomplete is stored."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import BrowserContext, Page, Response, Route, expect

from labelapp.models import Assignment, Prompt, Ranking
from tests.browser.conftest import RESPONSES, As, from_menu, stored
from tests.browser.ranking_page import RankingPage, all_sent

ORDER = dict(zip(RESPONSES, (2, 4, 3, 1), strict=True))
UNREACHABLE = "Podium cannot be reached. What you entered is still here; try again."


def test_nothing_is_ranked_to_begin_with_and_that_cannot_be_submitted(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    ranking_page.open()
    assert set(ranking_page.entered().values()) == {None}
    expect(ranking_page.submit).to_have_attribute("aria-disabled", "true")
    ranking_page.page.keyboard.press("Enter")
    expect(ranking_page.said).to_have_text("Not ranked yet: A, B, C and D.")
    ranking_page.submit.click(force=True)  # as people do, though it is dim
    ranking_page.rank_by_keyboard(dict(list(ORDER.items())[:3]) | {RESPONSES[3]: 9})
    ranking_page.page.keyboard.press("Enter")
    expect(ranking_page.said).to_contain_text("Not ranked yet:")
    assert not Ranking.objects.exists()


def test_after_a_submit_the_next_task_has_the_focus_at_the_top(
    ranking_page: RankingPage, add_prompt: Any
) -> None:
    long = "\n\n".join(["A long paragraph."] * 40)
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n} {long}" for n in range(4)])
    page = ranking_page.open().page
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(ranking_page.card("A")).to_be_focused()
    expect(ranking_page.said).to_contain_text("Ranking stored.")
    assert page.evaluate("window.scrollY") == 0
    expect(page.get_by_text("1 ranked")).to_be_visible()
    page.keyboard.press("3")
    expect(ranking_page.radio("A", 3)).to_be_checked()


def test_a_key_pressed_the_moment_that_the_next_task_comes_counts(
    ranking_page: RankingPage, add_prompt: Any
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    nothing_ready(ranking_page.page)
    page = ranking_page.open().page
    page.evaluate(
        """document.addEventListener("htmx:afterSwap", () => setTimeout(() => {
            document.dispatchEvent(new KeyboardEvent("keydown", { key: "3" }));
        }))"""
    )
    for key in ("1", "j", "2", "j", "3", "j", "4", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(ranking_page.radio("A", 3)).to_be_checked()


def test_submitting_twice_stores_one_ranking(ranking_page: RankingPage, add_prompt: Any) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    nothing_ready(ranking_page.page)
    page = ranking_page.open().page
    on_their_way: list[Route] = []
    page.route("**/labelling/", lambda route: on_their_way.append(route))
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Saving")).to_be_disabled()
    expect(ranking_page.radio("A", 1)).to_be_disabled()
    all_sent(page)
    (submit,) = on_their_way
    submit.continue_()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    assert Ranking.objects.count() == 1


def nothing_ready(page: Page) -> None:
    """Let the page find no next task to keep ready, so that it comes with the answer."""
    page.route("**/labelling/next/**", lambda route: route.fulfill(status=204))


def test_while_the_server_cannot_be_reached_everything_entered_stays(
    ranking_page: RankingPage, prompt: Prompt, expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource: net::", "htmx:sendError", "htmx:afterRequest"]
    page = ranking_page.open().page
    ranking_page.rank_by_radio(ORDER)
    page.route("**/labelling/", lambda route: route.abort("connectionrefused"))
    ranking_page.submit.click()
    expect(ranking_page.problem).to_contain_text(UNREACHABLE)
    assert ranking_page.entered() == ORDER
    page.unroute("**/labelling/")
    ranking_page.submit.click()
    ranking_page.expect_empty()
    expect(ranking_page.problem).not_to_be_visible()
    assert stored(prompt) == ORDER


def test_a_fault_of_the_server_leaves_the_page_as_it_is(
    ranking_page: RankingPage, prompt: Prompt, expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource", "Response Status Error Code 500"]
    page = ranking_page.open().page
    ranking_page.rank_by_radio(ORDER)
    page.route("**/labelling/", lambda route: route.fulfill(status=500, body="<h1>Oh</h1>"))
    ranking_page.submit.click()
    expect(ranking_page.problem).to_contain_text("Podium had a fault.")
    assert ranking_page.entered() == ORDER


def test_a_task_that_is_gone_is_refused_in_words_and_stays_in_the_page(
    ranking_page: RankingPage, prompt: Prompt, expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource", "Response Status Error Code 404"]
    ranking_page.open()
    ranking_page.rank_by_radio(ORDER)
    Assignment.objects.all().delete()
    ranking_page.submit.click()
    expect(ranking_page.problem).to_contain_text("This task is no longer here.")
    assert ranking_page.entered() == ORDER


def test_after_signing_in_again_elsewhere_the_ranking_can_be_submitted(
    ranking_page: RankingPage, prompt: Prompt, context: BrowserContext, sign_in_as: As
) -> None:
    page = ranking_page.open().page
    ranking_page.rank_by_radio(ORDER)
    context.clear_cookies(name="sessionid")
    ranking_page.submit.click()
    expect(ranking_page.problem).to_contain_text("You are signed out.")
    assert ranking_page.entered() == ORDER
    other = context.new_page()
    other.goto(page.url)
    other.get_by_label("Username").fill("labeller")
    other.get_by_label("Password").fill("a long enough password")
    other.get_by_role("button", name="Sign in").click()
    expect(from_menu(other, "labeller", "Sign out")).to_be_visible()
    ranking_page.submit.click()
    ranking_page.expect_empty()
    assert stored(prompt) == ORDER


def test_a_refused_ranking_comes_back_with_the_reason_and_every_entry(
    ranking_page: RankingPage, prompt: Prompt, expected_errors: list[str]
) -> None:
    expected_errors += ["Failed to load resource"]
    ranking_page.open()
    prompt.project.ties_allowed = False  # after the page was opened
    prompt.project.save()
    ties = dict.fromkeys(RESPONSES, 1)
    ranking_page.rank_by_radio(ties)
    ranking_page.page.keyboard.press("n")
    ranking_page.page.keyboard.type("all alike")
    ranking_page.submit.click()
    problems = ranking_page.page.get_by_role("alert").filter(has_text="Not saved yet.")
    expect(problems).to_contain_text("This project allows no ties: give each its own rank.")
    expect(problems).to_be_focused()
    assert ranking_page.entered() == ties
    expect(ranking_page.page.get_by_label("what was hard")).to_have_value("all alike")
    ranking_page.rank_by_radio(ORDER)
    ranking_page.submit.click()
    ranking_page.expect_empty()
    assert stored(prompt) == ORDER


@pytest.fixture
def scriptless(browser: Any, live_server: Any, page: Page) -> Any:
    """A browser with JavaScript off."""
    context = browser.new_context(java_script_enabled=False)
    yield context
    context.close()


def test_without_javascript_a_ranking_is_checked_by_the_server_and_stored(
    scriptless: BrowserContext, ranking_page: RankingPage, prompt: Prompt
) -> None:
    scriptless.add_cookies(ranking_page.page.context.cookies())  # type: ignore[arg-type]
    page = scriptless.new_page()
    plain = RankingPage(page, ranking_page.url).open()
    expect(page.locator(".lanes")).not_to_be_visible()
    first = next(iter(plain.letters()))
    plain.rank_by_radio({first: 3})
    plain.submit.click()
    expect(page.get_by_role("alert").first).to_contain_text("B has no rank yet.")
    assert plain.entered() == dict.fromkeys(plain.letters(), None) | {first: 3}
    plain.rank_by_radio(ORDER)
    plain.submit.click()
    plain.expect_empty()
    expect(page.get_by_text("Ranking stored.")).to_be_visible()
    assert stored(prompt) == ORDER


def draft_of(*entries: str) -> Callable[[Response], bool]:
    """Tell the answer to a draft that holds these entries from all others."""

    def found(response: Response) -> bool:
        sent = response.request.post_data or ""
        return response.url.endswith("/draft/") and all(entry in sent for entry in entries)

    return found


def test_what_was_entered_is_there_again_after_a_reload(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    ranking_page.open()
    letters = ranking_page.letters()
    first, second = list(letters)[:2]
    with page.expect_response(draft_of(f"rank-{letters[first]}=2", f"rank-{letters[second]}=1")):
        ranking_page.rank_by_radio({first: 2, second: 1})
    page.get_by_text("Note", exact=True).click()
    with page.expect_response(draft_of("note=Both")):
        page.get_by_label("For those who review").fill("Both are wrong.")
    page.reload()
    entered = ranking_page.entered()
    assert (entered.pop(first), entered.pop(second)) == (2, 1)
    assert set(entered.values()) == {None}
    expect(page.get_by_label("For those who review")).to_have_value("Both are wrong.")


def test_enter_submits_after_a_ranking_by_clicks(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    ranking_page.open().rank_by_click(dict(zip(RESPONSES, (1, 2, 2, 3), strict=True)))
    page.keyboard.press("Enter")
    ranking_page.expect_empty()
    assert stored(prompt) == dict(zip(RESPONSES, (1, 2, 2, 3), strict=True))


def test_a_digit_puts_a_picked_letter_down(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    ranking_page.open().chip("B").click()
    expect(ranking_page.chip("B")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("3")
    expect(ranking_page.chip("B")).to_have_attribute("aria-pressed", "false")
    expect(ranking_page.radio("B", 3)).to_be_checked()


def test_clicking_a_chip_does_not_move_the_page(
    ranking_page: RankingPage, prompt: Prompt, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    ranking_page.open()
    for place in (ranking_page.chip("A"), ranking_page.lane(2), ranking_page.chip("A")):
        box = place.bounding_box()
        assert box is not None
        # At the place itself: Playwright's click would scroll on its own account.
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
        assert page.evaluate("scrollY") == 0
    expect(ranking_page.radio("A", 2)).to_be_checked()


BUSY = '<p id="refusal">Podium is busy.</p>'
SENT_AGAIN = "Podium is busy. It is sent again by itself."


def refuse_once(page: Page, path: str = "") -> list[dict[str, list[str]]]:
    """Answer the first form sent to a path as a busy server does; return the forms as they come."""
    forms: list[dict[str, list[str]]] = []

    def answer(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        forms.append(parse_qs(route.request.post_data or ""))
        if len(forms) == 1:
            return route.fulfill(status=503, headers={"Retry-After": "1"}, body=BUSY)
        return route.continue_()

    page.route(f"**/labelling/{path}", answer)
    return forms


def sent_twice(forms: list[dict[str, list[str]]], *names: str) -> bool:
    """Return whether two forms came, with the same values under these names."""
    first, second = forms
    return all(first[name] == second[name] for name in names)


@pytest.fixture
def busy(expected_errors: list[str]) -> None:
    expected_errors += ["Failed to load resource", "Response Status Error Code 503"]


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("ready", [True, False])
def test_a_ranking_that_a_busy_server_refuses_is_sent_again_by_itself_with_its_key(
    ranking_page: RankingPage, add_prompt: Any, ready: bool
) -> None:
    for name in ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    if not ready:
        nothing_ready(ranking_page.page)
    page = ranking_page.open().page
    forms = refuse_once(page)
    for key in ("1", "j", "2", "j", "3", "j", "4"):
        page.keyboard.press(key)
    if ready:
        ranking_page.next_ready()
    page.keyboard.press("Enter")
    expect(ranking_page.problem).to_contain_text(SENT_AGAIN)
    expect(page.get_by_text("1 ranked")).to_be_visible()
    expect(ranking_page.problem).not_to_be_visible()
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    assert sent_twice(forms, "key", "assignment")
    assert Ranking.objects.count() == 1


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("last", [False, True])
def test_a_skip_that_a_busy_server_refuses_is_sent_again_by_itself(
    ranking_page: RankingPage, add_prompt: Any, last: bool
) -> None:
    for name in ("first",) if last else ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page = ranking_page.open().page
    forms = refuse_once(page, "skip/")
    page.keyboard.press("2")
    page.keyboard.press("s")
    page.get_by_label("In your words").fill("Not mine")
    page.get_by_role("button", name="I cannot judge this").click()
    expect(ranking_page.problem).to_contain_text(SENT_AGAIN)
    if last:
        ranking_page.expect_empty()
    else:
        expect(page.get_by_role("region", name="Prompt")).to_contain_text("second")
    expect(ranking_page.problem).not_to_be_visible()
    assert sent_twice(forms, "assignment", "key", "reason", "skip_note")
    skipped = Assignment.objects.get(skipped_at__isnull=False)
    assert (skipped.skip_reason, skipped.skip_note) == ("cannot judge", "Not mine")
    assert not Ranking.objects.exists()


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("last", [False, True])
def test_an_undo_that_a_busy_server_refuses_is_sent_again_by_itself(
    ranking_page: RankingPage, add_prompt: Any, last: bool
) -> None:
    for name in ("first",) if last else ("first", "second"):
        add_prompt(name, [f"{name} {n}" for n in range(4)])
    page = ranking_page.open().page
    for key in ("1", "j", "2", "j", "3", "j", "4", "Enter"):
        page.keyboard.press(key)
    forms = refuse_once(page, "undo/")
    page.get_by_role("button", name="Undo the submit").click()
    expect(ranking_page.problem).to_contain_text(SENT_AGAIN)
    expect(page.get_by_role("region", name="Prompt")).to_contain_text("first")
    expect(ranking_page.radio("D", 4)).to_be_checked()
    expect(ranking_page.problem).not_to_be_visible()
    assert sent_twice(forms, "undo")
    ranking = Ranking.objects.get()
    assert not ranking.is_current
    assert Assignment.objects.get(prompt=ranking.prompt).is_open


@pytest.mark.usefixtures("busy")
def test_a_draft_that_a_busy_server_refuses_is_sent_again_by_itself(
    ranking_page: RankingPage, prompt: Prompt
) -> None:
    page = ranking_page.open().page
    forms = refuse_once(page, "draft/")
    with page.expect_response(lambda answer: answer.url.endswith("/draft/") and answer.ok):
        page.keyboard.press("2")
        expect(ranking_page.problem).to_contain_text(SENT_AGAIN)
    expect(ranking_page.problem).not_to_be_visible()
    assert sent_twice(forms, "assignment", "key", "rank-A")
    assert len(Assignment.objects.get().draft["ranks"]) == 1
    page.reload()
    expect(ranking_page.radio("A", 2)).to_be_checked()
