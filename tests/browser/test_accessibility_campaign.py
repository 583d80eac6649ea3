"""axe-core finds no fault on the pages of a running campaign, in any state."""

import re
from typing import Any

from django.utils import timezone
from playwright.sync_api import Page, expect

from labelapp.exporting import exports
from labelapp.models import (
    AgreementMeasurement,
    Event,
    Export,
    Member,
    Project,
    Prompt,
    State,
    Tag,
    Upload,
)
from labelapp.notifications import webhooks
from labelapp.notifications.telling import notify
from labelapp.projects import assignees
from labelapp.quality.coefficients import measure
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from tests.browser.accessible import (
    RICH,
    Faults,
    browser_context_args,
    campaign,
    disputed,
    faults,
)
from tests.browser.conftest import As
from tests.conftest import sign_in
from tests.labelapp.importing.uploads import confirm, line, lines, send

__all__ = ["browser_context_args", "campaign", "disputed", "faults"]  # fixtures


def test_the_pages_of_disagreements(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    disputed: list[Prompt],
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    sign_in_as(disputed[0].project.members.get(name="manager"))
    of_project = f"{live_server.url}/projects/kitchen/disagreements"
    page.goto(f"{of_project}/")
    faults.look("disagreements, not measured")
    with Recorder(disputed[0].project) as recorder:
        list(recorder.record(rankings_by_prompt(disputed[0].project)))
        recorder.store()
    faults.visit(of_project, ["", "?show=adjudicated", f"{disputed[0].pk}/"])
    page.get_by_label("Comment for reviewers and managers").fill(RICH)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comments > li")).to_have_count(1)
    page.wait_for_load_state()
    page.get_by_label("Reason (for other reviewers)").fill("Because.")
    page.get_by_role("button", name="Save decision").click()
    page.get_by_text("Change or withdraw the decision").click()
    faults.look("rankings, adjudicated")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Change or withdraw the decision")).to_have_count(0)
    page.wait_for_load_state()
    faults.look("rankings, withdrawn")
    Project.objects.update(ties_allowed=False)
    for letter in "AB":
        page.locator(f"input[name=rank-{letter}][value='1']").check(force=True)
    page.get_by_role("button", name="Save decision").click()
    expect(page.get_by_role("alert")).to_contain_text("allows no ties")
    faults.look("rankings, refused")


def test_the_pages_of_files_in_their_states(
    faults: Faults, page: Page, live_server: Any, sign_in_as: As, manager: Member
) -> None:
    sign_in_as(manager)
    browser = sign_in(manager)
    table = b"prompt,response,rank\nWhy?,Scattering.,1\nWhy?,Paint.,2\nHow?,Slowly.,\n"
    uploads = [
        send(browser, lines(line(1, labeller="ann"), line(2, ranking=None), b"{")),  # not confirmed
        send(browser, table, "table.csv"),
        send(browser, b"nothing;of;use\n", "table.tsv"),  # cannot be read
        confirm(browser, send(browser, lines(*(line(n) for n in range(3)), *[b"{"] * 120))),
        confirm(browser, send(browser, lines(line(1)))),
    ]
    for state in (State.QUEUED, State.RUNNING, State.FAILED):
        upload = send(browser, lines(line(1)))
        now = timezone.now()
        over = {"reason": "The disk is full.", "finished_at": now} if state == State.FAILED else {}
        Upload.objects.filter(pk=upload.pk).update(state=state, heartbeat_at=now, **over)
        uploads.append(upload)
    faults.visit(live_server.url, ["projects/kitchen/uploads/"])
    faults.visit(live_server.url, [f"projects/kitchen/uploads/{u.pk}/" for u in uploads])
    for format_ in ("jsonl", "csv", "trl", "nemo"):
        browser.post("/projects/kitchen/export/", {"format": format_})
    done, running, failed, _ = Export.objects.order_by("pk")
    exports.execute(done)
    Export.objects.filter(pk=running.pk).update(state=State.RUNNING, heartbeat_at=timezone.now())
    Export.objects.filter(pk=failed.pk).update(
        state=State.FAILED, reason="The disk is full.", finished_at=timezone.now()
    )
    faults.visit(live_server.url, ["projects/kitchen/export/"])


def test_the_page_of_a_labeller(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    disputed: list[Prompt],
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    project = disputed[0].project
    ranking = disputed[0].rankings.filter(is_current=True).earliest("pk")
    person = ranking.member
    with Recorder(project) as recorder:
        found = measure(recorder.record(rankings_by_prompt(project))).to_json()
        recorder.store()
    alert = {"kind": "ties", "badge": "Ties a lot", "text": "Ties 92 % of 578 pairs."}
    for one in found["people"]:
        one["alarms"] = [alert]
    AgreementMeasurement.objects.create(
        project=project, state=State.DONE, result=found, finished_at=timezone.now()
    )
    sign_in_as(project.members.get(name="manager"))
    url = f"{live_server.url}/projects/kitchen/people/{person.pk}/"
    page.goto(url)
    expect(page.get_by_text("Ties a lot")).to_be_visible()
    page.get_by_text("Show table").first.click()
    faults.look("a labeller")
    page.get_by_label("Add a note").fill("Talked on Monday.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("Talked on Monday.")).to_be_visible()
    page.get_by_role("checkbox", name="Select “").first.check()
    page.get_by_role("button", name="Have the selected ranked again").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    faults.look("a labeller, with a note, asked again")
    page.goto(url)
    page.get_by_label("Rankings submitted or changed").check()
    page.get_by_label("Reason").fill("Ties too much.")
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.get_by_text("Enter the first day")).to_be_visible()
    faults.look("a labeller, not left out without a day")
    page.get_by_label("All their rankings").check()
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.get_by_role("button", name="Count them again")).to_be_visible()
    faults.look("a labeller, left out")
    faults.visit(f"{live_server.url}/projects/kitchen", ["export/", "agreement/"])


def test_the_notifications(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    settings: Any,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    settings.EMAIL_HOST = "mail.example.org"
    sign_in_as(manager)
    faults.visit(live_server.url, ["notifications/"])
    assert manager.user_id
    for event in Event:
        notify(
            project=manager.project_id,
            event=event,
            key=event,
            path="/",
            to=[manager.user_id],
            about={"name": "ann", "number": 7, "count": 1, "names": ["ann"]},
        )
    page.goto(f"{live_server.url}/notifications/")
    expect(page.get_by_role("link", name=re.compile(f"{len(Event)} unread"))).to_be_visible()
    faults.look("notifications, unread")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark")).to_have_count(0)
    faults.look("notifications, read")
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("A training run has finished or failed: By mail").select_option("daily")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter the address")).to_be_visible()
    faults.look("notification settings, without an address")
    faults.visit(live_server.url, ["projects/kitchen/webhook/"])
    webhook = webhooks.save(manager.project, "https://example.org/hook")
    webhooks.queue_test(webhook)
    faults.visit(live_server.url, ["projects/kitchen/webhook/"])


def test_the_pages_of_tags_and_assigning(
    faults: Faults, page: Page, live_server: Any, campaign: list[Prompt], sign_in_as: As,
    manager: Member, labeller: Member, expected_errors: list[str],
) -> None:  # fmt: skip
    url = f"{live_server.url}/projects/kitchen/prompts"
    expected_errors.append("Failed to load resource")  # a refusal is no success
    sign_in_as(manager)
    faults.visit(url, ["tags/"])
    tag = Tag.objects.create(project=manager.project, name="hard")
    tag.prompt_tags.create(prompt=campaign[3])
    assignees.assign(
        project=manager.project, prompts=Prompt.objects.filter(pk=campaign[3].pk),
        members=[labeller], evenly=False, only=True,
    )  # fmt: skip
    faults.visit(url, ["tags/", "?tag=hard", f"?assigned={labeller.pk}", "?show=stuck"])
    for path in ("", f"{campaign[3].pk}/"):
        page.goto(f"{url}/{path}")
        page.get_by_text("Assign to…").click()
        faults.look(f"assigning, {path or 'the list'}")
    page.goto(f"{url}/tags/")
    page.locator('input[name="name"]').fill("a, b")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("A tag cannot contain a comma.")).to_be_visible()
    faults.look("a tag refused")
