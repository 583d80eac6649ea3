"""axe-core finds no fault on the pages of visitors, managers and administrators."""

from typing import Any

from django.utils import timezone
from playwright.sync_api import Page, expect

from labelapp.models import (
    AgreementMeasurement,
    AliasMove,
    Grid,
    Member,
    ModelVersion,
    Project,
    PromotionGates,
    RankingReturn,
    ReviewMeasurement,
    State,
    TrainingRun,
    User,
)
from labelapp.quality.coefficients import measure
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.reviewing.figures import measure as measure_review
from tests.browser.accessible import (
    PHONE,
    WIDE,
    Faults,
    browser_context_args,
    campaign,
    faults,
    link,
    run,
)
from tests.browser.conftest import As, from_menu
from tests.browser.finished_runs import second_run, start_run
from tests.conftest import PASSWORD

__all__ = ["browser_context_args", "campaign", "faults", "link", "run"]  # fixtures


def test_a_visitors_pages(
    faults: Faults, page: Page, live_server: Any, link: str, expected_errors: list[str]
) -> None:
    expected_errors.append("Failed to load resource")
    faults.visit(live_server.url, [f"{link[:-4]}/", "sign-in/"])
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="correct username")).to_be_visible()
    faults.look("sign-in refused")
    faults.visit(live_server.url, [link])
    page.get_by_label("Username").fill("newcomer")
    page.get_by_label("Password", exact=True).fill("a quite long passphrase")
    page.get_by_label("Password again").fill("another")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator(".errorlist")).to_be_visible()
    faults.look("joining refused")


def look_at_setup_and_practice(faults: Faults, page: Page, url: str, project: Project) -> None:
    page.goto(f"{url}/projects/new/")
    page.get_by_text("Advanced").click()
    faults.look("a new project, unfolded")
    page.goto(f"{url}/projects/kitchen/setup/guidelines/")
    page.get_by_role("button", name="Writing").click()
    faults.look("guidelines from a template")
    page.goto(f"{url}/projects/kitchen/settings/")
    page.get_by_label("Rankings per prompt").fill("7")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("that are here?").or_(page.get_by_text("are saved."))).to_be_visible()
    faults.look("settings that ask about prompts")
    Project.objects.filter(pk=project.pk).update(setup_step="file")
    faults.visit(url, ["projects/kitchen/uploads/", ""])
    page.goto(f"{url}/projects/kitchen/practice/3/")
    faults.look("a practice prompt")
    for card in page.get_by_role("article").all():
        card.get_by_role("radio", name="2", exact=True).last.check()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("You gave them the same rank.").first).to_be_visible()
    faults.look("a practice prompt, marked")
    Project.objects.filter(pk=project.pk).update(setup_step="", archived_at=timezone.now())
    faults.visit(url, ["", "projects/kitchen/", "projects/kitchen/settings/"])
    Project.objects.filter(pk=project.pk).update(archived_at=None)


