"""Every page: quiet console, no sideways scrolling on a phone, light and dark, blind, and safe."""

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from labelapp.models import (
    Member,
    Response,
    State,
    TrainingRun,
)
from labelapp.runs import process
from tests.browser.conftest import As, from_menu
from tests.browser.finished_runs import scored, second_run, start_run
from tests.browser.ranking_page import RankingPage

__all__ = ["scored"]  # a fixture


PAGES = {
    "": "Projects",
    "projects/kitchen/": "Kitchen",
    "projects/kitchen/find/": "Find",
    "projects/kitchen/labelling/": "Rank the responses",
    "projects/kitchen/settings/": "Settings",
    "projects/kitchen/people/": "People",
    "projects/kitchen/invitations/": "Invite people",
    "projects/kitchen/progress/": "Progress",
    "projects/kitchen/prompts/": "Prompts",
    "projects/kitchen/prompts/{prompt}/": "Prompt",
    "projects/kitchen/agreement/": "Agreement",
    "projects/kitchen/runs/": "Runs",
    "projects/kitchen/runs/new/": "New run",
    "projects/kitchen/runs/{run}/edit/": "Edit run",
    "projects/kitchen/runs/{run}/": "Run",
    "projects/kitchen/runs/{run}/curves/": "Run",
    "projects/kitchen/runs/{run}/errors/": "Run",
    "projects/kitchen/runs/{run}/data/": "Run",
    "projects/kitchen/runs/{run}/settings/": "Run",
    "projects/kitchen/runs/{run}/files/": "Run",
    "projects/kitchen/runs/{run}/log/": "Run",
    "projects/kitchen/runs/{run}/delete/": "Delete run",
    "projects/kitchen/reviewing/": "Review",
    "projects/kitchen/reviewing/{prompt}/": "Prompt",
}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_fits_a_phone_and_a_wide_screen(
    colours: Any, live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    page = sign_in_as(manager)
    page.emulate_media(color_scheme=colours)
    for path, heading in PAGES.items():
        filled = path.format(run=scored.pk, prompt=scored.agreements.get().prompt_id)
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(f"{live_server.url}/{filled}")
            expect(page.get_by_role("heading", name=heading).first).to_be_attached()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(247, 246, 243)", "dark": "rgb(22, 22, 24)"}[colours]


def test_hostile_text_does_nothing_and_is_shown(
    ranking_page: RankingPage, scored: TrainingRun, manager: Member, sign_in_as: As
) -> None:
    page = sign_in_as(manager)
    page.goto(ranking_page.url)
    card = page.get_by_role("article").filter(has_text="window.hacked = 1")
    expect(card).to_be_visible()
    expect(card.get_by_text("onerror=")).to_be_visible()
    assert card.locator("img, script, style, [onerror], [hx-get]").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.evaluate("window.hacked") is None
    expect(card.locator("pre .nb")).to_have_text("print")


def test_a_labeller_sees_no_source_and_no_database_id(
    ranking_page: RankingPage, add_prompt: Any
) -> None:
    prompt = add_prompt(pk=7_100_000)
    Response.objects.filter(prompt=prompt).delete()
    Response.objects.bulk_create(
        Response(
            pk=7_200_000 + n,
            prompt=prompt,
            text=f"Text {n}",
            source=f"model-{n}",
            content_hash=f"{n:064}",
        )
        for n in range(4)
    )
    html = ranking_page.open().page.content()
    assert "Text 3" in html
    for secret in ("7100000", "720000", "model-"):
        assert secret not in html


def test_somebody_signs_in_and_out(live_server: Any, page: Page, labeller: Member) -> None:
    page.goto(f"{live_server.url}/projects/kitchen/")
    page.get_by_label("Username").fill("labeller")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="correct username")).to_be_visible()
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    expect(page.get_by_role("link", name="Review")).not_to_be_visible()
    from_menu(page, "labeller", "Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_new_installation_says_how_to_begin(live_server: Any, page: Page, db: None) -> None:
    page.goto(f"{live_server.url}/")
    expect(page.get_by_text("manage.py createsuperuser")).to_be_visible()


def test_a_run_shows_its_progress_as_it_comes(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    run = start_run(manager, state=State.RUNNING, stage="training", done=3, total=10, loss=0.69)
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/settings/")
    expect(page.get_by_text("Step 3 of 10 · loss 0.690")).to_be_visible()
    TrainingRun.objects.update(done=7, loss=0.512)
    expect(page.get_by_text("Step 7 of 10 · loss 0.512")).to_be_visible()
    TrainingRun.objects.update(
        state=State.FAILED, reason="Too few prompts.", finished_at=timezone.now()
    )
    expect(page.get_by_text("Too few prompts.")).to_be_visible()
    expect(page.locator("#run-said")).to_have_text("The run failed")
    expect(page.get_by_role("link", name="Change and train again")).to_be_visible()


def test_the_curves_and_the_log_of_a_run_come_as_it_goes(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    run = start_run(manager, state=State.RUNNING, stage="training", total=9, folder="runs/9-live")
    folder = process.run_folder(run)
    folder.path.mkdir(parents=True)
    log = process.log_path(run)
    log.write_text("step one\n")
    for step in (1, 2):
        folder.append_metric_line({"step": step, "loss": 1 / step, "accuracy": 0.5})
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/curves/")
    page.locator("#learning").get_by_text("Show table").click()
    expect(page.get_by_role("rowheader", name="2", exact=True)).to_be_visible()
    folder.append_metric_line({"step": 3, "loss": 0.25, "accuracy": 0.5})
    expect(page.get_by_role("rowheader", name="3", exact=True)).to_be_visible()
    page.get_by_role("link", name="Log", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("step one")).to_be_visible()
    log.write_text("step one\nstep two\n")
    expect(page.get_by_text("step two")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_run_is_read_by_keyboard_on_a_phone(
    javascript: bool,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    scored: TrainingRun,
    browser: Any,
) -> None:
    second_run(scored)
    cookies = sign_in_as(manager).context.cookies()
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, java_script_enabled=javascript
    )
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{live_server.url}/projects/kitchen/runs/{scored.pk}/")
    tabs = page.get_by_role("navigation", name="About this run")
    for title in ("Curves", "Errors", "Data", "Settings", "Files", "Log", "Overview"):
        tabs.get_by_role("link", name=title).focus()
        page.keyboard.press("Enter")
        shown = tabs.locator("[aria-current=page]")
        expect(shown).to_have_text(title)
        expect(shown).to_be_in_viewport()
        if javascript:
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Change and train again").click()
    expect(page).to_have_url(re.compile(rf"runs/new/\?again={scored.pk}"))
    context.close()


def test_the_review_shows_scores_beside_human_ranks(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/reviewing/")
    expect(page.get_by_text("against the majority on 1 of 6 pairs")).to_be_visible()
    expect(page.get_by_text("60.1–75.2")).to_be_visible()
    row = page.get_by_role("row", name="Is this safe?")
    expect(row.get_by_role("cell").nth(0)).to_have_text("CBDA")  # the model's order
    expect(row.get_by_role("cell").nth(1)).to_have_text("BCDA")  # people's
    page.get_by_role("link", name="Is this safe?").click()
    best = page.get_by_role("article", name="Response C")
    expect(best).to_contain_text("model-2")
    expect(best).to_contain_text("No.")
    expect(best.get_by_role("listitem")).to_have_text("2 labeller")
    expect(best).to_contain_text("against the majority")
    expect(page.get_by_role("article", name="Response D")).not_to_contain_text("against")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("language", ["en", "de"])
def test_on_a_narrow_phone_the_ranking_page_has_one_line_above_its_navigation(
    sign_in_as: As, live_server: Any, add_prompt: Any, labeller: Member, language: str
) -> None:
    add_prompt()
    page = sign_in_as(labeller)
    page.set_extra_http_headers({"Accept-Language": language})
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{live_server.url}/projects/kitchen/labelling/")
    brand = page.locator(".brand").bounding_box()
    account = page.locator(".account").bounding_box()
    assert brand
    assert account
    assert account["y"] < brand["y"] + brand["height"]


def test_on_a_phone_the_prompt_stays_in_sight(
    ranking_page: RankingPage, add_prompt: Any, page: Page
) -> None:
    add_prompt("What is far?", [f"{n} " + "far away\n\n" * 40 for n in range(4)])
    page.set_viewport_size({"width": 390, "height": 844})
    ranking_page.open()
    strip = page.locator(".asked-strip")
    expect(strip).not_to_be_visible()
    page.keyboard.press("j")
    expect(strip).to_contain_text("What is far?")
    place = page.evaluate("window.scrollY")
    strip.locator("summary").click()
    expect(strip.locator(".asked-card")).to_be_visible()
    assert page.evaluate("window.scrollY") == place


def choose_by_keyboard(page: Page, url: str, runs: list[TrainingRun]) -> None:
    page.goto(url)
    for run in runs:
        page.get_by_role("checkbox", name=f"Compare run {run.pk}").focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="orders the held-out comparisons")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_runs_are_compared_by_keyboard(
    javascript: bool,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    scored: TrainingRun,
    browser: Any,
) -> None:
    other = second_run(scored)
    cookies = sign_in_as(manager).context.cookies()
    context = browser.new_context(
        viewport={"width": 375, "height": 844}, java_script_enabled=javascript
    )
    context.add_cookies(cookies)
    page = context.new_page()
    choose_by_keyboard(page, f"{live_server.url}/projects/kitchen/runs/", [scored, other])
    if javascript:
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.evaluate("window.hacked") is None
    curves = page.get_by_role("region", name="Curves", exact=True).first
    expect(curves.get_by_role("img")).to_have_count(2 if javascript else 0)
    curves.get_by_text("Show table").click()
    expect(curves.get_by_role("cell", name="68.3").first).to_be_visible()
    page.get_by_role("link", name=f"Use run {other.pk} as reference").click()
    expect(page.get_by_role("rowheader", name=f"Difference from run {other.pk}")).to_be_visible()
    page.get_by_role("link", name=f"Only run {scored.pk} is right").click()
    expect(page.get_by_role("article").first).to_contain_text("People prefer")
    page.get_by_role("link", name="Choose other runs").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    context.close()
