"""From training to a model that trainers get, and back, with the reward service."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from labelapp.models import Member, Prompt, TrainingRun
from tests.browser.training import EXAMPLE, await_end, start_worker, train
from tests.labelapp.registry.conftest import MASTER, start
from tests.waiting import wait_until

__all__ = ["start"]

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {"prompt": "Why is the sky blue?", "responses": ["Scattering.", "Paint."]}
GAIN = r"[+\u2212]?\d+\.\d"


def promote(page: Page, reason: str) -> None:
    page.get_by_label("Why?").fill(reason)
    page.get_by_role("button", name="Promote").click()


def train_two(page: Page, url: str, data_dir: Path) -> tuple[TrainingRun, TrainingRun]:
    """Train a small transformer that learns ties, and a linear model, on 60 % of the prompts."""
    call_command("import_rankings", str(EXAMPLE), "--project", "kitchen")
    small = {"backbone": "transformer", "layers": "1", "width": "16", "heads": "2"}
    half = {"vocabulary": "300", "epochs": "1", "held_out_fraction": "0.4"}
    first = train(page, f"{url}/", **small, **half, ties="davidson")
    second = train(page, f"{url}/", backbone="features", held_out_fraction="0.4")
    worker = start_worker(data_dir, "*", "--batch")
    await_end(page, second)
    assert worker.wait() == 0
    first.refresh_from_db()
    assert first.state == "done", first.reason
    return first, second


def check_evidence(page: Page, number_of_prompts: int) -> None:
    """Both models are compared on the prompts that both held out, in all and by slice."""
    expect(page.locator("#evidence-title")).to_have_text(re.compile(r"\d points (ahead|behind)"))
    said = page.locator("section.verdict").inner_text()
    assert f"rankings of the {number_of_prompts} prompts that both held out" in said
    table = page.locator("table.slices")
    for heading in ("Length of the better response", "Source"):
        expect(table.locator(".slice-kind").get_by_text(heading, exact=True)).to_be_visible()
    row = table.get_by_role("row").filter(has_text="llama-7b").first
    expect(row).to_contain_text(re.compile(rf"{GAIN}\s*{GAIN} to {GAIN}"))
    page.get_by_role("link", name=re.compile(r"^\d+ comparisons?$")).first.click()
    expect(page.locator("#flips article.flip").first).to_be_visible()
    page.go_back()


def check_playground(page: Page, url: str, first: TrainingRun) -> None:
    """Both versions score a typed response that nobody has ranked, and a stored one, edited."""
    page.goto(f"{url}/models/playground/")
    page.get_by_label("Prompt", exact=True).fill("Why is the sky blue?")
    page.get_by_role("button", name="Add a message before the prompt").click()
    page.get_by_label("Message 1", exact=True).fill("Answer in one sentence.")
    page.get_by_label("Response A").fill("Air scatters blue light more than red light.")
    page.get_by_label("Response B").fill("Paint.")
    page.get_by_label("Beside").select_option(label=f"v1 · {first.title}")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#rewards tbody tr")).to_have_count(2)
    expect(page.locator(".probabilities")).to_have_count(2)
    expect(page.locator(".probabilities .unit")).to_have_count(2)  # v1 learned ties
    expect(page.locator(".probabilities .unit").first).to_have_text(re.compile(r"^tie \d+"))

    prompt = Prompt.objects.earliest("pk")
    page.goto(f"{url}/prompts/{prompt.pk}/")
    page.get_by_role("link", name="Try in the playground").click()
    page.get_by_label("Response A").fill("Nothing that anybody has ranked.")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#rewards tbody tr")).to_have_count(prompt.responses.count())
    expect(page.locator("#rewards tbody tr").first).to_contain_text("Nothing that anybody")


def test_train_promote_try_and_roll_back(
    page: Page, live_server: LiveServer, sign_in_as: Any, manager: Member, start: Any,
    settings: Any, tmp_path: Path,
) -> None:  # fmt: skip
    service = start("--all-projects")
    settings.REWARD_SERVER_URL, settings.REWARD_SERVER_TOKEN = service.url, MASTER
    sign_in_as(manager)
    url = f"{live_server.url}/projects/kitchen"
    first, second = train_two(page, url, tmp_path)

    def champion() -> str:
        answer = service.post("/projects/kitchen/score", **BODY)
        return str(answer.json()["model"]) if answer.is_success else ""

    # A run becomes v1, and v1 the champion, whose rewards trainers get.
    page.goto(f"{url}/runs/{first.pk}/")
    page.get_by_role("button", name="Register the model").click()
    expect(page.locator("h1")).to_have_text("v1")
    expect(page.get_by_text("all of version 1")).to_be_visible()
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
    check_evidence(page, second.metrics["held_out"]["prompts"])
    promote(page, "It learned more.")
    wait_until(lambda: champion() == "kitchen/v2")
    check_playground(page, url, first)

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
