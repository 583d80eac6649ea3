"""The ranking page's other requests: the task kept ready, the heartbeat, skipping, undoing."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Ranking, User
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.labelling.acting import save_draft
from tests.labelapp.labelling.acting import submit as store

URL = "/projects/kitchen/labelling/"
ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}
POSTS = ("skip", "undo", "draft", "alive")


def task(member: Member) -> Assignment:
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    return assignment


def submit(client: Client, assignment: Assignment, **more: Any) -> Any:
    ranks = {f"rank-{letter}": rank for letter, rank in ABCD.items()}
    data = {"assignment": assignment.token, **(ranks | more)}
    return client.post(URL, data, HTTP_HX_REQUEST="true")


def post(client: Client, name: str, **data: Any) -> Any:
    return client.post(f"{URL}{name}/", data, HTTP_HX_REQUEST="true")


# The task kept ready


def test_the_next_task_is_claimed_and_shown_without_its_source(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("First?", priority=1)
    second = add_prompt("Second?")
    now = task(labeller)
    answer = sign_in(labeller).get(f"{URL}next/", {"beside": now.token}, HTTP_HX_REQUEST="true")
    page = answer.content.decode()
    assert "Second?" in page
    assert "model-" not in page
    waiting = Assignment.objects.get(prompt=second)
    assert waiting.shown_at is None
    assert task(labeller) == now


@pytest.mark.parametrize("beside", ["", "nonsense", str(uuid.UUID(int=7))])
def test_there_is_no_next_task_beside_one_that_is_not_there(
    add_prompt: AddPrompt, labeller: Member, beside: str
) -> None:
    add_prompt()
    answer = sign_in(labeller).get(f"{URL}next/", {"beside": beside})
    assert answer.status_code == 204
    assert not Assignment.objects.exists()


def test_a_submit_whose_page_shows_the_next_task_brings_only_what_stands_beside_it(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("First?", priority=1)
    add_prompt("Second?")
    now = task(labeller)
    ready = assignments.next_assignment(labeller, current=now)
    assert ready is not None
    page = submit(sign_in(labeller), now, next=ready.token).content.decode()
    assert "Second?" not in page
    assert 'id="done"' in page
    assert "1 ranked" in page
    ready.refresh_from_db()
    assert ready.shown_at is not None
    assert task(labeller) == ready


# Submitting by key


def test_the_same_submit_twice_stores_once_even_when_it_was_undone_between(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    client, now, key = sign_in(labeller), task(labeller), uuid.uuid4()
    submit(client, now, key=key)
    assert post(client, "undo", undo=now.token).status_code == 200
    submit(client, now, key=key)  # the first one, late
    assert not Ranking.objects.filter(is_current=True).exists()
    submit(client, now, key=uuid.uuid4())
    assert [r.version for r in Ranking.objects.filter(is_current=True)] == [2]


def test_a_form_that_is_sent_again_with_other_ranks_is_another_submit(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    client, now, key = sign_in(labeller), task(labeller), uuid.uuid4()
    submit(client, now, key=key)
    again = {"rank-A": 4, "rank-D": 1}
    submit(client, now, key=key, **again)
    submit(client, now, key=key)  # the first one, late
    submit(client, now, key=key, **again)
    assert Ranking.objects.count() == 2
    verdict = submissions.current_input(now)
    assert verdict is not None
    assert verdict.ranks == {"A": 4, "B": 2, "C": 3, "D": 1}


def test_time_at_work_is_kept_and_never_longer_than_it_took(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    now = task(labeller)
    Assignment.objects.update(created_at=timezone.now() - timedelta(seconds=100))
    client = sign_in(labeller)
    post(client, "draft", assignment=now.token, seconds="40")
    now.refresh_from_db()
    assert now.seconds == 40
    submit(client, now, seconds="nan")
    assert Ranking.objects.get().seconds == 40
    later = post(client, "undo", undo=now.token)
    assert later.status_code == 200
    submit(client, now, seconds="99999", key=uuid.uuid4())
    assert Ranking.objects.get(is_current=True).seconds == pytest.approx(100, abs=5)


# Scores and flags


def test_a_score_that_the_project_does_not_know_is_refused(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    project.rating_scale, project.flags = 7, ["Hallucination"]
    project.save()
    add_prompt()
    client, now = sign_in(labeller), task(labeller)
    answer = submit(client, now, **{"score-A": "8"})
    assert answer.status_code == 422
    assert "The score of A must be from 1 to 7." in answer.content.decode()
    answer = submit(client, now, **{"flags-A": "Made up"})
    assert answer.status_code == 422
    assert "This project knows no flag" in answer.content.decode()
    assert not Ranking.objects.exists()


def test_scores_are_not_stored_where_the_project_asks_for_none(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    submit(sign_in(labeller), task(labeller), **{"score-A": "7", "flags-A": "Hallucination"})
    assert not Ranking.objects.get().ratings.exists()


# Skipping and undoing


def test_a_skipped_task_goes_to_somebody_else(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    now = task(labeller)
    answer = post(
        sign_in(labeller), "skip", assignment=now.token, reason="broken", skip_note="no end"
    )
    assert "You’re all caught up" in answer.content.decode()
    assert "Undo the skip" in answer.content.decode()
    now.refresh_from_db()
    assert (now.skip_reason, now.skip_note) == ("broken", "no end")
    assert task(manager).prompt == prompt


@pytest.mark.parametrize("reason", ["", "tired"])
def test_a_task_is_not_skipped_without_a_reason(
    add_prompt: AddPrompt, labeller: Member, reason: str
) -> None:
    add_prompt()
    now = task(labeller)
    answer = post(sign_in(labeller), "skip", assignment=now.token, reason=reason)
    assert answer.status_code == 400
    assert "choose a reason" in answer.content.decode()
    now.refresh_from_db()
    assert now.skipped_at is None


def test_a_ranked_task_is_not_skipped(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    now = task(labeller)
    store(assignment=now, entered=RankingInput(ABCD))
    post(sign_in(labeller), "skip", assignment=now.token, reason="broken")
    now.refresh_from_db()
    assert now.skipped_at is None
    assert Ranking.objects.get().is_current


def test_an_undone_submit_shows_what_was_entered(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client, now = sign_in(labeller), task(labeller)
    submit(client, now, note="hard", all_bad="on")
    page = post(client, "undo", undo=now.token).content.decode()
    chosen = [tag.split(">")[0] for tag in page.split("<input") if "checked" in tag.split(">")[0]]
    assert len(chosen) == 5
    assert ">hard</textarea>" in page
    labeller.refresh_from_db()
    assert labeller.ranked == 0


@pytest.mark.parametrize("name", ["skip", "undo"])
def test_without_javascript_a_refusal_leads_back_to_the_task(
    add_prompt: AddPrompt, labeller: Member, name: str
) -> None:
    add_prompt()
    answer = sign_in(labeller).post(f"{URL}{name}/", {"assignment": task(labeller).token})
    assert answer.status_code in (400, 404)
    assert f'href="{URL}"' in answer.content.decode().partition('id="refusal"')[2]


def test_an_undone_submit_is_shown_though_others_have_its_prompt(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("First?", priority=1)
    add_prompt("Second?")
    now = task(labeller)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    store(assignment=task(manager), entered=RankingInput(ABCD))
    client = sign_in(labeller)
    submit(client, now)
    assert Ranking.objects.get(member=labeller).surplus
    page = post(client, "undo", undo=now.token).content.decode()
    assert "First?" in page
    assert "First?" in client.get(URL).content.decode()


def test_without_javascript_skip_and_undo_redirect(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client, now = sign_in(labeller), task(labeller)
    answer = client.post(f"{URL}skip/", {"assignment": now.token, "reason": "other"})
    assert (answer.status_code, answer["Location"]) == (302, URL)
    answer = client.post(f"{URL}undo/", {"undo": now.token})
    assert (answer.status_code, answer["Location"]) == (302, URL)
    now.refresh_from_db()
    assert now.skipped_at is None


# The heartbeat


def test_a_heartbeat_lengthens_the_leases_of_the_page_and_no_others(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    own, others = task(labeller), task(manager)
    soon = timezone.now() + timedelta(minutes=1)
    Assignment.objects.update(expires_at=soon)
    data = {"token": [own.token, others.token]}
    assert sign_in(labeller).post(f"{URL}alive/", data).status_code == 204
    own.refresh_from_db()
    others.refresh_from_db()
    assert own.expires_at > soon
    assert others.expires_at == soon


# A paused project


def test_a_paused_project_gives_nothing_new_and_keeps_what_was_begun(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    begun = task(labeller)
    project.paused = True
    project.save()
    assert begun.prompt.messages[0]["content"] in sign_in(labeller).get(URL).content.decode()
    assert "This project is paused" in sign_in(manager).get(URL).content.decode()
    assert Assignment.objects.count() == 1


# Who may


@pytest.mark.parametrize("name", POSTS)
def test_other_people_and_methods_are_refused(
    add_prompt: AddPrompt, labeller: Member, manager: Member, outsider: User, name: str
) -> None:
    add_prompt(wanted=2)
    now = task(labeller)
    save_draft(now, RankingInput({"A": 1}))
    data = {"assignment": now.token, "undo": now.token, "token": now.token, "reason": "other"}
    assert sign_in(labeller).get(f"{URL}{name}/").status_code == 405
    assert Client().post(f"{URL}{name}/", data).status_code == 302
    assert post(sign_in(outsider), name, **data).status_code == 404
    assert post(sign_in(manager), name, **data).status_code == (204 if name == "alive" else 403)
    if name != "alive":
        gone = {key: uuid.uuid4() for key in data} | {"reason": "other"}
        assert post(sign_in(labeller), name, **gone).status_code == 404
    after = Assignment.objects.get(pk=now.pk)
    assert (after.draft, after.skipped_at, after.expires_at) == (
        RankingInput({"A": 1}).to_json(), None, now.expires_at,
    )  # fmt: skip
