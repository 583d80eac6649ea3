"""A person's name and account, erased on request."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from labelapp.db.locks import WorkLock
from labelapp.db.text_index import PROMPT_TEXT, RESPONSE_TEXT
from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Export,
    Invitation,
    Member,
    Notification,
    Project,
    Prompt,
    Ranking,
    Role,
    State,
    TrainingRun,
    Upload,
    User,
    Webhook,
    WebhookCall,
)
from labelapp.runs.process import run_folder
from labelapp.web.signin import failures_of
from tests.conftest import PASSWORD, AddPrompt, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.projects.everything import NAME, TOKENS, leave_unpublished


def anonymise(*arguments: str) -> str:
    out = io.StringIO()
    call_command("anonymise_member", *arguments, "--yes", stdout=out)
    return out.getvalue()


def everything_stored() -> Iterator[tuple[str, str]]:
    """Yield the table and the text of every value in the database."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table in (PROMPT_TEXT, RESPONSE_TEXT):
                continue  # an index of texts that are stored elsewhere, which cannot be listed
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            for row in cursor.fetchall():
                yield from ((table, str(value)) for value in row)


def test_nothing_of_the_name_is_left_in_any_table(zebulon: User) -> None:
    tables = {table for table, value in everything_stored() if NAME.lower() in value.lower()}
    of_ours = {"assignment", "comment", "member", "ranking", "trainingrun", "upload", "user"}
    of_ours |= {"exclusion", "membermessage", "membernote", "notification"}
    assert tables == {"django_admin_log"} | {f"labelapp_{table}" for table in of_ours}
    for member in Member.objects.filter(user=zebulon).select_related("project"):
        leave_unpublished(member.project, NAME)
    out = anonymise(NAME)
    assert out == f"{NAME} is now removed-{zebulon.pk}.\n"
    assert [found for found in everything_stored() if NAME.lower() in found[1].lower()] == []


def test_what_others_were_told_of_the_name_is_deleted(zebulon: User, outsider: User) -> None:
    told: dict[str, Any] = {"user": outsider, "kind": "alert", "event": "alert_raised", "path": "/"}
    for member in Member.objects.filter(user=zebulon):
        for names in ([member.name, "ann"], ["ann"]):
            key = f"{member.project}-{len(names)}"
            about = {"count": len(names), "names": names}
            Notification.objects.create(**told, project=member.project, key=key, about=about)
    anonymise(NAME)
    left = Notification.objects.filter(user=outsider).values_list("about__names", flat=True)
    assert list(left) == [["ann"]] * 2


def test_what_a_webhook_was_told_of_the_name_is_deleted(zebulon: User) -> None:
    member = Member.objects.filter(user=zebulon).select_related("project")[0]
    upload = Upload.objects.filter(created_by=zebulon, project=member.project)[0]
    webhook = Webhook.objects.get(project=member.project)
    webhook.calls.all().delete()
    for key, data in {
        "alerts-1": {"count": 2, "names": [member.name, "ann"]},
        "comment-1": {"name": member.name},
        f"upload-{upload.pk}-1": {"name": upload.name},
        "comment-2": {"name": "ann"},
    }.items():
        WebhookCall.objects.create(webhook=webhook, key=key, event="e", body={"data": data})
    anonymise(NAME)
    assert list(webhook.calls.values_list("key", flat=True)) == ["comment-2"]


def test_the_rankings_stay_under_the_new_name(zebulon: User) -> None:
    columns = ("pk", "member", "responses_hash", "created_at", "is_current")
    before = list(Ranking.objects.order_by("pk").values(*columns))
    anonymise(NAME)
    assert list(Ranking.objects.order_by("pk").values(*columns)) == before
    names = set(Ranking.objects.values_list("member__name", flat=True))
    assert names == {f"removed-{zebulon.pk}"}
    (run, _) = TrainingRun.objects.order_by("pk")
    assert run.metrics["held_out"]["by_labeller"][0] == {
        "labeller": f"removed-{zebulon.pk}",
        "accuracy": 0.5,
    }


def test_the_account_is_closed_and_its_links_and_sessions_end(
    zebulon: User, labeller: Member
) -> None:
    sign_in(labeller)
    client = sign_in(zebulon)
    assert client.get("/account/").status_code == 200
    anonymise(NAME)
    assert client.get("/account/")["Location"].startswith("/sign-in/")
    assert Session.objects.count() == 1  # of another
    assert not failures_of(NAME).exists()
    assert not Client().login(username=f"removed-{zebulon.pk}", password=PASSWORD)
    zebulon.refresh_from_db()
    assert not zebulon.has_usable_password()
    assert (zebulon.is_active, zebulon.email, zebulon.last_login) == (False, "", None)
    assert not zebulon.groups.exists()
    assert not Invitation.objects.filter(revoked_at=None).exists()
    assert not Member.objects.filter(user=zebulon, is_active=True).exists()


