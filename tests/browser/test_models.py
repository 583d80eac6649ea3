"""From a finished run to a model that trainers get, and back, with the reward service."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from labelapp.models import Member, TrainingRun
from tests.labelapp.conftest import forked
from tests.labelapp.registry.conftest import MASTER, runs, start
from tests.waiting import wait_until

__all__ = ["forked", "runs", "start"]

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {"prompt": "Why is the sky blue?", "responses": ["Scattering.", "Paint."]}


def promote(page: Page, reason: str) -> None:
    page.get_by_label("Why?").fill(reason)
    page.get_by_role("button", name="Promote").click()


def test_promote_try_and_roll_back(
    page: Page, live_server: LiveServer, sign_in_as: Any, manager: Member,
    runs: list[TrainingRun], start: Any, settings: Any,
) -> None:  # fmt: skip
    service = start("--all-projects")
    settings.REWARD_SERVER_URL, settings.REWARD_SERVER_TOKEN = service.url, MASTER
    first, second = runs
    sign_in_as(manager)
    url = f"{live_server.url}/projects/kitchen"

    def champion() -> str:
        answer = service.post("/projects/kitchen/score", **BODY)
        return str(answer.json()["model"]) if answer.is_success else ""

    # A run becomes v1, and v1 the champion, whose rewards trainers get.
    page.goto(f"{url}/runs/{first.pk}/")
    page.get_by_role("button", name="Register the model").click()
    expect(page.locator("h1")).to_have_text("v1")
    page.get_by_role("link", name="Promote…").click()
    promote(page, "The first one.")
    expect(page.locator(".messages")).to_contain_text("v1 is the champion.")
    wait_until(lambda: champion() == "kitchen/v1")

    # Another run is its challenger, and is promoted over it once its evidence was seen.
    page.goto(f"{url}/models/")
    page.get_by_role("button", name=f"Register {second.title}").click()
    page.goto(f"{url}/models/")
    page.get_by_role("button", name="Make challenger").click()
    page.get_by_role("link", name="Compare with the champion").click()
    expect(page.locator("h1")).to_have_text("Promote v2 over v1")
    expect(page.locator("#evidence-title")).not_to_be_empty()
    promote(page, "It learned more.")
    wait_until(lambda: champion() == "kitchen/v2")

    # Both score a response that nobody has ranked.
    page.goto(f"{url}/models/playground/")
    page.get_by_label("Prompt", exact=True).fill("Why is the sky blue?")
    page.get_by_label("Response A").fill("Air scatters blue light more than red light.")
    page.get_by_label("Response B").fill("Paint.")
    page.get_by_label("Beside").select_option(label=f"v1 · {first.title}")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#rewards tbody tr")).to_have_count(2)
    expect(page.locator(".probabilities")).to_have_count(2)

    # One click goes back.
    page.goto(f"{url}/models/")
    page.get_by_role("button", name="Back to v1").click()
    expect(page.locator(".messages")).to_contain_text("v1 is the champion again.")
    wait_until(lambda: champion() == "kitchen/v1")
    expect(page.locator(".moves li")).to_have_count(5)
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("models/", "models/1/", "models/2/promote/", "models/playground/"):
        page.goto(f"{url}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
