"""A real browser on a real server and database; nothing is mocked."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, Locator, Page, Response, expect

from labelapp.models import Member, Placement, Prompt, User
from tests.browser.ranking_page import PATIENCE, RankingPage
from tests.conftest import sign_in

# Playwright's synchronous interface runs an event loop in this thread, and Django would refuse it
# the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

expect.set_options(timeout=PATIENCE)

RESPONSES = ("Scattering.", "Paint.", "The sea.", "Nobody knows.")

As = Callable[[Member | User], Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Name the machine's Chromium where there is one, else the one that Playwright installed."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    switches = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run")
    quiet = ("disable-background-networking", "disable-component-update", "disable-sync")
    return browser_type_launch_args | {
        "executable_path": found,
        "args": [f"--{switch}" for switch in switches + quiet],
    }


@pytest.fixture
def expected_errors() -> list[str]:
    """Return a list for the beginnings of console messages that a test provokes."""
    return []


@pytest.fixture(autouse=True)
def faultless(context: BrowserContext, expected_errors: list[str]) -> Iterator[None]:
    """Fail a test on an error in a page's console, an error in a script, or a missing file."""
    faults: list[str] = []

    def watch(page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("response", missing)

    def missing(response: Response) -> None:
        if "/static/" in response.url and response.status >= 400:
            faults.append(f"missing: {response.url}")

    context.on("page", watch)
    yield
    unexpected = [fault for fault in faults if not fault.startswith(tuple(expected_errors))]
    assert unexpected == []


@pytest.fixture
def sign_in_as(context: BrowserContext, page: Page, live_server: Any) -> As:
    """Return a function that signs somebody in, and returns the page."""

    def as_person(person: Member | User) -> Page:
        key = sign_in(person).cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": key, "url": live_server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        return page

    return as_person


@pytest.fixture
def prompt(add_prompt: Callable[..., Prompt]) -> Prompt:
    return add_prompt(responses=RESPONSES)


@pytest.fixture
def ranking_page(live_server: Any, sign_in_as: As, labeller: Member) -> RankingPage:
    """Return the labeller's ranking page; open() goes there."""
    return RankingPage(sign_in_as(labeller), f"{live_server.url}/projects/kitchen/labelling/")


@pytest.fixture
def experienced(labeller: Member) -> None:
    labeller.ranked = 1
    labeller.save()


def from_menu(page: Page, menu: str, name: str) -> Locator:
    """Open a menu of the header, and return the link or the button of this name in it."""
    dropdown = page.locator("header .dropdown:visible").filter(
        has=page.locator("summary", has_text=re.compile(rf"{menu}\s*$"))
    )
    if dropdown.get_attribute("open") is None:
        dropdown.locator("summary").click()
    link = dropdown.get_by_role("link", name=name, exact=True)
    return link.or_(dropdown.get_by_role("button", name=name, exact=True))


def stored(prompt: Prompt) -> dict[str, int]:
    """Return the ranks that the database holds of a prompt's only ranking, by response."""
    placements = Placement.objects.filter(ranking=prompt.rankings.get())
    return {placement.response.text: placement.rank for placement in placements}
