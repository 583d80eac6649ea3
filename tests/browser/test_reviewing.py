"""A reviewer filters the prompts of a run, and goes through them by keyboard."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from labelapp.models import (
    Member,
    Project,
    Prompt,
    PromptAgreement,
    ReviewMeasurement,
    TrainingRun,
)
from tests.browser.conftest import As
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.reviewing.scored import score

LONG = "It scatters more of the blue light than of the red one. " * 200


@pytest.fixture
def prompts(
    project: Project,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    tmp_path: Path,
) -> list[Prompt]:
    """Three prompts that a run has scored; the last one was learned from."""
    run = TrainingRun.objects.create(project=project, state="done", finished_at=timezone.now())
    made = [
        add_prompt(f"The {name} prompt?", [f"{LONG} Surely.", f"{LONG} Maybe.", "The sea.", "No."])
        for name in ("first", "second", "third")
    ]
    rewards: dict[int, float] = {}
    for number, prompt in enumerate(made):
        add_ranking(prompt, labeller, [1, 2, 3, 4])
        keys = list(prompt.responses.order_by("pk").values_list("pk", flat=True))
        # The model reverses all pairs of the first, some of the second, and one of the third.
        rewards |= dict(zip(keys, [(1, 2, 3, 4), (2, 1, 4, 3), (4, 3, 1, 2)][number], strict=True))
    score(run, tmp_path, rewards)
    PromptAgreement.objects.filter(prompt__in=made[:2]).update(held_out=True)
    return made


def test_filters_narrow_the_list_and_keys_walk_through_it(
    live_server: Any, sign_in_as: As, reviewer: Member, prompts: list[Prompt]
) -> None:
    page = sign_in_as(reviewer)
    page.goto(f"{live_server.url}/projects/kitchen/reviewing/")
    expect(page.get_by_text("3 of 3 prompts")).to_be_visible()
    page.get_by_label("Held out").select_option("Held out")
    expect(page.get_by_text("2 of 3 prompts")).to_be_visible()
    expect(page.get_by_role("link", name="The third prompt?")).to_have_count(0)
    run = prompts[0].agreements.get().run_id
    assert page.url.endswith(f"/reviewing/?run={run}&held_out=1")
    page.get_by_role("link", name="The first prompt?").click()
    expect(page.get_by_text("1 of 2", exact=True)).to_be_visible()
    page.wait_for_load_state()  # the keys are a script's
    page.keyboard.press("n")
    expect(page.get_by_text("2 of 2", exact=True)).to_be_visible()
    expect(page.locator(".asked-text")).to_contain_text("The second prompt?")
    page.wait_for_load_state()
    page.keyboard.press("n")  # there is no next one
    page.keyboard.press("p")
    expect(page.get_by_text("1 of 2", exact=True)).to_be_visible()
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link").click()
    expect(page.get_by_text("2 of 3 prompts")).to_be_visible()


def test_long_responses_fold_and_two_are_compared(
    live_server: Any, sign_in_as: As, reviewer: Member, prompts: list[Prompt]
) -> None:
    page = sign_in_as(reviewer)
    page.goto(f"{live_server.url}/projects/kitchen/reviewing/{prompts[2].pk}/")
    first = page.locator("#response-A")
    unfold = first.get_by_role("button", name="Show all, 2401 words")
    expect(unfold).to_be_visible()
    unfold.click()
    expect(first.get_by_role("button", name="Fold")).to_be_visible()
    first.get_by_role("button", name="Compare").click()
    page.locator("#response-B").get_by_role("button", name="Compare with A").click()
    expect(page.get_by_text("of words shared")).to_be_visible()
    expect(page.locator("mark.only-here")).to_have_text(["Surely", "Maybe"])
    expect(page.locator("#response-C")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#response-C")).to_be_visible()


def test_the_figures_are_measured_on_the_first_visit(
    live_server: Any, sign_in_as: As, reviewer: Member, prompts: list[Prompt]
) -> None:
    page = sign_in_as(reviewer)
    page.goto(f"{live_server.url}/projects/kitchen/reviewing/")
    expect(page.get_by_text("Measuring the figures of run")).to_be_visible()
    assert ReviewMeasurement.objects.get().created_by == reviewer.user
