"""The page of one prompt, and what the overview says of prompts."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Assignment, Member, Project, PromptAgreement, Role, TrainingRun, User
from labelapp.projects import prompt_history
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import skip
from tests.labelapp.projects.steering import URL, rank, task
from training.rankings import UNRANKED


def test_a_prompt_is_shown_in_full(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    reviewer: Member,
    manager: Member,
) -> None:
    prompt = add_prompt(responses=["<script>x</script>", "**bold**", "c", "d"], wanted=3)
    add_ranking(prompt, labeller, [1, 2, 3, 4], is_current=False)
    add_ranking(prompt, labeller, [2, 1, 1, 3], version=2, note="Now <i>sure</i>.", seconds=75)
    held = task(manager)
    sceptic = join(project, "sceptic", Role.LABELLER)
    skip(assignment=task(sceptic), reason="unsuitable", note="Too <b>rude</b>")
    html = sign_in(reviewer).get(f"{URL}{prompt.pk}/").content.decode()
    assert "<script>x" not in html
    assert "<strong>bold</strong>" in html
    assert "model-0" in html  # reviewers see sources
    assert "Now &lt;i&gt;sure&lt;/i&gt;." in html
    assert "1\xa0min 15\xa0s" in html
    assert "version 1, no longer current" in html
    assert "This should not be shown to people" in html
    assert "Too &lt;b&gt;rude&lt;/b&gt;" in html
    assert held.member.name in html
    assert "Take back" not in html  # that is a manager's


def test_a_ranking_stands_as_lanes_of_letters(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [2, 1, 1, 3])
    [ranked] = prompt_history.history(prompt).rankings
    assert ranked.ranks == [(1, ["B", "C"]), (2, ["A"]), (3, ["D"])]


def test_unranked_responses_stand_in_a_lane_that_says_so(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [UNRANKED, 1, 2, UNRANKED])
    [ranked] = prompt_history.history(prompt).rankings
    assert ranked.ranks == [(1, ["B"]), (2, ["C"]), (None, ["A", "D"])]
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    shown = re.sub(r"<[^>]*>", " ", page[page.index('id="rankings-title"') :])
    assert "not ranked" in shown
    assert not re.search(rf"\b{UNRANKED}\b", shown)


def test_the_words_that_name_the_model_are_marked(add_prompt: AddPrompt, manager: Member) -> None:
    prompt = add_prompt(responses=["I am ChatGPT <i>.", "b", "c", "d"])
    prompt.responses.filter(text__startswith="I am").update(names_itself=True)
    html = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "…<mark>I am ChatGPT</mark> &lt;i&gt;.…" in html


def test_a_prompt_that_has_scores_leads_to_its_review(
    project: Project, add_prompt: AddPrompt, manager: Member
) -> None:
    prompt = add_prompt()
    url = f"/projects/kitchen/reviewing/{prompt.pk}/"
    assert url not in sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    run = TrainingRun.objects.create(project=project, state="done", finished_at=timezone.now())
    PromptAgreement.objects.create(
        run=run, prompt=prompt, comparisons=0, against=0, disagreement=0, held_out=True
    )
    assert url in sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()


def test_a_lease_that_ran_out_says_so(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt()
    task(labeller)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=5))
    html = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "; the next labeller gets it" in html


def test_a_prompt_that_is_not_there_is_not_found(manager: Member) -> None:
    foreign = Project.objects.create(name="Attic", slug="attic").prompts.create(
        messages=[], content_hash="x"
    )
    for pk in (foreign.pk, 99999, "9" * 30):
        assert sign_in(manager).get(f"{URL}{pk}/").status_code == 404


@pytest.mark.parametrize("people", [1, 8])
def test_a_prompts_page_makes_the_same_queries_whatever_happened_to_it(
    project: Project, add_prompt: AddPrompt, manager: Member, people: int
) -> None:
    prompt = add_prompt(wanted=30)
    for i in range(people):
        rank(join(project, f"a{i}", Role.LABELLER))
        task(join(project, f"b{i}", Role.LABELLER))
        skip(assignment=task(join(project, f"c{i}", Role.LABELLER)), reason="other")
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{URL}{prompt.pk}/").status_code == 200
    assert len(queries) == 14


# The overview


def test_the_overview_tells_managers_of_responses_that_name_their_model(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    assert "show=names" not in sign_in(manager).get("/projects/kitchen/").content.decode()
    prompt.responses.filter(text="Paint.").update(names_itself=True)
    html = sign_in(manager).get("/projects/kitchen/").content.decode()
    assert "1 response reveals the model that wrote it" in html
    assert f"{URL}?show=names" in html
    assert "show=names" not in sign_in(labeller).get("/projects/kitchen/").content.decode()


def test_the_texts_of_a_prompt_come_as_they_were_written(
    add_prompt: AddPrompt, reviewer: Member
) -> None:
    prompt = add_prompt("**Why**?", ["*a*\r\n", "b", "c", "d"])
    texts = sign_in(reviewer).get(f"{URL}{prompt.pk}/texts/").json()
    assert texts.pop("message-1") == "**Why**?"
    assert texts == {str(response.pk): response.text for response in prompt.responses.all()}


def test_the_texts_of_a_prompt_are_for_reviewers(
    add_prompt: AddPrompt, labeller: Member, outsider: User, reviewer: Member
) -> None:
    prompt = add_prompt()
    assert sign_in(labeller).get(f"{URL}{prompt.pk}/texts/").status_code == 403
    assert sign_in(outsider).get(f"{URL}{prompt.pk}/texts/").status_code == 404
    assert Client().get(f"{URL}{prompt.pk}/texts/").status_code == 302
    assert sign_in(reviewer).get(f"{URL}{prompt.pk + 1}/texts/").status_code == 404
    assert sign_in(reviewer).post(f"{URL}{prompt.pk}/texts/").status_code == 405