def test_a_managers_pages(
    faults: Faults, page: Page, live_server: Any, sign_in_as: As, run: TrainingRun, link: str
) -> None:
    manager = run.project.members.get(name="manager")
    manager.user.is_superuser = True
    manager.user.save()
    sign_in_as(manager)
    prompt = run.agreements.get().prompt_id
    project = run.project
    first, second = (
        ModelVersion.objects.create(
            project=project, number=number, run_id=run.pk + number - 1,
            lineage={"title": "Run", "digest": "0123", "accuracy": 0.7},
        )
        for number in (1, 2)
    )  # fmt: skip
    for alias, version in (("champion", first), ("challenger", second)):
        AliasMove.objects.create(project=project, alias=alias, version=version, reason="Better.")
    PromotionGates.objects.create(project=project, beats_champion=True, most_points_lost=2)
    of_project = (
        "", "find/?q=a", "settings/", "people/", "invitations/", "progress/", "export/",
        "prompts/", "prompts/?show=done&q=none", f"prompts/{prompt}/", f"prompts/{prompt + 2}/",
        "prompts/deleted/",
        "runs/", f"runs/{run.pk + 1}/", f"runs/{run.pk}/log/",
        f"runs/{run.pk}/errors/", f"runs/{run.pk}/data/", f"runs/{run.pk}/settings/",
        f"runs/{run.pk}/files/", f"runs/{run.pk + 1}/delete/",
        "reviewing/", "reviewing/?q=none", f"reviewing/{prompt}/", "reviewing/figures/",
        "agreement/",
        "setup/name/", "setup/guidelines/", "setup/people/", "duplicate/", "practice/prompts/",
        "models/", "models/1/", "models/2/promote/", "models/service/", "models/playground/",
    )  # fmt: skip
    faults.visit(live_server.url, ["", "projects/new/", "account/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])
    returned = RankingReturn.objects.create(member=manager, rows=[[1, ""]], created_by=manager.user)
    for room in ("reviewing", "disagreements"):
        faults.visit(live_server.url, [f"projects/kitchen/{room}/{prompt}/?returned={returned.pk}"])
    look_at_setup_and_practice(faults, page, live_server.url, project)
    page.goto(f"{live_server.url}/projects/kitchen/prompts/{prompt}/")
    page.keyboard.press("w")
    expect(page.locator("article .written")).to_have_count(4)
    faults.look("a prompt, as written")
    page.keyboard.press("w")
    page.goto(f"{live_server.url}/projects/kitchen/models/playground/")
    page.get_by_role("button", name="Add a message before the prompt").click()
    expect(page.get_by_label("Message 1", exact=True)).to_be_visible()
    faults.look("the playground with a conversation")
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("a run, unfolded")
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/curves/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("the curves of a run, unfolded")
    other = second_run(run)
    waiting = start_run(manager, name="Waits", note="For a worker.", tags="one two", is_pinned=True)
    of_runs = ("", "?sort=-accuracy", "?q=none", f"{run.pk}/edit/", "compare/", "new/")
    faults.visit(live_server.url, [f"projects/kitchen/runs/{path}" for path in of_runs])
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.get_by_label("Backbone").select_option("pretrained")
    faults.look("a new run, unfolded")
    page.goto(f"{live_server.url}/projects/kitchen/runs/")
    page.get_by_role("link", name=f"Edit run {run.pk}").click()
    expect(page.get_by_label("Note")).to_be_visible()
    faults.look("a run, edited in its row")
    page.goto("about:blank")  # the page before asks for its runs now and then
    waiting.delete()
    page.goto(f"{live_server.url}/projects/kitchen/runs/compare/?run={run.pk}&run={other.pk}")
    page.get_by_text("Show table").click()
    expect(page.get_by_role("article").first).to_be_visible()
    faults.look("runs, compared")
    look_at_grids(faults, page, live_server.url, [run, other])
    page.goto("about:blank")
    other.delete()
    look_at_review(faults, live_server.url, run)
    page.goto(f"{live_server.url}/projects/kitchen/agreement/")
    page.get_by_role("button", name="Measure agreement").click()
    expect(page.get_by_text("Measuring")).to_be_visible()
    faults.look("agreement, being measured")
    found = measure(rankings_by_prompt(run.project)).to_json()
    text = "Ties 92 % of 578 pairs of responses. The others tie 11 %."
    found["people"][0]["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": text}]
    AgreementMeasurement.objects.update(state=State.DONE, result=found, finished_at=timezone.now())
    expect(page.get_by_text("All together", exact=True).first).to_be_visible()  # it asks for itself
    page.get_by_text("All figures of each labeller").click()
    faults.look("agreement, measured")


def test_the_states_of_a_run(
    faults: Faults, live_server: Any, sign_in_as: As, run: TrainingRun
) -> None:
    """One that waits, one in progress, one that was stopped; and the scale of the curves."""
    manager = run.project.members.get(name="manager")
    sign_in_as(manager)
    now = timezone.now()
    waiting = start_run(manager)
    running = start_run(
        manager, state=State.RUNNING, stage="training", done=2, total=9, loss=0.7, started_at=now,
        folder=run.folder,
    )  # fmt: skip
    stopped = start_run(
        manager, state=State.STOPPED, reason="Stopped on request.", started_at=now, finished_at=now
    )
    failed = run.project.runs.get(state=State.FAILED)
    states = [f"{one.pk}/" for one in (waiting, running, stopped, failed)]
    tabs = [f"{running.pk}/{tab}/" for tab in ("curves", "errors", "data", "files", "log")]
    scales = [f"{run.pk}/curves/?scale=log", f"{run.pk}/curves/?scale=log&smoothing=none"]
    of_runs = ["", *states, *tabs, *scales]
    faults.visit(live_server.url, [f"projects/kitchen/runs/{path}" for path in of_runs])
    running.refresh_from_db()
    assert running.state == State.RUNNING


def look_at_grids(faults: Faults, page: Page, url: str, runs: list[TrainingRun]) -> None:
    """Look at the list of grids without and with one, at the form, and at a grid's states."""
    project = runs[0].project
    faults.visit(url, [f"projects/kitchen/runs/grids/{path}" for path in ("", "new/")])
    for summary in page.locator("summary:visible").all():
        summary.click()
    faults.look("a new grid, unfolded")
    grid = Grid.objects.create(project=project, varied={"epochs": [1, 2], "seed": [0, 1]})
    of_grid = ("", f"{grid.pk}/", f"{grid.pk}/delete/")
    project.runs.filter(pk__in=[run.pk for run in runs]).update(grid=grid)
    faults.visit(url, [f"projects/kitchen/runs/grids/{path}" for path in of_grid])
    page.goto(f"{url}/projects/kitchen/runs/grids/{grid.pk}/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("a grid, unfolded")
    project.runs.filter(pk=runs[1].pk).update(state=State.QUEUED, finished_at=None)
    faults.visit(url, [f"projects/kitchen/runs/grids/{grid.pk}/"])
    project.runs.filter(pk=runs[1].pk).update(state=State.DONE, finished_at=timezone.now())


def look_at_review(faults: Faults, url: str, run: TrainingRun) -> None:
    """Look at the review once it is measured, and at two responses side by side."""
    review, _ = measure_review(run)
    values: dict[str, Any] = {"state": State.DONE, "finished_at": timezone.now()}
    ReviewMeasurement.objects.all().delete()
    ReviewMeasurement.objects.create(
        project=run.project, run=run, result=review.to_json(), started_at=timezone.now(), **values
    )
    faults.visit(url, [f"projects/kitchen/reviewing/{path}" for path in ("", "figures/")])
    page = faults.page
    for summary in page.get_by_text("Show table").all():
        summary.click()
    faults.look("figures of a run, unfolded")
    page.goto(f"{url}/projects/kitchen/reviewing/{run.agreements.get().prompt_id}/")
    page.locator("#response-A").focus()
    for key in ("c", "k", "c"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("of words shared")
    faults.look("a reviewed prompt, comparison")


def test_pages_that_refuse(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    link: str,
    expected_errors: list[str],
) -> None:
    """Settings that somebody else has saved, a role, a password, and too many attempts."""
    expected_errors.append("Failed to load resource")
    sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/settings/")
    Project.objects.update(guidelines="Theirs.\n\n" * 40)
    page.get_by_label("Guidelines", exact=True).fill("Mine.")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("heading", name="Somebody else has changed")).to_be_visible()
    faults.look("settings, saved by somebody else")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    page.goto(f"{live_server.url}/projects/kitchen/people/")
    expect(page.get_by_text("Can still invite people")).to_be_visible()
    Member.objects.filter(pk=labeller.pk).update(role="manager")
    page.get_by_label("Role of labeller").select_option("reviewer")
    expect(page.get_by_text("Somebody else has made labeller a manager")).to_be_visible()
    faults.look("a role, changed by somebody else")
    page.get_by_role("button", name="New password… for labeller").click()
    reset_link = page.get_by_label("Link to set a new password").input_value()
    faults.look("a link to set a new password")
    page.goto(f"{live_server.url}/account/")
    for menu in ("manager", "Kitchen", "Quality", "Menu"):
        page.set_viewport_size(PHONE if menu == "Menu" else WIDE)
        page.goto(f"{live_server.url}/projects/kitchen/people/")
        from_menu(page, menu, "x")
        faults.look(f"the menu {menu}, open")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Overview")).to_be_visible()
    faults.look("the palette")
    page.keyboard.type("nothing like this")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    faults.look("the palette, nothing found")
    page.goto(f"{live_server.url}/account/")
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("several words to remember")
    page.get_by_label("New password again").fill("several words")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    faults.look("account, refused")
    page.context.clear_cookies()
    page.goto(reset_link)
    expect(page.get_by_text("For the account labeller")).to_be_visible()
    faults.look("a new password")
    page.goto(f"{live_server.url}/sign-in/")
    for _ in range(6):
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="Too many attempts")).to_be_visible()
    faults.look("sign-in, too many attempts")