def test_what_they_had_begun_goes_to_others(
    project: Project, manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    begun = add_prompt()
    assignments.current_assignment(labeller)
    anonymise("labeller")
    other = assignments.current_assignment(join(project, "other", Role.LABELLER))
    assert other is not None
    assert other.prompt == begun


def test_files_that_name_labellers_are_deleted(zebulon: User) -> None:
    data_dir = Path(settings.DATA_DIR)
    run = TrainingRun.objects.get(project__slug="kitchen")
    run_folder(run).write_metrics(run.metrics)
    waiting = Export.objects.create(project=run.project, name="next")
    unfinished = Upload.objects.create(
        project=run.project, created_by=zebulon, state=State.DRAFT, name=f"{NAME}.csv"
    )
    anonymise(NAME)
    assert list((data_dir / "exports").iterdir()) == []
    assert not (data_dir / "runs" / "cache" / f"{TOKENS}kitchen").exists()
    assert NAME not in json.dumps(run_folder(run).read_metrics())
    assert [export.state for export in Export.objects.all()] == [State.STOPPED]
    assert waiting.pk
    assert not Upload.objects.filter(pk=unfinished.pk).exists()
    assert run_folder(run).path.exists()


@pytest.mark.parametrize("model", [TrainingRun, Upload])
def test_nothing_changes_while_a_job_may_store_the_name_again(
    zebulon: User, project: Project, model: Any
) -> None:
    model.objects.create(project=project)
    with pytest.raises(CommandError, match="is in progress"):
        anonymise(NAME)
    zebulon.refresh_from_db()
    assert zebulon.username == NAME


def test_nothing_changes_while_an_import_may_store_the_name_again(
    zebulon: User, project: Project
) -> None:
    with (
        WorkLock(project.staging_slug).held(),
        pytest.raises(CommandError, match="Kitchen: an import is in progress"),
    ):
        anonymise(NAME)
    zebulon.refresh_from_db()
    assert zebulon.username == NAME


def test_a_project_keeps_a_manager(manager: Member) -> None:
    with pytest.raises(CommandError, match="Kitchen: manager is the only manager"):
        anonymise("manager")
    manager.refresh_from_db()
    assert manager.is_active


def test_it_can_be_repeated(zebulon: User) -> None:
    anonymise(NAME)
    names = list(Member.objects.order_by("pk").values_list("name", flat=True))
    anonymise(f"removed-{zebulon.pk}")
    assert list(Member.objects.order_by("pk").values_list("name", flat=True)) == names


def test_a_name_that_somebody_has_taken_is_not_needed(zebulon: User) -> None:
    User.objects.create_user(f"removed-{zebulon.pk}")
    assert f"is now removed-{zebulon.pk}-" in anonymise(NAME)


def test_a_name_of_an_import_is_erased_where_it_is_said_to_be_the_same_person(
    zebulon: User, project: Project
) -> None:
    cellar = Project.objects.create(name="Cellar", slug="cellar")
    imported = Member.objects.create(project=cellar, name=NAME)
    prompt = Prompt.objects.create(project=cellar, messages=[], content_hash="1")
    Ranking.objects.create(prompt=prompt, member=imported, responses_hash="1", note="Mine.")
    assert "run: manage.py anonymise_member Zebulon --project cellar" in anonymise(NAME)
    imported.refresh_from_db()
    assert imported.name == NAME
    anonymise(NAME, "--project", "cellar")
    imported.refresh_from_db()
    assert imported.name == f"removed-{imported.pk}"
    assert Ranking.objects.get(member=imported).note == ""


def test_an_administrator_anonymises_on_a_page(
    project: Project, manager: Member, labeller: Member, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    task = assignments.current_assignment(labeller)
    assert task is not None
    submit(assignment=task, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    url = f"/account/{labeller.user_id}/anonymise/"
    client = sign_in(root)
    assert f'href="{url}"' in client.get("/projects/kitchen/people/").content.decode()
    page = client.get(url).content.decode()
    assert "1 ranking." in page
    assert 'method="post" data-once' in page  # a second click would ask for the new name
    refused = client.post(url, {"typed": "root"})
    assert refused.status_code == 422
    done = client.post(url, {"typed": "labeller"}, follow=True).content.decode()
    assert f"labeller is now removed-{labeller.user_id}." in done
    people = client.get("/projects/kitchen/people/?show=removed").content.decode()
    assert f"removed-{labeller.user_id}" in people
    assert "Bring back" not in people


def test_a_refusal_says_why_on_the_page(manager: Member, root: User) -> None:
    url = f"/account/{manager.user_id}/anonymise/"
    refused = sign_in(root).post(url, {"typed": "manager"})
    assert refused.status_code == 422
    assert "only manager of this project" in refused.content.decode()


def test_administrators_who_anonymise_themselves_are_signed_out(root: User) -> None:
    client = sign_in(root)
    client.post(f"/account/{root.pk}/anonymise/", {"typed": "root"})
    assert client.get("/")["Location"].startswith("/sign-in/")


def test_nobody_else_anonymises(manager: Member, labeller: Member) -> None:
    url = f"/account/{labeller.user_id}/anonymise/"
    for person in (manager, labeller):
        client = sign_in(person)
        for response in (client.get(url), client.post(url, {"typed": "labeller"})):
            assert response.status_code == 403
    assert url not in sign_in(manager).get("/projects/kitchen/people/").content.decode()
    labeller.refresh_from_db()
    assert labeller.name == "labeller"
