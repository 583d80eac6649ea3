"""The header and its menus, the command palette, and the appearance."""

from itertools import chain
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from labelapp.models import (
    Member,
    Project,
    Prompt,
    TrainingRun,
)
from tests.browser.conftest import As, from_menu
from tests.browser.finished_runs import scored

__all__ = ["scored"]  # a fixture


def test_the_header_fits_at_every_width_and_names_the_project(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    Project.objects.update(name="The answers of our support to customers from abroad")
    page = sign_in_as(manager)
    for width in (1440, 1200, 1024, 900, 760, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        for path in ("", "labelling/", "settings/"):
            page.goto(f"{live_server.url}/projects/kitchen/{path}")
            header = page.locator("header.top")
            expect(header.locator(".project-name")).to_be_in_viewport(ratio=1)
            assert header.evaluate("top => top.scrollWidth <= top.clientWidth"), (width, path)
            assert header.evaluate("top => top.offsetHeight") < 56, (width, path)


def test_every_page_begins_at_the_edge_of_the_header(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    page = sign_in_as(manager)
    for width in (1900, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        edges = {}
        for path in ("", "people/", "runs/", "runs/new/", "settings/", "agreement/", "uploads/"):
            page.goto(f"{live_server.url}/projects/kitchen/{path}")
            heading = page.get_by_role("heading", level=1).bounding_box()
            brand = page.locator(".brand").bounding_box()
            assert heading
            assert brand
            edges[path] = (round(heading["x"]), round(brand["x"]))
        assert len(set(chain.from_iterable(edges.values()))) == 1, (width, edges)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_menu_is_used_by_keyboard(
    live_server: Any, sign_in_as: As, manager: Member, width: int
) -> None:
    page = sign_in_as(manager)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/projects/kitchen/")
    menu, others = ("Menu", "Kitchen") if width == 390 else ("Quality", "Data")
    summary = page.locator("header summary:visible", has_text=menu)
    opened = page.locator("header details[open]:visible")
    page.locator("header summary:visible", has_text=others).press("Enter")
    expect(opened).to_have_count(1)
    summary.press("Enter")
    expect(opened).to_have_count(1)  # the other one closes
    page.keyboard.press("ArrowDown")
    expect(opened.get_by_role("link").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    while not page.evaluate("document.activeElement.textContent").endswith("Disagreements"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Disagreements")).to_be_visible()
    page.locator("header summary:visible", has_text=menu).click()
    expect(opened.locator("[aria-current]")).to_have_text("Disagreements")
    page.mouse.click(width / 2, 600)
    expect(opened).to_have_count(0)


def test_the_header_switches_between_projects(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=attic, user=manager.user, name="manager", role="manager")
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/people/")
    from_menu(page, "Kitchen", "Attic").click()
    expect(page.locator(".project-name")).to_have_text("Attic")


def test_the_menus_work_without_scripts(
    live_server: Any, sign_in_as: As, manager: Member, browser: Browser
) -> None:
    cookies = sign_in_as(manager).context.cookies()
    page = browser.new_context(java_script_enabled=False).new_page()
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto(f"{live_server.url}/projects/kitchen/")
    from_menu(page, "Project", "People").click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    from_menu(page, "Kitchen", "All projects").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    page.context.close()


def test_the_palette_finds_pages_and_runs_by_keyboard(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/labelling/")
    page.wait_for_load_state()  # the keys are a script's
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Find")
    field = palette.get_by_role("combobox")
    expect(field).to_be_focused()
    chosen = palette.locator("[aria-selected=true]")
    expect(chosen).to_have_text("Overview")
    page.keyboard.type("run")
    expect(chosen).to_contain_text("Runs")
    expect(palette.get_by_role("group", name="Runs")).to_contain_text(scored.title)
    page.keyboard.press("ArrowUp")
    expect(chosen).to_contain_text(scored.title)
    expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    page.keyboard.press("ArrowDown")
    expect(chosen).to_contain_text("Runs")
    page.keyboard.press("Escape")
    expect(palette).not_to_be_visible()
    page.keyboard.press("Meta+k")
    page.keyboard.type("agree")
    expect(chosen).to_contain_text("Agreement")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Agreement", level=1)).to_be_visible()


def test_the_palette_opens_from_the_header_and_the_menu(
    live_server: Any, sign_in_as: As, manager: Member, prompt: Prompt
) -> None:
    page = sign_in_as(manager)
    palette = page.get_by_role("dialog", name="Find")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{live_server.url}/projects/kitchen/people/")
        page.wait_for_load_state()
        if width == 390:
            from_menu(page, "Menu", "Find").click()
        else:
            page.locator("header").get_by_role("link", name="Find").click()
        page.keyboard.type("sky blue")
        expect(palette.get_by_role("option", name="Why is the sky blue?")).to_be_visible()
        palette.get_by_role("button", name="Close").click()
        expect(palette).not_to_be_visible()
    page.goto(f"{live_server.url}/projects/kitchen/find/?q=sky+blue")  # without scripts
    page.get_by_role("main").get_by_role("link", name="Why is the sky blue?").click()
    expect(page.get_by_role("heading", name="Prompt", level=1)).to_be_visible()


def test_a_chosen_appearance_stays(live_server: Any, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{live_server.url}/sign-in/")
    choice = page.get_by_role("group", name="Appearance")
    for appearance in ("System", "Light", "Dark"):
        button = choice.get_by_role("button", name=appearance)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
    page.reload()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(22, 22, 24)"
    expect(choice.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
