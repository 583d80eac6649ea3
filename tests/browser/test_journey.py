"""The whole journey: import, rank by keyboard and by drag, train from the page, see the scores."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from labelapp.models import Assignment, Member, Project, Ranking, Score, TrainingRun
from tests.browser.conftest import from_menu
from tests.browser.ranking_page import RankingPage
from tests.browser.training import EXAMPLE, start_worker
from tests.conftest import PASSWORD

TRAINING_SECONDS = 600  # a bound for the slowest machine, not a measure


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.django_db(transaction=True)
def test_from_an_imported_file_to_scores_beside_the_human_ranks(
    page: Page,
    live_server: Any,
    project: Project,
    labeller: Member,
    manager: Member,
    tmp_path: Path,
) -> None:
    # Import real rankings, and have their prompts ranked here as well.
    call_command("import_rankings", str(EXAMPLE), "--project", "kitchen")
    call_command("import_prompts", str(EXAMPLE), "--project", "kitchen")
    imported = Ranking.objects.count()
    assert imported == 219

    # A labeller signs in, and is at the first prompt.
    sign_in(page, live_server.url, "labeller")
    ranking_page = RankingPage(page, page.url).ready()

    # One prompt by keyboard alone: rank each card, submit with Enter.
    letters = ranking_page.letters()
    wanted = dict(zip(letters, range(1, len(letters) + 1), strict=True))
    ranking_page.rank_by_keyboard(wanted)
    page.keyboard.press("Enter")
    expect(ranking_page.said).to_contain_text("Ranking stored.")
    by_keyboard = Ranking.objects.get(origin="here")
    assert verdict(by_keyboard) == {letters[text]: rank for text, rank in wanted.items()}

    # The next one by dragging chips to lanes, the first two tied.
    letters = ranking_page.letters()
    wanted = {text: max(1, place) for place, text in enumerate(letters)}
    ranking_page.rank_by_drag(wanted)
    ranking_page.submit.click()
    expect(ranking_page.said).to_contain_text("Ranking stored.")
    by_drag = Ranking.objects.exclude(pk=by_keyboard.pk).get(origin="here")
    assert verdict(by_drag) == {letters[text]: rank for text, rank in wanted.items()}
    from_menu(page, "labeller", "Sign out").click()

    # A manager signs in, is at the overview, and starts a run.
    sign_in(page, live_server.url, "manager")
    from_menu(page, "Model", "Runs").click()
    page.get_by_role("link", name="Start the first run").click()
    page.get_by_label("Epochs").fill("1")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_text("queued").first).to_be_visible()

    # The worker takes the run up; the page follows it to the end by itself.
    worker = start_worker(tmp_path, "*", "--batch")
    review = page.get_by_role("link", name="Review the scores")
    expect(review).to_be_visible(timeout=TRAINING_SECONDS * 1000)
    assert worker.wait(TRAINING_SECONDS) == 0
    run = TrainingRun.objects.get()
    assert (run.state, run.reason) == ("done", "")
    assert run.manifest["rankings"] == imported + 2
    accuracy = run.metrics["held_out"]["accuracy"]
    expect(page.get_by_text(f"{accuracy * 100:.1f}").first).to_be_visible()

    # The scores stand beside the human ranks, best reward first.
    review.click()
    expect(page.get_by_role("heading", name="Review", exact=True)).to_be_visible()
    assert Score.objects.filter(run=run).count() == 347
    page.goto(f"{page.url.split('?')[0]}{by_drag.prompt_id}/")
    expect(page.get_by_text("llama-7b").first).to_be_visible()
    shown = page.locator("main").inner_text()
    rewards = Score.objects.filter(run=run, response__prompt=by_drag.prompt).order_by("-reward")
    sources = list(rewards.values_list("response__source", flat=True))
    places = [shown.index(source) for source in sources]
    assert places == sorted(places)
    assert "labeller" in page.content()


def verdict(ranking: Ranking) -> dict[str, int]:
    """The stored ranks by the letters that the labeller saw."""
    order = Assignment.objects.get(prompt=ranking.prompt, member=ranking.member).order
    ranks = dict(ranking.placements.values_list("response_id", "rank"))
    return {letter: ranks[pk] for letter, pk in zip("ABCDEFGHI", order, strict=False)}