def test_the_pages_on_which_an_administrator_deletes(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    run: TrainingRun,
    labeller: Member,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")
    sign_in_as(User.objects.create_superuser("root", password=PASSWORD))
    for slug in ("attic", "cellar"):
        other = Project.objects.create(name=slug, slug=slug)
        Member.objects.create(project=other, name="labeller")
    anonymise = f"account/{labeller.user_id}/anonymise/"
    paths = ["projects/kitchen/settings/", "projects/kitchen/people/", anonymise]
    faults.visit(live_server.url, paths)
    page.get_by_label("Type “labeller” to confirm").fill("labeller")
    page.get_by_role("button", name="Anonymise").click()
    expect(page.get_by_text(f"labeller is now removed-{labeller.user_id}.")).to_be_visible()
    faults.visit(live_server.url, ["projects/kitchen/people/?show=removed"])
    page.goto(f"{live_server.url}/projects/kitchen/prompts/")
    page.locator("input[name=prompt]").first.check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete prompts")).to_be_visible()
    faults.look("prompts, about to be deleted")
    page.goto(f"{live_server.url}/projects/kitchen/settings/")
    page.get_by_role("link", name="Delete project…").click()
    page.get_by_label("Type “Kitchen” to confirm").fill("kitchen")
    page.get_by_role("button", name="Delete project").click()
    expect(page.locator(".errorlist")).to_be_visible()
    faults.look("deletion, refused")
    page.get_by_label("Type “Kitchen” to confirm").fill("Kitchen")
    page.get_by_role("button", name="Delete project").click()
    expect(page.get_by_text("Kitchen is being deleted.")).to_be_visible()
    faults.look("projects, one being deleted")
