"""The list of runs and the form that starts one, as a manager works with them."""

from typing import Any

from django.utils import timezone
from playwright.sync_api import expect

from labelapp.models import Member, State, TrainingRun
from labelapp.runs import process
from tests.browser.conftest import As
from tests.browser.finished_runs import scored, second_run, start_run
from tests.conftest import AddPrompt, AddRanking

__all__ = ["scored"]  # a fixture


def test_a_run_is_named_and_pinned_in_its_row(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    second_run(scored)
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/")
    page.get_by_role("checkbox", name=f"Compare run {scored.pk}").check()
    page.get_by_role("link", name=f"Edit run {scored.pk}").click()
    page.get_by_label("Name", exact=True).fill("The best one")
    page.get_by_label("Tags", exact=True).fill("champion")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="The best one")).to_be_visible()
    expect(page.get_by_role("link", name="champion")).to_be_visible()
    page.get_by_role("button", name=f"Pin run {scored.pk}").click()
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("The best one")
    expect(first.get_by_role("checkbox")).to_be_checked()
    scored.refresh_from_db()
    assert (scored.name, scored.tags, scored.is_pinned) == ("The best one", "champion", True)
    page.get_by_role("link", name=f"Edit run {scored.pk}").click()
    page.get_by_label("Name", exact=True).fill("Another")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("link", name="The best one")).to_be_visible()


def test_a_running_row_follows_its_run_to_the_end(
    live_server: Any, sign_in_as: As, manager: Member, scored: TrainingRun
) -> None:
    run = start_run(manager, state=State.RUNNING, stage="training", done=3, total=8)
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/")
    row = page.locator(f"#run-{run.pk}")
    expect(row).to_contain_text("step 3 of 8")
    page.get_by_role("link", name=f"Edit run {scored.pk}").click()
    page.get_by_label("Name", exact=True).fill("Half a na")
    TrainingRun.objects.filter(pk=run.pk).update(done=5)
    expect(row).to_contain_text("step 5 of 8")
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.DONE, metrics=scored.metrics, finished_at=timezone.now()
    )
    expect(row).to_contain_text("✓ done")
    expect(row).to_contain_text("68.3")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Half a na")


def test_the_form_shows_the_settings_of_the_backbone(
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
) -> None:
    for number in range(2):
        add_ranking(add_prompt(f"{number}?"), labeller, (1, 2, 3, 4))
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/")
    page.get_by_role("link", name="Start the first run").click()
    epochs = page.get_by_label("Epochs")
    expect(epochs).to_have_attribute("placeholder", "1")
    expect(page.get_by_label("Pretrained model")).to_be_hidden()
    expect(page.locator("#estimated-time")).to_contain_text("by a rule of thumb")
    page.get_by_label("Backbone").select_option("pretrained")
    expect(page.get_by_label("Pretrained model")).to_be_visible()
    expect(epochs).to_have_attribute("placeholder", "decided by the rankings")
    expect(page.locator("#estimated-time")).to_contain_text("Not known yet")
    page.get_by_label("Backbone").select_option("features")
    expect(epochs).to_be_hidden()
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_text("queued").first).to_be_visible()
    run = TrainingRun.objects.get()
    assert (run.config["backbone"], run.created_by) == ("features", manager.user)


def test_a_log_follows_its_end_until_its_reader_scrolls_up(
    live_server: Any, sign_in_as: As, manager: Member
) -> None:
    now = timezone.now()
    run = start_run(manager, state=State.RUNNING, started_at=now, folder="runs/1")
    path = process.log_path(run)
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"line {number}\n" for number in range(200)))
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/log/")
    log, follow = page.locator("#log"), page.get_by_label("Follow the end")
    from_end = "box => box.scrollHeight - box.scrollTop - box.clientHeight"
    assert log.evaluate(from_end) < 8
    with path.open("a") as file:
        file.write("and another one\n" * 50)
    expect(log).to_contain_text("and another one")
    assert log.evaluate(from_end) < 8
    log.evaluate("box => { box.scrollTop = 100 }")
    expect(follow).not_to_be_checked()
    with path.open("a") as file:
        file.write("the last one\n")
    expect(log).to_contain_text("the last one")
    assert log.evaluate("box => box.scrollTop") == 100
    follow.check()
    assert log.evaluate(from_end) < 8
