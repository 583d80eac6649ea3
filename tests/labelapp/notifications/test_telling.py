"""Who is told of what, and that nobody is told twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from django.utils import timezone

from labelapp.jobs import jobs
from labelapp.jobs.jobs import FailedError
from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    Assignee,
    Event,
    Export,
    Job,
    Kind,
    Mail,
    Member,
    Notification,
    NotificationChoice,
    Project,
    Prompt,
    Role,
    State,
    TrainingRun,
    Upload,
    User,
)
from labelapp.notifications.wording import sentence
from labelapp.people import records
from labelapp.projects import assignees, prompt_changes
from labelapp.quality import comments, measurement
from tests.conftest import AddPrompt, join

pytestmark = pytest.mark.django_db


def told(*, event: str | None = None) -> set[tuple[str, str]]:
    """Return who was told of which event, as pairs of a name and an event."""
    rows = Notification.objects.filter(**({"event": event} if event else {}))
    return set(rows.values_list("user__username", "event"))


def end(job: Job, *, failed: bool = False) -> None:
    def work() -> None:
        if failed:
            raise FailedError("It is too small.")

    jobs.start(job)
    jobs.execute(job, work)


def test_managers_and_reviewers_are_told_of_a_run(
    project: Project, manager: Member, reviewer: Member, labeller: Member
) -> None:
    run = TrainingRun(project=project, name="Long")
    end(run)
    end(TrainingRun(project=project), failed=True)
    assert told() == {
        ("manager", Event.RUN_DONE),
        ("reviewer", Event.RUN_DONE),
        ("manager", Event.RUN_FAILED),
        ("reviewer", Event.RUN_FAILED),
    }
    first = Notification.objects.filter(event=Event.RUN_DONE)[0]
    assert sentence(first) == f"Long (run {run.pk}) has finished."
    assert first.path == f"/projects/kitchen/runs/{run.pk}/"


def test_a_run_that_is_resumed_ends_again(project: Project, manager: Member) -> None:
    run = TrainingRun(project=project)
    end(run, failed=True)
    jobs.restart(run)
    jobs.execute(run, lambda: None)
    assert told() == {("manager", Event.RUN_FAILED), ("manager", Event.RUN_DONE)}


@pytest.mark.parametrize(
    ("model", "failed", "event"),
    [
        (Upload, False, Event.UPLOAD_DONE),
        (Upload, True, Event.UPLOAD_FAILED),
        (Export, False, Event.EXPORT_DONE),
        (Export, True, Event.EXPORT_FAILED),
    ],
)
def test_managers_and_who_asked_for_it_are_told_of_a_file(
    project: Project,
    manager: Member,
    reviewer: Member,
    model: Any,
    failed: bool,
    event: Event,
) -> None:
    join(project, "another reviewer", Role.REVIEWER)
    end(model(project=project, created_by=reviewer.user, name="a.jsonl"), failed=failed)
    assert told() == {("manager", event), ("reviewer", event)}
    assert sentence(Notification.objects.all()[0]).startswith("a.jsonl ")


def test_who_stops_a_job_is_not_told(project: Project, manager: Member) -> None:
    run = TrainingRun(project=project)
    jobs.start(run)
    jobs.request_stop(run)
    assert told() == set()


def test_a_job_whose_worker_was_killed_is_told_of_as_failed(
    project: Project, manager: Member
) -> None:
    run = TrainingRun(project=project, state=State.RUNNING, heartbeat_at=timezone.now())
    run.save()
    TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    jobs.mark_lost(TrainingRun.objects.all())
    assert told() == {("manager", Event.RUN_FAILED)}


def test_people_who_have_left_are_told_nothing(project: Project, manager: Member) -> None:
    for name, change in (("gone", {"is_active": False}), ("closed", {"user__is_active": False})):
        member = join(project, name, Role.MANAGER)
        if "is_active" in change:
            Member.objects.filter(pk=member.pk).update(is_active=False)
        else:
            User.objects.filter(pk=member.user_id).update(is_active=False)
    end(TrainingRun(project=project))
    assert told() == {("manager", Event.RUN_DONE)}


def test_a_comment_reaches_managers_and_who_commented_before(
    project: Project, manager: Member, reviewer: Member, add_prompt: AddPrompt
) -> None:
    other = join(project, "other reviewer", Role.REVIEWER)
    prompt = add_prompt()
    comments.write(prompt=prompt, member=reviewer, text="Too long?")
    assert told() == {("manager", Event.COMMENT_MADE)}
    Notification.objects.all().delete()
    comments.write(prompt=prompt, member=other, text="No.")
    assert told() == {("manager", Event.COMMENT_MADE), ("reviewer", Event.COMMENT_MADE)}
    one = Notification.objects.filter(user=manager.user).get()
    assert one.path == f"/projects/kitchen/disagreements/{prompt.pk}/#comments"
    assert sentence(one) == "other reviewer commented on a prompt."


def test_a_labeller_is_told_of_a_message(manager: Member, labeller: Member) -> None:
    assert manager.user
    records.send(member=labeller, by=manager.user, text="Slow down a little.")
    assert told() == {("labeller", Event.MESSAGE_SENT)}
    one = Notification.objects.get()
    assert one.path == "/projects/kitchen/labelling/"
    assert "Slow" not in sentence(one) + str(one.about)


def assign(*people: Member, by: Member, prompts: QuerySet[Prompt]) -> None:
    assert by.user
    prompt_changes.carry_out(
        lambda: assignees.assign(
            project=by.project, prompts=prompts, members=people, evenly=True, only=False
        ),
        prompts=prompts,
        project=by.project,
        by=by.user,
    )


def test_people_are_told_of_what_is_assigned_to_them(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    second = join(manager.project, "second", Role.LABELLER)
    for number in range(5):
        add_prompt(f"{number}?")
    add_prompt("Idle?", wanted=0)
    every = manager.project.prompts.all()
    assign(labeller, second, manager, by=manager, prompts=every.filter(rankings_needed__gt=0))
    assert told() == {("labeller", Event.TASK_ASSIGNED), ("second", Event.TASK_ASSIGNED)}
    one = Notification.objects.get(user=labeller.user)
    assert one.path == "/projects/kitchen/labelling/"
    assert sentence(one) == "2 prompts are assigned to you."
    assign(labeller, second, manager, by=manager, prompts=every.filter(rankings_needed__gt=0))
    assert Notification.objects.count() == 2  # nothing that was not theirs before
    Notification.objects.all().delete()
    Assignee.objects.all().delete()
    assign(labeller, by=manager, prompts=every.filter(rankings_needed=0))
    assert told() == set()  # nobody would get it


def test_an_assignment_that_is_undone_is_told_to_nobody_who_has_not_read_it(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    second = join(manager.project, "second", Role.LABELLER)
    for number in range(2):
        add_prompt(f"{number}?")
    assign(labeller, second, by=manager, prompts=manager.project.prompts.all())
    Notification.objects.filter(user=second.user).update(read_at=timezone.now())
    assert manager.user
    change = prompt_changes.last_change(manager.project, manager.user)
    assert change
    prompt_changes.undo(change)
    assert told() == {("second", Event.TASK_ASSIGNED)}
    assert not Assignee.objects.exists()


def rank(member: Member) -> None:
    """Rank what the member has in front of them, and go on."""
    shown = assignments.current_assignment(member)
    assert shown is not None
    with assignments.turn(member):
        locked = assignments.lock_assignments(member)
        (assignment,) = (one for one in locked if one == shown)
        ranks = dict.fromkeys(submissions.letters(assignment), 1)
        submissions.submit(assignment=assignment, entered=RankingInput(ranks=ranks))
        assignments.advance(member, [])


def test_managers_are_told_once_when_the_last_ranking_is_there(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    second = join(manager.project, "second", Role.LABELLER)
    add_prompt("One?", wanted=2)
    rank(labeller)
    assert told() == set()  # another ranking is wanted
    rank(second)
    assert told() == {("manager", Event.CAMPAIGN_DONE)}
    with assignments.turn(labeller):
        assignments.advance(labeller, [])
    assert Notification.objects.count() == 1
    add_prompt("Two?")
    rank(labeller)
    assert Notification.objects.count() == 2


def test_a_campaign_is_not_done_while_somebody_still_ranks(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    second = join(manager.project, "second", Role.LABELLER)
    add_prompt("One?")
    add_prompt("Two?")
    assert assignments.current_assignment(second) is not None
    rank(labeller)
    assert told() == set()


def stored_result(*alerts: tuple[int, str]) -> dict[str, Any]:
    figure = {"name": "agreement", "unit": "comparisons"}
    names = ("agreement", "ties", "first", "longer", "consistency", "gold")
    people = [
        {
            "member": member,
            "rankings": 30,
            "median_seconds": None,
            **dict.fromkeys(names, figure),
            "alarms": [{"kind": kind, "badge": "fast", "text": "…"}],
        }
        for member, kind in alerts
    ]
    counts = {"rankings": 60, "labellers": 2, "prompts": 30, "shared_prompts": 30}
    return {**counts, "figures": [figure], "people": people, "pairs": []}


def test_managers_are_told_of_alerts_that_are_new(
    project: Project, manager: Member, reviewer: Member, ann: Member, bob: Member
) -> None:
    def measured(*alerts: tuple[int, str]) -> None:
        one = AgreementMeasurement(project=project)
        result = stored_result(*alerts)
        jobs.start(one)
        jobs.execute(one, lambda: measurement.tell_of_new_alerts(one, result) or {"result": result})
        assert one.state == State.DONE

    measured((ann.pk, "speed"))
    assert told() == {("manager", Event.ALERT_RAISED)}
    assert sentence(Notification.objects.get()) == "The rankings of 1 labeller stand out: ann"
    measured((ann.pk, "speed"))
    assert Notification.objects.count() == 1
    measured((ann.pk, "speed"), (ann.pk, "ties"), (bob.pk, "speed"))
    newest = Notification.objects.all()[0]
    assert sentence(newest) == "The rankings of 2 labellers stand out: ann, bob"


def test_a_choice_of_neither_page_nor_mail_leaves_nothing(
    project: Project, manager: Member, reviewer: Member
) -> None:
    NotificationChoice.objects.create(user=manager.user, kind=Kind.RUN, in_page=False)
    end(TrainingRun(project=project))
    assert told() == {("reviewer", Event.RUN_DONE)}


def test_daily_mails_wait_for_the_next_morning(
    project: Project, manager: Member, settings: Any
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    NotificationChoice.objects.create(user=manager.user, kind=Kind.RUN, mail=Mail.DAILY)
    end(TrainingRun(project=project))
    due = Notification.objects.get().mail_due_at
    assert due is not None
    assert (due.hour, due.minute) == (7, 0)
    assert timedelta() < due - timezone.now() <= timedelta(days=1)


def test_old_notifications_are_cleaned_up(project: Project, manager: Member) -> None:
    end(TrainingRun(project=project))
    end(TrainingRun(project=project))
    oldest = Notification.objects.order_by("pk")[:1]
    long_ago = timezone.now() - timedelta(days=91)
    Notification.objects.filter(pk__in=[one.pk for one in oldest]).update(created_at=long_ago)
    call_command("clean_up")
    assert Notification.objects.count() == 1


def test_prompts_without_wanted_rankings_end_no_campaign(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    add_prompt(wanted=0)
    with assignments.turn(labeller):
        assignments.advance(labeller, [])
    assert Prompt.objects.count() == 1
    assert told() == set()
